"""The machine as a whole: CPU, memory, the data folder's disk, network. Blocks: use a thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from aikore.monitor.figures import Disk, Host, Memory, Network

SECTOR = 512
"""Bytes of a sector in /sys/dev/block/…/stat, whatever the device says (kernel: block/stat.rst)."""
INTERFACES_KEPT = 60.0
"""Seconds until the network interfaces are looked up again."""


class Rate:
    """Turns a growing counter into units a second; a counter that went back gives 0."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def of(self, value: float | None, now: float) -> float | None:
        """Return the rate since the last call; None at the first call or without a value."""
        before, self._last = self._last, None if value is None else (value, now)
        if value is None or before is None or now <= before[1]:
            return None
        return round(max(0.0, value - before[0]) / (now - before[1]), 1)


class HostReader:
    """Remembers counters between two looks."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._clock = clock
        self._cores: list[tuple[float, float]] = []
        self._read, self._write, self._received, self._sent = Rate(), Rate(), Rate(), Rate()
        self._interfaces: list[str] = []
        self._interfaces_at = float("-inf")

    def read(self) -> Host:
        """Return how the machine is; rates since the last call."""
        now = self._clock()
        cores = self._busy()
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return {
            "cpu": round(sum(cores) / len(cores), 1) if cores else None,
            "cores": cores,
            "load": [round(load, 2) for load in os.getloadavg()],
            "memory": _memory(memory.total, memory.total - memory.available),
            "swap": _memory(swap.total, swap.used),
            "disk": self._disk(now),
            "network": self._network(now),
            "uptime": round(time.clock_gettime(time.CLOCK_BOOTTIME), 1),
        }

    def _busy(self) -> list[float]:
        """Return the percentage of each core since the last call; empty at the first and when cores came or went."""
        before, self._cores = self._cores, [_spent(times) for times in psutil.cpu_times(percpu=True)]
        if len(before) != len(self._cores):
            return []
        return [_share(new[0] - old[0], new[1] - old[1]) for old, new in zip(before, self._cores, strict=True)]

    def _disk(self, now: float) -> Disk:
        total = used = free = 0
        with suppress(OSError):
            usage = psutil.disk_usage(str(self._home))
            total, used, free = usage.total, usage.used, usage.free
        read, written = self._device_counters()
        return {
            "total": total,
            "used": used,
            "free": free,
            "read": self._read.of(read, now),
            "write": self._write.of(written, now),
        }

    def _device_counters(self) -> tuple[int | None, int | None]:
        """Return bytes read and written by the data folder's device; None for file systems without one."""
        try:
            device = self._home.stat().st_dev
            name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
            fields = Path(name).read_text().split()
            return int(fields[2]) * SECTOR, int(fields[6]) * SECTOR
        except (OSError, ValueError, IndexError):
            return None, None

    def _network(self, now: float) -> Network:
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        if now - self._interfaces_at > INTERFACES_KEPT:
            self._interfaces, self._interfaces_at = _real_interfaces(list(counters)), now
        mine = [counters[name] for name in self._interfaces if name in counters]
        return {
            "received": self._received.of(sum(one.bytes_recv for one in mine) if mine else None, now),
            "sent": self._sent.of(sum(one.bytes_sent for one in mine) if mine else None, now),
        }


def _memory(total: int, used: int) -> Memory:
    return {"total": total, "used": used}


def _spent(times: object) -> tuple[float, float]:
    """Return busy and whole seconds of a core. Guests' time is in user time already (proc(5))."""
    values: dict[str, float] = times._asdict()  # type: ignore[attr-defined]
    whole = sum(values.values()) - values.get("guest", 0.0) - values.get("guest_nice", 0.0)
    return whole - values["idle"] - values.get("iowait", 0.0), whole


def _share(busy: float, whole: float) -> float:
    return round(min(100.0, max(0.0, busy / whole * 100)), 1) if whole > 0 else 0.0


def _real_interfaces(names: list[str]) -> list[str]:
    """Return interfaces with hardware; where there are none (a container), all but the loopback."""
    real = [name for name in names if Path(f"/sys/class/net/{name}/device").exists()]
    return real or [name for name in names if name != "lo"]
