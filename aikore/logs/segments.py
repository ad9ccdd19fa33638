"""One consistent view of an instance's log: the rotated files and the current one as one run of global offsets.

Owns the rules of the file names. A rotated file carries its start offset in its name; the current file starts where
the newest rotated one ends. Reading never blocks the keeper, so the view is taken again when a rotation passed by.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from aikore.base.disk import NOT_PLAIN, open_plain
from aikore.base.errors import BrokenInstanceError
from aikore.launch.keeper.segments import ROTATED
from aikore.launch.layout import LOG_NAME

GONE = NOT_PLAIN | {errno.ENOENT, errno.ENOTDIR}
"""What opening a file fails with that was removed, or replaced by something else, since the view was taken."""
ATTEMPTS = 1000
"""Rotations that may pass by while a view is taken; far more than a disk can do in that time."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One log file: its global start offset and its size when it was looked at."""

    start: int
    size: int
    path: Path
    current: bool = False

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the log. ``offset`` is later than asked for when what lay before was rotated away."""

    offset: int
    data: bytes

    @property
    def next(self) -> int:
        return self.offset + len(self.data)


@dataclass(slots=True)
class View:
    """The log as it was at one moment. Keeps the current file open; older files are opened as they are read.

    Use it in a ``with`` block, in one thread at a time.
    """

    segments: tuple[Segment, ...]
    _fds: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> View:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""
        return self.segments[0].start if self.segments else 0

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.segments[-1].end if self.segments else 0

    @property
    def size(self) -> int:
        """Bytes kept; less than ``end - start`` when somebody removed a file from the middle."""
        return sum(segment.size for segment in self.segments)

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])

    def pin(self) -> None:
        """Open every file, so that what the keeper removes from now on can still be read."""
        kept = []
        for segment in self.segments:
            try:
                self._open(segment)
            except OSError as error:
                if error.errno not in GONE:
                    raise
                continue
            kept.append(segment)
        self.segments = tuple(kept)

    def take_fd(self, segment: Segment) -> int:
        """Give an open descriptor of ``segment`` to the caller, who closes it."""
        self._open(segment)
        return self._fds.pop(segment.start)

    def find(self, offset: int) -> Segment | None:
        """Return the file that holds ``offset``, else the next one after it, else None at the end."""
        return next((segment for segment in self.segments if segment.size and segment.end > offset), None)

    def read(self, offset: int, limit: int) -> Piece:
        """Read up to ``limit`` bytes from ``offset`` on, across files. Nothing is found from :attr:`end` on."""
        parts: list[bytes] = []
        first, position, room = offset, offset, limit
        while room > 0 and (segment := self.find(position)):
            if segment.start > position:
                if parts:
                    break
                first = position = segment.start
            data = self._read_in(segment, position, room)
            if not data:
                self._forget(segment)
                continue
            parts.append(data)
            position += len(data)
            room -= len(data)
        return Piece(first, b"".join(parts))

    def _read_in(self, segment: Segment, position: int, room: int) -> bytes:
        inside = position - segment.start
        try:
            return os.pread(self._open(segment), min(room, segment.size - inside), inside)
        except OSError as error:
            if error.errno in GONE:
                return b""
            raise

    def _open(self, segment: Segment) -> int:
        fd = self._fds.get(segment.start)
        if fd is None:
            fd = self._fds[segment.start] = open_plain(segment.path)
        return fd

    def _forget(self, gone: Segment) -> None:
        """A file was removed (or cut) since the view was taken: what it held is a gap."""
        self.segments = tuple(segment for segment in self.segments if segment is not gone)
        if (fd := self._fds.pop(gone.start, None)) is not None:
            os.close(fd)


def view(folder: Path) -> View:
    """Take a view of the log in ``folder``; empty when nothing was written yet."""
    for _ in range(ATTEMPTS):
        if (taken := _try_view(folder)) is not None:
            return taken
    raise OSError(f"{folder} is rotated faster than it can be read")


def _try_view(folder: Path) -> View | None:
    """Open the current file, list the rotated ones, and see that the current one was not rotated meanwhile."""
    path = folder / LOG_NAME
    try:
        fd = open_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        return View(tuple(_rotated(folder)))
    except OSError as error:
        if error.errno not in NOT_PLAIN:
            raise
        raise BrokenInstanceError(
            f"{folder.parent.name}/{folder.name}/{LOG_NAME} is no plain file, so the log cannot be read. Remove it."
        ) from error
    try:
        rotated = _rotated(folder)
        status = os.fstat(fd)
        if not is_current(folder, status.st_ino):
            os.close(fd)
            return None
    except BaseException:
        os.close(fd)
        raise
    start = rotated[-1].end if rotated else 0
    return View((*rotated, Segment(start, status.st_size, path, current=True)), {start: fd})


def is_current(folder: Path, inode: int) -> bool:
    """Say whether the file with ``inode`` (held open by the caller) still is the current log file."""
    try:
        return (folder / LOG_NAME).lstat().st_ino == inode
    except (FileNotFoundError, NotADirectoryError):
        return False


def _rotated(folder: Path) -> list[Segment]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    segments = []
    for match in sorted(filter(None, map(ROTATED.fullmatch, names)), key=lambda found: found[1]):
        path = folder / match[0]
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                segments.append(Segment(int(match[1]), status.st_size, path))
    return segments
