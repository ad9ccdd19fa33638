"""What people should know of without looking: raised once when it begins, and again only after it was over.

Pure: samples and events in, notices out. Thresholds are settings; 0 turns one off.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from aikore.config.notices import NoticeSettings
from aikore.monitor.figures import GpuFigures, Stats

DISK_BACK = 3.0
"""Percent below the threshold at which a full disk counts as over."""
HEAT_BACK = 5.0
"""Degrees below the threshold at which a hot GPU counts as over."""
HEAT_SECONDS = 10.0
"""Seconds a GPU must be hot: a peak of one look is none."""
THROTTLE_OVER = 60.0
"""Seconds at full clocks until slowing down counts as over."""
RESTARTS_WINDOW = 600.0
"""Seconds in which restarts are counted; as long must be quiet until they count as over."""
HARMFUL = frozenset({"hardware slowdown", "thermal (software)", "thermal (hardware)", "power brake"})
"""Reasons for low clocks that people should look after; a power cap is the ordinary state of a busy card."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told."""

    level: Literal["warning", "error"]
    message: str


class Condition:
    """Something that begins when it has held for ``on`` seconds, and is over when it has not for ``off`` seconds."""

    def __init__(self, on: float = 0.0, off: float = 0.0) -> None:
        self._on, self._off = on, off
        self._since: float | None = None
        self.holds = False

    def begins(self, now: float, bad: bool | None) -> bool:
        """Take a look and say whether it begins just now. ``None``: neither bad nor well, all stays as it is."""
        if bad is None or bad is self.holds:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        if now - self._since < (self._on if bad else self._off):
            return False
        self.holds, self._since = bad, None
        return bad


class Notices:
    """Watches samples and restarts. Use from one thread only."""

    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings
        self._disk = Condition()
        self._no_driver = Condition(off=HEAT_SECONDS)
        self._hot: dict[str, Condition] = {}
        self._slow: dict[str, Condition] = {}
        self._gone: dict[str, Condition] = {}
        self._restarts: dict[int, deque[float]] = {}
        self._restarting: dict[int, bool] = {}

    def look(self, stats: Stats) -> list[Notice]:
        """Return what begins with this sample."""
        found = [self._look_at_disk(stats), self._look_at_drivers(stats)]
        for gpu in stats["gpus"]:
            found += [self._look_at_heat(gpu, stats["time"]), self._look_at_clocks(gpu, stats["time"])]
            found.append(self._look_at_presence(gpu, stats["time"]))
        return [notice for notice in found if notice]

    def _look_at_disk(self, stats: Stats) -> Notice | None:
        disk, limit = stats["host"]["disk"], self._settings.notice_disk_percent
        available = disk["used"] + disk["free"]  # what is kept for root is nobody's else
        if not limit or not available:
            return None
        percent = disk["used"] / available * 100
        if not self._disk.begins(stats["time"], _between(percent, limit - DISK_BACK, limit)):
            return None
        free = disk["free"] / 2**30
        return Notice(
            "warning",
            f"The disk of the data folder is {percent:.0f}% full ({free:.1f} GiB free). "
            "Empty the trash or move models away.",
        )

    def _look_at_heat(self, gpu: GpuFigures, now: float) -> Notice | None:
        limit, degrees = self._settings.notice_gpu_temperature, gpu["temperature"]
        if not limit or degrees is None:
            return None
        hot = self._hot.setdefault(gpu["uuid"], Condition(HEAT_SECONDS, HEAT_SECONDS))
        if not hot.begins(now, _between(degrees, limit - HEAT_BACK, limit)):
            return None
        return Notice("warning", f"{_name(gpu)} is {degrees:.0f} °C hot. Look after its fans and the air around it.")

    def _look_at_clocks(self, gpu: GpuFigures, now: float) -> Notice | None:
        seconds = self._settings.notice_gpu_throttle
        if not seconds or gpu["state"] != "ok":
            return None
        reasons = [reason for reason in gpu["throttle"] if reason in HARMFUL]
        slow = self._slow.setdefault(gpu["uuid"], Condition(seconds, THROTTLE_OVER))
        if not slow.begins(now, bool(reasons)):
            return None
        return Notice("warning", f"{_name(gpu)} has been slowed down for {seconds:.0f} s: {', '.join(reasons)}.")

    def _look_at_presence(self, gpu: GpuFigures, now: float) -> Notice | None:
        gone = self._gone.setdefault(gpu["uuid"], Condition(off=HEAT_SECONDS))
        if not gone.begins(now, gpu["state"] == "lost"):
            return None
        return Notice("error", f"{_name(gpu)} does not answer any more. {gpu['reason']}".rstrip())

    def _look_at_drivers(self, stats: Stats) -> Notice | None:
        """A driver that fails while its GPUs are known is told by them."""
        problem = "" if stats["gpus"] else stats["gpu_problem"]
        return Notice("error", problem) if self._no_driver.begins(stats["time"], bool(problem)) else None

    def restarted(self, instance: int, name: str, now: float) -> Notice | None:
        """Take an automatic restart of an instance."""
        limit = self._settings.notice_restarts
        times = self._restarts.setdefault(instance, deque(maxlen=max(1, limit)))
        if not times or now - times[-1] > RESTARTS_WINDOW:
            self._restarting[instance] = False
        times.append(now)
        if not limit or self._restarting[instance] or len(times) < limit or now - times[0] > RESTARTS_WINDOW:
            return None
        self._restarting[instance] = True
        minutes = RESTARTS_WINDOW / 60
        return Notice(
            "warning",
            f"{name} was started again {limit} times within {minutes:.0f} minutes because it ended by itself. "
            "Read its log.",
        )

    def forget(self, instance: int) -> None:
        """Drop an instance that is gone for good."""
        self._restarts.pop(instance, None)
        self._restarting.pop(instance, None)


def _between(value: float, low: float, high: float) -> bool | None:
    """Return True from ``high`` on, False up to ``low``, None in between."""
    return True if value >= high else False if value <= low else None


def _name(gpu: GpuFigures) -> str:
    return f"The GPU {gpu['name']} ({gpu['id']})" if gpu["id"] == gpu["uuid"] else f"GPU {gpu['id']} ({gpu['name']})"
