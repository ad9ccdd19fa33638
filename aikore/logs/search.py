"""Finds text in the log, in chunks of bounded size, however long a line is. Blocking; run it in a thread."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aikore.logs.segments import View
from aikore.logs.times import time_at

CHUNK = 1 << 20
EXCERPT = 2000
"""Bytes of a line that are shown with a match."""
BEFORE = 600
"""Bytes of those that may lie before the match."""


@dataclass(frozen=True, slots=True)
class Match:
    """One place where the text was found. ``offset`` is the match's own, ``line_text`` the line around it."""

    offset: int
    line_text: str
    time: float | None


@dataclass(slots=True)
class Result:
    """What a search found; ``next`` is where to go on, ``done`` says that the end was reached."""

    matches: list[Match] = field(default_factory=list)
    next: int = 0
    done: bool = False


class Needle:
    """What is searched for, as bytes. Ignoring case covers the capital and small forms of every letter."""

    def __init__(self, text: str, ignore_case: bool) -> None:
        encoded = text.encode("utf-8", "surrogateescape")
        self.longest = len(encoded)
        self.many_lines = "\n" in text
        self._literal = encoded
        self._fold = ignore_case
        self._pattern: re.Pattern[bytes] | None = None
        if ignore_case and text.isascii():
            self._literal = encoded.lower()
        elif ignore_case:
            forms = [
                {c.encode("utf-8", "surrogateescape") for c in (char.lower(), char.upper(), char)} for char in text
            ]
            self.longest = sum(max(map(len, variants)) for variants in forms)
            choices = [b"(?:" + b"|".join(map(re.escape, sorted(variants))) + b")" for variants in forms]
            self._pattern = re.compile(b"".join(choices))

    def positions(self, data: bytes) -> Callable[[int], int]:
        """Return a function that gives the first place at or after one in ``data``, -1 for none."""
        if (pattern := self._pattern) is not None:

            def matched(at: int) -> int:
                found = pattern.search(data, at)
                return found.start() if found else -1

            return matched
        folded = data.lower() if self._fold else data
        return lambda at: folded.find(self._literal, at)


def search(
    log: View,
    text: str,
    offset: int,
    *,
    limit: int = 100,
    ignore_case: bool = True,
    seconds: float = 2.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """Search from ``offset`` to the end of ``log``; stop at ``limit`` matches, after ``seconds`` or when cancelled.

    A line gives one match, unless it is so long that the next one lies outside the excerpt shown.
    """
    needle = Needle(text, ignore_case)
    result = Result(next=offset)
    deadline = time.monotonic() + seconds
    held = b""
    position = offset
    while True:
        piece = log.read(position, CHUNK)
        if not piece.data:
            result.done = True
            return result
        data = held + piece.data if piece.offset == position else piece.data
        base = piece.next - len(data)
        resume = _search_chunk(log, needle, data, base, result, limit)
        if len(result.matches) >= limit:
            result.next = resume
            return result
        position = max(piece.next, resume)
        held = data[max(resume - base, len(data) - needle.longest + 1, 0) :] if resume < piece.next else b""
        result.next = position - len(held)
        if cancelled() or time.monotonic() > deadline:
            return result


def _search_chunk(log: View, needle: Needle, data: bytes, base: int, result: Result, limit: int) -> int:
    """Add the matches in ``data``, which begins at offset ``base``; return the offset to go on from."""
    find = needle.positions(data)
    resume = base
    while len(result.matches) < limit:
        at = find(resume - base)
        if at < 0:
            break
        match, resume = _excerpt(log, base + at, needle)
        result.matches.append(match)
        if resume >= base + len(data):
            break
    return resume


def _excerpt(log: View, offset: int, needle: Needle) -> tuple[Match, int]:
    """Read the line around a match, cut to :data:`EXCERPT`; return it and the offset behind it."""
    before = log.read(max(offset - BEFORE, log.start), min(BEFORE, offset - log.start)).data
    before = before[before.rfind(b"\n") + 1 :]
    after = log.read(offset, max(EXCERPT - len(before), needle.longest)).data
    line_end = after.find(b"\n", needle.longest if needle.many_lines else 0)
    behind = offset + (line_end + 1 if line_end >= 0 else len(after))
    line = (before + (after[:line_end] if line_end >= 0 else after))[:EXCERPT]
    text = line.rstrip(b"\r").decode("utf-8", "replace")
    return Match(offset, text, time_at(log, offset)), max(behind, offset + 1)
