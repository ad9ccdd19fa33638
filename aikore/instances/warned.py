"""Lines of the present run's log that its blueprint warns of (``warn`` in its header).

Goes along the log: each look reads what was added since the last one, a bounded amount of it, in the caller's thread.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aikore.base.disk import open_plain
from aikore.launch.keeper.segments import ROTATED
from aikore.launch.layout import LOG_NAME

LOOK_MOST = 2**20
"""Bytes of one log that one look reads; a line that is longer counts as several."""
BEHIND_MOST = 64 * 2**20
"""Bytes of a log that are read at all when a new manager finds more than it has seen."""
TEXT_MOST = 300
COLOURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Warned:
    """How many lines of a run warn, and the first one of them. ``seen`` is how far its log was read."""

    run: int
    seen: int
    count: int = 0
    text: str = ""
    offset: int = 0


def look(logs: Path, words: Sequence[str], before: Warned, last: bool = False) -> Warned:
    """Return what is known after another look. ``last``: nothing follows, so an unfinished line counts as one."""
    seen, data = _read(logs, before.seen)
    full = len(data) >= LOOK_MOST
    whole = len(data) if (b"\n" not in data if full else last) else data.rfind(b"\n") + 1
    wanted = [word.encode() for word in words]
    count, text, offset = before.count, before.text, before.offset
    if any(word in data for word in wanted):
        at = seen
        for line in data[:whole].splitlines(keepends=True):
            if any(word in line for word in wanted):
                text, offset = (text, offset) if count else (_shown(line), at)
                count += 1
            at += len(line)
    return Warned(before.run, seen + whole, count, text, offset)


def _shown(line: bytes) -> str:
    return COLOURS.sub(b"", line).decode("utf-8", "replace").strip()[:TEXT_MOST]


def _read(logs: Path, offset: int) -> tuple[int, bytes]:
    """Return bytes of a log from an offset on, and where they begin: later than asked where that is no longer kept."""
    files = _files(logs)
    end = files[-1][0] + _size(files[-1][1])
    offset = max(offset, files[0][0], end - BEHIND_MOST)
    parts: list[bytes] = []
    at = offset
    for start, path in files:
        if start > at and parts:
            break  # what lies between is not kept: the next look goes on behind it
        if start > at:
            offset = at = start
        with suppress(OSError), open(open_plain(path), "rb") as file:
            file.seek(at - start)
            if part := file.read(LOOK_MOST - (at - offset)):
                parts.append(part)
                at += len(part)
    moved = _files(logs) != files  # a rotation passed by: which file was read is not known
    return offset, b"" if moved else b"".join(parts)


def _files(logs: Path) -> list[tuple[int, Path]]:
    """Return the files of a log with the offset at which each begins."""
    try:
        rotated = sorted(found[0] for found in map(ROTATED.fullmatch, os.listdir(logs)) if found)
    except OSError:
        rotated = []
    files = [(int(name.split(".")[1]), logs / name) for name in rotated]
    start = files[-1][0] + _size(files[-1][1]) if files else 0
    return [*files, (start, logs / LOG_NAME)]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


class WarnedBook:
    """What is known of each instance's present run."""

    def __init__(self) -> None:
        self._known: dict[int, Warned] = {}
        self._over: dict[int, int] = {}
        """The run of each instance that has ended and was read to its end."""

    def remember(self, text: str) -> None:
        """Take what :meth:`memory` once told. What cannot be read is found again in the logs."""
        with suppress(ValueError, TypeError, AttributeError):
            self._known = {int(number): Warned(**known) for number, known in json.loads(text).items()}

    def memory(self) -> str:
        """Return what is known, as text."""
        return json.dumps({number: asdict(known) for number, known in self._known.items()})

    def at(self, number: int, run: int, log_offset: int) -> Warned | None:
        """Return how far a run was read; None when there is nothing more to read."""
        if self._over.get(number) == run:
            return None
        known = self._known.get(number)
        return known if known is not None and known.run == run else Warned(run, log_offset)

    def take(self, number: int, before: Warned, found: Warned, last: bool) -> bool:
        """Take what a look found; say whether there are more warnings than before."""
        self._known[number] = found
        if last and found.seen == before.seen:
            self._over[number] = found.run
        return found.count != before.count

    def forget(self, present: set[int]) -> None:
        """Drop instances that are not there any more."""
        self._known = {number: known for number, known in self._known.items() if number in present}

    def view(self, number: int, run: int) -> dict[str, Any] | None:
        """Return the warnings of a run as the interface tells them; None when there are none."""
        known = self._known.get(number)
        if known is None or known.run != run or not known.count:
            return None
        return {"count": known.count, "text": known.text, "offset": known.offset}
