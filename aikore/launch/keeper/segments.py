"""The log files of one instance: rotated by size, each named by its start offset, with an index of times."""

from __future__ import annotations

import os
import re
import struct
import time

from aikore.launch.keeper.files import open_plain
from aikore.launch.layout import INDEX_NAME, LOG_NAME

ROTATED = re.compile(r"output\.(\d{20})\.log\Z")


class Segments:
    """Stores bytes that are final, in order. A full disk loses bytes but never blocks."""

    def __init__(self, folder: str, rotate_bytes: int, keep: int) -> None:
        self.folder = folder
        self.rotate_bytes = rotate_bytes
        self.keep = keep
        self.fd = -1
        self.index_fd = -1
        self.size = 0
        self.lost = 0
        self.words_end = 0
        """The offset behind the last that was said, and not only drawn and redrawn."""
        self.line_open = False
        self.last_index = 0.0
        self.start = self._next_start()
        self._open()

    @property
    def offset(self) -> int:
        return self.start + self.size

    def append(self, data: bytes, drawn: bool = False) -> None:
        """Store bytes that are final; ``drawn`` ones are no words of the program's."""
        self._store(data)
        if data and not drawn and not data.isspace():
            self.words_end = self.offset

    def redrawn(self, size: int) -> None:
        """Learn that the last bytes stored were no words of the program's either."""
        self.words_end = min(self.words_end, self.offset - size)

    def tail(self, size: int) -> bytes:
        """Return the last whole lines of the current file within ``size`` bytes, and the line that is not ended."""
        at = max(0, self.size - size)
        try:
            data = os.pread(self.fd, size, at)
        except OSError:
            return b""
        return data.partition(b"\n")[2] if at else data

    def end_open_line(self) -> None:
        """End the line that an earlier run left open."""
        if self.size and os.pread(self.fd, 1, self.size - 1) != b"\n":
            self.append(b"\n")

    def _store(self, data: bytes) -> None:
        if not data:
            return
        if self.lost:
            gap = f"\n[aikore] {self.lost} bytes of output were lost: the disk was full\n".encode()
            if not self._append(gap, whole=True):
                self.lost += len(data)
                return
            self.lost = 0
        view = memoryview(data)
        while view:
            if self.size >= self.rotate_bytes and not self._rotate():
                room = len(view)
            else:
                room = max(self.rotate_bytes - self.size, 1)
            part = view if len(view) <= room else view[: _cut_at_line(view, room)]
            self._mark_time()
            written = self._append(part)
            if written < len(part):
                self.lost += len(view) - written
                return
            view = view[written:]

    def _append(self, data: bytes | memoryview, whole: bool = False) -> int:
        done = 0
        try:
            while done < len(data):
                done += os.write(self.fd, data[done:])
        except OSError:
            if whole and done:
                try:
                    os.ftruncate(self.fd, self.size)
                except OSError:
                    pass
                done = 0
        self.size += done
        if done:
            self.line_open = data[done - 1] != 0x0A
        return done

    def _mark_time(self) -> None:
        now = time.time()
        if abs(now - self.last_index) >= 1:
            self.last_index = now
            try:
                os.write(self.index_fd, struct.pack("<Qd", self.offset, now))
            except OSError:
                pass

    # The files ------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _rotated(self) -> list[int]:
        return sorted(int(m.group(1)) for m in map(ROTATED.match, os.listdir(self.folder)) if m)

    def _next_start(self) -> int:
        rotated = self._rotated()
        if not rotated:
            return 0
        return rotated[-1] + os.stat(self._path(f"output.{rotated[-1]:020d}.log")).st_size

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND
        self.fd = open_plain(self._path(LOG_NAME), flags, 0o644)
        self.index_fd = open_plain(self._path(INDEX_NAME), flags, 0o644)
        self.size = os.fstat(self.fd).st_size

    def _rotate(self) -> bool:
        name = f"output.{self.start:020d}"
        try:
            os.rename(self._path(INDEX_NAME), self._path(f"{name}.idx"))
            os.rename(self._path(LOG_NAME), self._path(f"{name}.log"))
        except OSError:
            return False
        old_fd, old_index, self.start = self.fd, self.index_fd, self.offset
        self.last_index = 0.0
        try:
            self._open()
        except OSError:
            self.fd, self.index_fd, self.size = old_fd, old_index, 0
            return True
        os.close(old_fd)
        os.close(old_index)
        self._remove_oldest()
        return True

    def _remove_oldest(self) -> None:
        for start in self._rotated()[: -self.keep]:
            for suffix in ("log", "idx"):
                try:
                    os.unlink(self._path(f"output.{start:020d}.{suffix}"))
                except OSError:
                    pass


def _cut_at_line(view: memoryview, room: int) -> int:
    cut = bytes(view[:room]).rfind(b"\n") + 1
    return cut or room
