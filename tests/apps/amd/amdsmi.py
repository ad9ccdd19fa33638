"""A stand-in for AMD's ``amdsmi``: two GPUs in the forms its documentation tells, of which the second knows little."""

from __future__ import annotations

import enum
from typing import Any


class AmdSmiTemperatureType(enum.IntEnum):
    EDGE = 0


class AmdSmiTemperatureMetric(enum.IntEnum):
    CURRENT = 0


class AmdSmiClkType(enum.IntEnum):
    GFX = 0
    MEM = 4


class AmdSmiLibraryException(Exception):
    pass


HANDLES = ["card-0", "card-1"]


def amdsmi_init() -> None: ...


def amdsmi_shut_down() -> None: ...


def amdsmi_get_processor_handles() -> list[str]:
    return HANDLES


def amdsmi_get_gpu_asic_info(handle: str) -> dict[str, Any]:
    if handle != "card-0":
        return {"market_name": "Radeon RX 7600", "target_graphics_version": "N/A"}
    return {"market_name": "Radeon PRO W7900", "target_graphics_version": "gfx1100"}


def amdsmi_get_gpu_device_bdf(handle: str) -> str:
    return f"0000:0{HANDLES.index(handle) + 3}:00.0"


def amdsmi_get_gpu_driver_info(handle: str) -> dict[str, str]:
    return {"driver_name": "amdgpu", "driver_version": "6.10.5", "driver_date": "2024/11/10"}


def amdsmi_get_gpu_device_uuid(handle: str) -> str:
    return f"{handle}-uuid"


def amdsmi_get_gpu_vram_usage(handle: str) -> dict[str, int]:
    return {"vram_total": 49152, "vram_used": 2048}


def _only_first(handle: str, value: Any) -> Any:
    if handle != "card-0":
        raise AmdSmiLibraryException("not supported")
    return value


def amdsmi_get_gpu_activity(handle: str) -> dict[str, Any]:
    return {"gfx_activity": 42, "umc_activity": "N/A", "mm_activity": "N/A"}


def amdsmi_get_temp_metric(handle: str, sensor: Any, metric: Any) -> int:
    return int(_only_first(handle, 61))


def amdsmi_get_power_info(handle: str) -> dict[str, Any]:
    return dict(_only_first(handle, {"current_socket_power": "N/A", "average_socket_power": 187, "power_limit": 295}))


def amdsmi_get_clock_info(handle: str, kind: Any) -> dict[str, int]:
    return {"clk": 2100 if kind == AmdSmiClkType.GFX else 1124, "max_clk": 2500}


def amdsmi_get_gpu_fan_speed(handle: str, sensor: int) -> int:
    return int(_only_first(handle, 51))


def amdsmi_get_gpu_total_ecc_count(handle: str) -> dict[str, int]:
    return dict(_only_first(handle, {"correctable_count": 1, "uncorrectable_count": 0}))


def amdsmi_get_gpu_process_list(handle: str) -> list[dict[str, Any]]:
    return []
