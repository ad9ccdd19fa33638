"""Follows one log: history from an offset, then live, told by inotify; no gap, no repeat, over rotations.

A follower holds one inotify descriptor, one log file and at most :data:`ROUND` bytes. It reads only as fast as its
consumer takes frames, so a slow one slows nobody else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from asyncinotify import Event, Inotify, Mask

from aikore.base.disk import read_small
from aikore.base.errors import NotFoundError
from aikore.launch.keeper.segments import ROTATED
from aikore.launch.layout import LIVE_NAME, LOG_NAME
from aikore.logs.reader import Cursor, tail_offset, whole_characters
from aikore.logs.segments import Piece, view

T = TypeVar("T")
Run = Callable[[Callable[[], T]], Awaitable[T]]

LIVE_MAX = 65536
FRAME = 65536
"""Bytes of log in one frame at most."""
ROUND = 4 * FRAME
"""Bytes read at once."""
PACE = 0.02
"""Seconds from one look at a growing log to the next, so that many small writes become one frame."""
DEFAULT_TAIL = 65536

FOLDER_MASK = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR
PARENT_MASK = Mask.CREATE | Mask.MOVED_TO | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR


@dataclass(frozen=True, slots=True)
class Start:
    """First frame: where this stream begins and where the log ended then."""

    offset: int
    end: int
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True)
class Data:
    """Stored bytes ``offset`` to ``next`` as text; whole characters only."""

    offset: int
    next: int
    text: str
    type: Literal["data"] = "data"


@dataclass(frozen=True, slots=True)
class Live:
    """The progress line as it is drawn now, not stored yet; an empty text takes it away."""

    offset: int
    text: str
    type: Literal["live"] = "live"


@dataclass(frozen=True, slots=True)
class Gap:
    """The bytes ``offset`` to ``next`` were rotated away."""

    offset: int
    next: int
    type: Literal["gap"] = "gap"


Frame = Start | Data | Live | Gap


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


async def follow(
    folder: Path, *, offset: int | None = None, tail: int = DEFAULT_TAIL, run: Run[object] = _in_thread
) -> AsyncGenerator[Frame, None]:
    """Yield the log of ``folder`` from ``offset`` (else the last ``tail`` bytes) on, without end.

    Ends when the instance's folder is moved away or removed. ``run`` performs blocking work in a thread. Raises
    NotFoundError when there is no instance folder at all.
    """
    with Inotify() as inotify:
        wake = _Wake(inotify, folder)
        start = await _begin(folder, offset, tail, run)
        yield start
        follower = _Follower(folder, start.offset)
        try:
            while True:
                piece, live = await _call(run, follower.look)
                for frame in follower.frames(piece, live):
                    yield frame
                if not piece.data and not await wake.wait():
                    return
        finally:
            follower.cursor.close()


async def _call(run: Run[object], work: Callable[[], T]) -> T:
    return await run(work)  # type: ignore[return-value]


async def _begin(folder: Path, offset: int | None, tail: int, run: Run[object]) -> Start:
    def look() -> Start:
        with view(folder) as log:
            at = tail_offset(log, tail) if offset is None else min(offset, log.end)
            return Start(at, log.end)

    return await _call(run, look)


class _Wake:
    """Waits until something in the folder changed; the folder may not exist yet, its parent must."""

    def __init__(self, inotify: Inotify, folder: Path) -> None:
        self._inotify = inotify
        self._folder = folder
        self._due = 0.0
        try:
            inotify.add_watch(folder.parent, PARENT_MASK)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError("This instance has no folder; it was removed.") from None
        self._watch_folder()

    def _watch_folder(self) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            self._inotify.add_watch(self._folder, FOLDER_MASK)

    async def wait(self) -> bool:
        """Return at the next change worth a look, at most every :data:`PACE` seconds; False when the folder went."""
        while True:
            event = await self._inotify.get()
            if event.mask & (Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED):
                return False
            if self._matters(event):
                break
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._due - loop.time()))
        self._due = loop.time() + PACE
        return True

    def _matters(self, event: Event) -> bool:
        if event.mask & Mask.Q_OVERFLOW:
            return True
        name = event.name.name if event.name else ""
        if event.watch is not None and event.watch.path == self._folder:
            return name in (LOG_NAME, LIVE_NAME) or ROTATED.fullmatch(name) is not None
        if name == self._folder.name:
            self._watch_folder()
            return True
        return False


class _Follower:
    """Turns what a cursor reads into frames: characters whole, gaps named, the live line when it changes."""

    def __init__(self, folder: Path, offset: int) -> None:
        self.cursor = Cursor(folder, offset)
        self._live_path = folder / LIVE_NAME
        self._carry = Piece(offset, b"")
        self._live = Live(offset, "")

    def look(self) -> tuple[Piece, Live | None]:
        """Read what is new; blocking. The live line is read first: it may only be older than the bytes."""
        live = read_live(self._live_path)
        return self.cursor.read(ROUND), live

    def frames(self, piece: Piece, live: Live | None) -> Iterator[Frame]:
        """Give the frames for what :meth:`look` returned."""
        if piece.offset > self._carry.next:
            yield from self._flush()
            yield Gap(self._carry.next, piece.offset)
            self._carry = Piece(piece.offset, b"")
        for at in range(0, len(piece.data), FRAME):
            yield from self._take(piece.data[at : at + FRAME])
        if live is not None and live.text and live.offset < self._carry.next:
            live = replace(live, text="")
        shown_all = live is None or not live.text or live.offset == self._carry.next
        if live is not None and shown_all and live.text != self._live.text:
            self._live = live
            yield live

    def _take(self, data: bytes) -> Iterator[Data]:
        known = self._carry.data + data
        cut = whole_characters(known)
        if cut:
            yield self._data(known[:cut])
        self._carry = Piece(self._carry.offset + cut, known[cut:])

    def _flush(self) -> Iterator[Data]:
        if self._carry.data:
            yield self._data(self._carry.data)
            self._carry = Piece(self._carry.next, b"")

    def _data(self, data: bytes) -> Data:
        return Data(self._carry.offset, self._carry.offset + len(data), data.decode("utf-8", "replace"))


def read_live(path: Path) -> Live | None:
    """Read the progress line; None when there is none or it is being written just now."""
    try:
        record = json.loads(read_small(path, LIVE_MAX))
        offset, text = record["offset"], record["text"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(offset) is not int or not 0 <= offset < 2**62 or not isinstance(text, str):
        return None
    return Live(offset, text.encode("utf-8", "replace").decode())
