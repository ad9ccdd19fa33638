"""Lines of several logs in the order of time, a page at a time from the newest back. Blocking; run it in a thread.

A line's time is that of the keeper's newest mark before it: right to the second, and lines of one log keep their order.
Memory is bounded by the page and one block per log, however long the logs and their lines are.
"""

from __future__ import annotations

import bisect
import heapq
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from aikore.logs import times
from aikore.logs.segments import View

BLOCK = 64 * 1024
LINE_SHOWN = 4096
"""Bytes of a line that are shown."""
LINE_MAX = 2**20
"""Bytes after which a line is taken as two, so that one without an end does not hold up the rest."""
PATIENCE = 2.0
"""Seconds after which a page is given as it is."""
MARKS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one log. ``time`` is 0 when it is unknown."""

    instance: int
    offset: int
    time: float
    text: str


@dataclass(frozen=True, slots=True)
class Merged:
    """Lines, oldest first, and for each log the offset before which to go on. ``done``: there is nothing before."""

    lines: list[Line]
    before: dict[int, int]
    done: bool


def merge(logs: Mapping[int, View], before: Mapping[int, int], limit: int, patience: float = PATIENCE) -> Merged:
    """Return the last ``limit`` lines that begin before the given offset of each log."""
    deadline = time.monotonic() + patience
    newest_first = heapq.merge(
        *(_timed(number, log, before[number]) for number, log in logs.items()), key=lambda line: line.time, reverse=True
    )
    positions = dict(before)
    lines: list[Line] = []
    for line in islice(newest_first, limit):
        lines.append(line)
        positions[line.instance] = line.offset
        if time.monotonic() > deadline:
            break
    done = len(lines) < limit and next(newest_first, None) is None
    return Merged(lines[::-1], positions, done)


def _timed(number: int, log: View, end: int) -> Iterator[Line]:
    """Yield the lines before ``end``, last first, with times that never rise on the way back."""
    latest = float("inf")
    for start, block in _blocks_back(log, end):
        marks = times.marks(log, start, start + BLOCK + 1, MARKS_MAX)
        for offset, data in reversed(block):
            at = bisect.bisect_right(marks, offset, key=lambda mark: mark.offset)
            latest = min(latest, marks[at - 1].time if at else 0.0)
            yield Line(number, offset, latest, data[:LINE_SHOWN].decode("utf-8", "replace"))


Block = tuple[int, list[tuple[int, bytes]]]
"""Where a block begins, and the lines that begin in it, each with its offset."""


def _blocks_back(log: View, end: int) -> Iterator[Block]:
    """Yield the lines before ``end`` block by block from the end. A line is kept to its first bytes."""
    held: bytes | None = None
    held_bytes, held_at = 0, end
    for segment in reversed(log.segments):
        position = min(segment.end, end)
        if held is not None and position < held_at:  # what lay between was rotated away
            yield held_at, [(held_at, held)]
            held = None
        while position > segment.start:
            start = max(segment.start, position - BLOCK)
            data = log.read(start, position - start).data
            if len(data) < position - start:  # removed since the view was taken
                break
            lines = data.split(b"\n")
            if held is None and not lines[-1]:
                lines.pop()
            elif held is not None:
                lines[-1] = (lines[-1] + held)[:LINE_SHOWN]
            found = _with_offsets(start, data, lines)
            held_bytes = held_bytes + len(data) if len(lines) == 1 else len(lines[0])
            if held_bytes > LINE_MAX:
                held, held_bytes = None, 0
            else:
                (held_at, held), *found = found
            yield start, found
            position = start
    if held is not None:
        yield held_at, [(held_at, held)]


def _with_offsets(start: int, data: bytes, lines: list[bytes]) -> list[tuple[int, bytes]]:
    found, at = [], start
    for line in lines:
        found.append((at, line))
        at = data.find(b"\n", at - start) + 1 + start
    return found
