"""Tells when a byte of the log was written, from the keeper's small index files. Blocking; run it in a thread."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aikore.base.disk import open_plain
from aikore.launch.layout import INDEX_NAME
from aikore.logs.segments import Segment, View

RECORD = struct.Struct("<Qd")
"""Global offset, unix time: what follows the offset was written at or after the time."""


UNREADABLE = (OSError, struct.error)
"""What reading an index fails with that is gone, was cut meanwhile, or is no plain file: times are unknown then."""
LATEST = 2.0**33
"""Unix times that a clock may show lie before it; what else an index holds is no time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """From this offset on, bytes were written at this unix time or later."""

    offset: int
    time: float


def time_at(log: View, offset: int) -> float | None:
    """Return the unix time at which the byte at ``offset`` was written, None when unknown."""
    segment = log.find(offset)
    if segment is None or segment.start > offset:
        return None
    for path in _index_paths(segment):
        with suppress(*UNREADABLE), _Index(path) as index:
            at = index.first_after(offset) - 1
            if at >= 0 and (mark := index[at]).offset >= segment.start:
                return mark.time
    return None


def offset_at(log: View, moment: float) -> int:
    """Return the offset before which everything was written before a unix time, right to the second."""
    for segment in reversed(log.segments):
        for path in _index_paths(segment):
            with suppress(*UNREADABLE), _Index(path) as index:
                at = index.first(lambda mark: mark.time >= moment)
                if at > 0 and index[at - 1].offset >= segment.start:
                    return min(index[at].offset, segment.end) if at < len(index) else segment.end
    return log.start


def marks(log: View, start: int, end: int, most: int) -> list[Mark]:
    """Return the marks from ``start`` to ``end``, at most ``most``, evenly thinned out. The first covers ``start``."""
    found: list[Mark] = []
    for segment in log.segments:
        if segment.end <= start or segment.start >= end:
            continue
        for path in _index_paths(segment):
            with suppress(*UNREADABLE), _Index(path) as index:
                first = max(index.first_after(start) - 1, 0)
                last = index.first_after(min(end, segment.end) - 1)
                step = max(1, -(-(last - first) // most))
                chosen = [index[at] for at in range(first, last, step)]
                if chosen and chosen[0].offset >= segment.start:
                    found += chosen
                    break
    step = max(1, -(-len(found) // most))
    return found[::step]


def _index_paths(segment: Segment) -> list[Path]:
    """The index is renamed together with its log, so the current one's may already have the rotated name."""
    rotated = segment.path.with_name(f"output.{segment.start:020d}.idx")
    return [rotated, segment.path.with_name(INDEX_NAME)] if segment.current else [rotated]


class _Index:
    """An index file as a sorted sequence of marks, read record by record."""

    def __init__(self, path: Path) -> None:
        self._fd = open_plain(path)
        self._count = os.fstat(self._fd).st_size // RECORD.size

    def __enter__(self) -> _Index:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: int) -> Mark:
        offset, moment = RECORD.unpack(os.pread(self._fd, RECORD.size, at * RECORD.size))
        return Mark(offset, moment if 0 <= moment < LATEST else 0.0)

    def first_after(self, offset: int) -> int:
        """Return the index of the first mark behind ``offset``."""
        return self.first(lambda mark: mark.offset > offset)

    def first(self, reached: Callable[[Mark], bool]) -> int:
        """Return the index of the first mark for which ``reached`` holds, as it does for all after it."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if reached(self[middle]):
                high = middle
            else:
                low = middle + 1
        return low
