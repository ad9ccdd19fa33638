"""Reads a stretch of the log as text, and goes along a growing one. Blocking; callers run it in a thread."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from aikore.logs.segments import GONE, Piece, View, is_current, view

ALIGN_SCAN = 65536
"""Bytes looked through for a line start; in a longer line a tail begins in its middle."""


@dataclass(frozen=True, slots=True)
class Text:
    """A stretch of the log as text, with the byte offsets it covers."""

    offset: int
    next: int
    text: str


def whole_characters(data: bytes) -> int:
    """Return how many bytes of ``data`` to take so that no UTF-8 character is cut at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC2:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 1
            return len(data) - back if length > back else len(data)
    return len(data)


def read_text(log: View, offset: int, limit: int) -> Text:
    """Read up to ``limit`` bytes from ``offset``, as text that ends on a character's border.

    An offset behind the end answers with nothing at the end; one that was rotated away with the oldest kept bytes.
    """
    piece = log.read(min(offset, log.end), limit)
    cut = whole_characters(piece.data) or len(piece.data)
    return Text(piece.offset, piece.offset + cut, piece.data[:cut].decode("utf-8", "replace"))


def tail_offset(log: View, size: int) -> int:
    """Return the offset of the first line start within the last ``size`` bytes.

    Within one very long line it is where its last ``size`` bytes begin, on a character's border.
    """
    wanted = log.end - size
    if wanted <= log.start:
        return log.start
    piece = log.read(wanted - 1, min(size, ALIGN_SCAN) + 1)
    line_end = piece.data.find(b"\n")
    if line_end >= 0:
        return piece.offset + line_end + 1
    skip = 1
    while skip < min(5, len(piece.data)) and piece.data[skip] & 0xC0 == 0x80:
        skip += 1
    return piece.offset + skip


class Cursor:
    """Goes along a growing log, byte by byte in order, over rotations. One thread at a time reads."""

    def __init__(self, folder: Path, offset: int) -> None:
        self.folder = folder
        self.offset = offset
        self._fd = -1
        self._fd_start = 0
        self._lock = threading.Lock()
        self._closed = False

    def read(self, limit: int) -> Piece:
        """Return the next bytes, none at the present end. A later offset than :attr:`offset` was shows a gap."""
        with self._lock:
            if self._closed:
                return Piece(self.offset, b"")
            piece = self._read_open(limit)
            while not piece.data and self._move_on():
                piece = self._read_open(limit)
            self.offset = piece.next
            return piece

    def close(self) -> None:
        """Let go of the file, after a read in flight."""
        with self._lock:
            self._closed = True
            self._drop()

    def _read_open(self, limit: int) -> Piece:
        if self._fd < 0:
            return Piece(self.offset, b"")
        return Piece(self.offset, os.pread(self._fd, limit, self.offset - self._fd_start))

    def _move_on(self) -> bool:
        """At a file's end: True when there are bytes further on, in this or a newer file (now open)."""
        if self._fd >= 0 and is_current(self.folder, os.fstat(self._fd).st_ino):
            return False
        with view(self.folder) as log:
            segment = log.find(self.offset)
            more = segment is not None
            if segment is None and log.segments and log.segments[-1].current:
                segment = log.segments[-1]
            if segment is None:
                return False
            try:
                fd = log.take_fd(segment)
            except OSError as error:
                if error.errno in GONE:
                    return True
                raise
        self._drop()
        self._fd, self._fd_start = fd, segment.start
        self.offset = max(self.offset, segment.start) if more else self.offset
        return more

    def _drop(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
