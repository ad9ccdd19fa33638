"""AMD's GPUs by ``amdsmi``, which comes with ROCm; without it there are none.

Written after the library's documentation; every figure is guarded, as versions differ in names and units.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aikore.monitor.figures import Clocks, Ecc, Pcie
from aikore.monitor.gpu import DriverError, Gpu, GpuProcess, NoDriverError, Reading

MEGABYTE = 2**20


class AmdReader:
    """The protocol :class:`aikore.monitor.gpu.GpuReader` over ``amdsmi``."""

    vendor = "amd"
    problem = ""

    def __init__(self) -> None:
        self._smi: Any = None
        self._missing = False
        self._handles: dict[str, Any] = {}

    def open(self) -> Sequence[Gpu]:
        """Open the library anew. Raises NoDriverError, DriverError."""
        self._load()
        try:
            with suppress(Exception):
                self._smi.amdsmi_shut_down()
            self._smi.amdsmi_init()
            handles = self._smi.amdsmi_get_processor_handles()
        except Exception as error:  # the library has an error tree per version
            raise DriverError(f"The AMD driver does not start: {error}") from error
        gpus = [self._describe(index, handle) for index, handle in enumerate(handles)]
        self._handles = {gpu.uuid: handle for gpu, handle in zip(gpus, handles, strict=True)}
        return gpus

    def _load(self) -> None:
        if self._missing:
            raise NoDriverError("amdsmi is not installed")
        try:
            self._smi = self._smi or importlib.import_module("amdsmi")
        except Exception as error:  # it raises other errors than ImportError where its library is missing
            self._missing = True
            raise NoDriverError(f"amdsmi cannot be used: {error}") from error

    def _describe(self, index: int, handle: Any) -> Gpu:
        name = self._ask("amdsmi_get_gpu_asic_info", handle, lambda info: str(info["market_name"])) or "AMD GPU"
        uuid = self._ask("amdsmi_get_gpu_device_uuid", handle, str) or f"amd-{index}"
        total = self._ask("amdsmi_get_gpu_vram_usage", handle, lambda vram: int(vram["vram_total"]) * MEGABYTE)
        return Gpu(
            f"amd{index}",
            index,
            name,
            uuid,
            total or None,
            vendor=self.vendor,
            pci=self._ask("amdsmi_get_gpu_device_bdf", handle, lambda bdf: str(bdf).lower()) or "",
            driver=self._ask("amdsmi_get_gpu_driver_info", handle, lambda driver: str(driver["driver_version"])) or "",
            compute=self._ask("amdsmi_get_gpu_asic_info", handle, _target) or "",
            visible=str(index),
        )

    def read(self, gpu: Gpu) -> Reading:
        """Return the figures of a GPU; those that cannot be had are None."""
        handle, smi = self._handles[gpu.uuid], self._smi
        edge = _member(smi, "AmdSmiTemperatureType", "EDGE"), _member(smi, "AmdSmiTemperatureMetric", "CURRENT")
        power = self._ask("amdsmi_get_power_info", handle, dict) or {}
        gfx, mem = _member(smi, "AmdSmiClkType", "GFX"), _member(smi, "AmdSmiClkType", "MEM")
        ecc = self._ask("amdsmi_get_gpu_total_ecc_count", handle, dict) or {}
        return Reading(
            memory_used=self._ask("amdsmi_get_gpu_vram_usage", handle, lambda vram: int(vram["vram_used"]) * MEGABYTE),
            utilization=self._ask("amdsmi_get_gpu_activity", handle, lambda busy: float(busy["gfx_activity"])),
            temperature=self._ask("amdsmi_get_temp_metric", handle, float, *edge),
            power=_first(power, "current_socket_power", "average_socket_power", "socket_power"),
            power_limit=_first(power, "power_limit"),
            clocks=Clocks(graphics=self._clock(handle, gfx), memory=self._clock(handle, mem)),
            fan=self._ask("amdsmi_get_gpu_fan_speed", handle, lambda speed: round(speed / 255 * 100, 1), 0),
            pcie=Pcie(generation=None, width=None, received=None, sent=None),
            ecc=Ecc(corrected=ecc.get("correctable_count"), uncorrected=ecc.get("uncorrectable_count")),
            processes=self._ask("amdsmi_get_gpu_process_list", handle, _processes) or [],
        )

    def _clock(self, handle: Any, kind: Any) -> int | None:
        value: int | None = self._ask(
            "amdsmi_get_clock_info", handle, lambda clock: int(_first(clock, "clk", "cur_clk") or 0), kind
        )
        return value

    def _ask(self, name: str, handle: Any, convert: Callable[[Any], Any], *arguments: Any) -> Any:
        try:
            return convert(getattr(self._smi, name)(handle, *arguments))
        except Exception:  # not supported here, or called otherwise in this version: the figure is unknown
            return None


def _member(module: Any, enum: str, name: str) -> Any:
    return getattr(getattr(module, enum, None), name, None)


def _first(values: dict[str, Any], *names: str) -> float | None:
    """Return the first of the named values that is a number; the library says "N/A" for unknown ones."""
    return next((float(values[name]) for name in names if isinstance(values.get(name), int | float)), None)


def _target(info: dict[str, Any]) -> str:
    """Return what ROCm compiles for, such as gfx1100; empty where the library does not say."""
    target = str(info.get("target_graphics_version", ""))
    return target if target.startswith("gfx") else ""


def _processes(listed: list[Any]) -> list[GpuProcess]:
    return [GpuProcess(int(one["pid"]), int(one.get("memory_usage", {}).get("vram_mem", 0))) for one in listed]
