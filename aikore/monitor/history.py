"""What was: the last hour by the second and the last week by the minute, in a bounded piece of memory.

A *series* is one figure by name (``cpu``, ``gpu.0.memory``, ``instance.7.cpu``). Values are 32-bit numbers, NaN where
nothing is known. Times are whole Unix seconds. All methods may be called from any thread.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Mapping, Sequence

SECONDS, MINUTES = 3600, 7 * 24 * 60
SERIES_MOST = 600
"""Series at the same time, 55 KB each; beyond that the one that is silent for the longest goes."""
CARRY = 60
"""Seconds over which a value holds until the next sample comes (the slow pace); longer gaps stay gaps."""
CELLS_MOST = 2_000_000
"""Values that one question may touch."""
NAN = float("nan")


class Ring:
    """The newest ``size`` slots of a series; ``head`` is the number of the newest slot."""

    __slots__ = ("head", "size", "values")

    def __init__(self, size: int, head: int) -> None:
        self.size = size
        self.head = head
        self.values = array("f", [NAN]) * size

    def put(self, slot: int, value: float) -> None:
        """Set a slot. A clock that was put back takes the slots after it away."""
        first, last = (self.head + 1, slot) if slot > self.head else (slot + 1, self.head)
        if last - first >= self.size:
            self.values = array("f", [NAN]) * self.size
        else:
            for gone in range(first, last + 1):
                self.values[gone % self.size] = NAN
        self.head = slot
        self.values[slot % self.size] = value

    def at(self, slot: int) -> float:
        """Return a slot's value, NaN outside the ring."""
        return self.values[slot % self.size] if self.head - self.size < slot <= self.head else NAN


class Series:
    """One figure: by the second, and by the minute as the mean."""

    __slots__ = ("_count", "_minute", "_sum", "minutes", "seconds")

    def __init__(self, now: int) -> None:
        self.seconds = Ring(SECONDS, now - 1)
        self.minutes = Ring(MINUTES, now // 60 - 1)
        self._minute = now // 60
        self._sum, self._count = 0.0, 0

    def add(self, now: int, value: float) -> None:
        """Take a value, which holds for the seconds since the one before."""
        first = self.seconds.head + 1
        if not now - CARRY < first <= now:
            first = now
        for second in range(first, now + 1):
            self.seconds.put(second, value)
            self._add_to_minute(second // 60, value)
        self.minutes.put(self._minute, self._sum / self._count)

    def _add_to_minute(self, minute: int, value: float) -> None:
        if minute != self._minute:
            if self._count:
                self.minutes.put(self._minute, self._sum / self._count)
            self._minute, self._sum, self._count = minute, 0.0, 0
        self._sum, self._count = self._sum + value, self._count + 1

    def restored(self) -> None:
        """Bring minutes that were not written any more up to date from the seconds."""
        last = self.seconds.head // 60
        for minute in range(max(self.minutes.head, last - SECONDS // 60 + 1), last + 1):
            known = [v for s in range(minute * 60, minute * 60 + 60) if not math.isnan(v := self.seconds.at(s))]
            if known:
                self.minutes.put(minute, sum(known) / len(known))
                self._minute, self._sum, self._count = minute, sum(known), len(known)


class History:
    """All series."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._lock = threading.Lock()

    def add(self, now: int, values: Mapping[str, float]) -> None:
        """Take the values of one moment."""
        with self._lock:
            for name, value in values.items():
                series = self._series.get(name)
                if series is None:
                    self._make_room()
                    series = self._series[name] = Series(now)
                series.add(now, value)

    def _make_room(self) -> None:
        if len(self._series) >= SERIES_MOST:
            del self._series[min(self._series, key=lambda name: self._series[name].seconds.head)]

    def forget(self, prefix: str) -> None:
        """Drop the series of something that is gone for good."""
        with self._lock:
            self._series = {name: one for name, one in self._series.items() if not name.startswith(prefix)}

    def names(self) -> list[str]:
        """Return the names of all series."""
        with self._lock:
            return sorted(self._series)

    def contents(self) -> list[tuple[str, Series]]:
        """Return all series, to be written; only the list is a copy."""
        with self._lock:
            return list(self._series.items())

    def restore(self, contents: Sequence[tuple[str, Series]]) -> None:
        """Take what an earlier manager knew."""
        with self._lock:
            for name, series in contents[:SERIES_MOST]:
                series.restored()
                self._series[name] = series

    def query(self, names: Sequence[str], start: int, step: int, count: int) -> dict[str, list[float | None]]:
        """Return the means of ``count`` steps from ``start`` on, by name; None where nothing is known.

        Steps of a minute and more are answered from the minutes.
        """
        with self._lock:
            chosen = {name: self._series.get(name) for name in names}
            return {name: _means(one, start, step, count) for name, one in chosen.items()}


def _means(series: Series | None, start: int, step: int, count: int) -> list[float | None]:
    if series is None:
        return [None] * count
    ring, unit = (series.minutes, 60) if step >= 60 else (series.seconds, 1)
    found: list[float | None] = []
    for number in range(count):
        first = (start + number * step) // unit
        last = max(first + 1, (start + (number + 1) * step) // unit)
        if first > ring.head or last <= ring.head - ring.size:
            found.append(None)
            continue
        known = [value for slot in range(first, last) if not math.isnan(value := ring.at(slot))]
        found.append(float(f"{sum(known) / len(known):.6g}") if known else None)
    return found
