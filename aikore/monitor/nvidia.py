"""NVIDIA's GPUs by NVML. What a card does not support is asked once and then left alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aikore.monitor.figures import Clocks, Ecc, Pcie
from aikore.monitor.gpu import DriverError, Gpu, GpuLostError, GpuProcess, NoDriverError, Reading

log = logging.getLogger(__name__)

SLOW_EVERY = 10
"""Figures that hardly change, or that NVML measures for 20 ms (PCIe traffic), are read at every tenth look."""

THROTTLE = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}
"""Bits of nvmlClocksEventReasons that hold clocks down; idle clocks and chosen clocks are none."""


class NvidiaReader:
    """The protocol :class:`aikore.monitor.gpu.GpuReader` over ``pynvml``."""

    vendor = "nvidia"

    def __init__(self) -> None:
        self._cards: dict[str, _Card] = {}
        self._is_open = False

    def open(self) -> Sequence[Gpu]:
        """Begin anew: a driver that was exchanged needs it. Raises NoDriverError, DriverError."""
        import pynvml

        if self._is_open:
            self._is_open = False
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded) as error:
            raise NoDriverError(str(error)) from error
        except pynvml.NVMLError as error:
            raise DriverError(f"The NVIDIA driver does not start: {error}") from error
        self._is_open = True
        return self._look_round(pynvml)

    def _look_round(self, pynvml: Any) -> list[Gpu]:
        """Describe all GPUs; one that cannot be described is left out."""
        self._cards = {}
        gpus = []
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            raise DriverError(f"The NVIDIA driver does not name its GPUs: {error}") from error
        for index in range(count):
            try:
                card = _Card(pynvml, index)
            except pynvml.NVMLError as error:
                log.warning("GPU %d cannot be read: %s", index, error)
                continue
            self._cards[card.gpu.uuid] = card
            gpus.append(card.gpu)
        return gpus

    def read(self, gpu: Gpu) -> Reading:
        """Return the figures of a GPU. Raises GpuLostError."""
        card = self._cards.get(gpu.uuid)
        if card is None:
            raise GpuLostError(f"GPU {gpu.id} is not there any more")
        return card.read()


class _Card:
    """One GPU's handle. Figures of slow calls are kept between looks."""

    def __init__(self, pynvml: Any, index: int) -> None:
        self._nvml = pynvml
        self._handle = handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total
        name, uuid = str(pynvml.nvmlDeviceGetName(handle)), str(pynvml.nvmlDeviceGetUUID(handle))
        self.gpu = Gpu(str(index), index, name, uuid, memory)
        self._unsupported: set[str] = set()
        self._device = self._ask("MinorNumber", lambda minor: f"/dev/nvidia{minor}")
        self._looks = 0
        self._slow = Reading()
        self._seen = 0
        """NVML's time stamp of the newest utilisation of a process."""

    def read(self) -> Reading:
        if self._looks % SLOW_EVERY == 0:
            self._slow = self._read_slow()
        self._looks += 1
        nvml, slow = self._nvml, self._slow
        return Reading(
            memory_used=self._ask("MemoryInfo", lambda memory: int(memory.used)),
            utilization=self._ask("UtilizationRates", lambda rates: float(rates.gpu)),
            temperature=self._ask("Temperature", float, nvml.NVML_TEMPERATURE_GPU),
            power=self._ask("PowerUsage", _watts),
            power_limit=slow.power_limit,
            clocks=Clocks(
                graphics=self._ask("ClockInfo", int, nvml.NVML_CLOCK_GRAPHICS),
                memory=self._ask("ClockInfo", int, nvml.NVML_CLOCK_MEM),
            ),
            fan=slow.fan,
            pcie=slow.pcie,
            throttle=self._throttle(),
            ecc=slow.ecc,
            processes=self._processes(),
            device=self._device,
        )

    def _read_slow(self) -> Reading:
        nvml = self._nvml
        corrected, uncorrected = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
        return Reading(
            power_limit=self._ask("EnforcedPowerLimit", _watts),
            fan=self._ask("FanSpeed", float),
            pcie=Pcie(
                generation=self._ask("CurrPcieLinkGeneration", int),
                width=self._ask("CurrPcieLinkWidth", int),
                received=self._ask("PcieThroughput", _kilobytes, nvml.NVML_PCIE_UTIL_RX_BYTES),
                sent=self._ask("PcieThroughput", _kilobytes, nvml.NVML_PCIE_UTIL_TX_BYTES),
            ),
            ecc=Ecc(
                corrected=self._ask("TotalEccErrors", int, corrected, nvml.NVML_VOLATILE_ECC),
                uncorrected=self._ask("TotalEccErrors", int, uncorrected, nvml.NVML_VOLATILE_ECC),
            ),
        )

    def _ask(self, what: str, convert: Callable[[Any], Any], *arguments: Any) -> Any:
        """Return one figure, None when it cannot be had. Raises GpuLostError when the GPU is gone."""
        if what in self._unsupported:
            return None
        nvml = self._nvml
        try:
            return convert(getattr(nvml, f"nvmlDeviceGet{what}")(self._handle, *arguments))
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NoPermission):
            self._unsupported.add(what)
        except (nvml.NVMLError_GpuIsLost, nvml.NVMLError_Uninitialized, nvml.NVMLError_DriverNotLoaded) as error:
            raise GpuLostError(f"GPU {self.gpu.id}: {error}") from error
        except nvml.NVMLError as error:
            log.debug("GPU %s: %s: %s", self.gpu.id, what, error)
        return None

    def _throttle(self) -> list[str]:
        for what in ("CurrentClocksEventReasons", "CurrentClocksThrottleReasons"):
            bits = self._ask(what, int)
            if bits is not None:
                return [word for bit, word in THROTTLE.items() if bits & bit]
        return []

    def _processes(self) -> list[GpuProcess]:
        used: dict[int, int] = {}
        for what in ("ComputeRunningProcesses", "GraphicsRunningProcesses"):
            for process in self._ask(what, list) or ():
                used[process.pid] = max(used.get(process.pid, 0), process.usedGpuMemory or 0)
        busy = self._process_utilization() if used else {}
        return [GpuProcess(pid, memory, busy.get(pid)) for pid, memory in used.items()]

    def _process_utilization(self) -> dict[int, float]:
        """Return the share of each process that was busy since the last look."""
        samples = self._ask("ProcessUtilization", list, self._seen) or ()
        self._seen = max((int(one.timeStamp) for one in samples), default=self._seen)
        return {one.pid: float(one.smUtil) for one in sorted(samples, key=lambda one: int(one.timeStamp))}


def _watts(milliwatts: int) -> float:
    return round(milliwatts / 1000, 1)


def _kilobytes(amount: int) -> float:
    return amount * 1024.0
