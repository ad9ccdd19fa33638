"""What a download sends: a file block by block, a folder as a zip archive made on the way. Blocking generators."""

from __future__ import annotations

import os
import re
import stat
import time
import zipfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import IO, cast

from aikore.base.errors import InvalidRangeError
from aikore.files.tree import PLAIN, Parts, Place
from aikore.launch.layout import CARD_NAME

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
BLOCK = 256 * 1024


def file_blocks(fd: int, start: int, end: int) -> Generator[bytes, None, None]:
    """Yield the bytes of a file; a file that was cut meanwhile ends early."""
    while start < end and (data := os.pread(fd, min(BLOCK, end - start), start)):
        start += len(data)
        yield data


def wanted_range(header: str, size: int) -> tuple[int, int] | None:
    """Return where a ``Range`` header (RFC 9110, 14.2) begins and ends; None when it asks for no such part.

    Raises InvalidRangeError when the part lies behind the end. Several parts at once are answered with the whole.
    """
    found = RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise InvalidRangeError(f"The file has {size} bytes; the part asked for lies behind its end.")
    return start, end


def zip_blocks(place: Place, parts: Parts) -> Generator[bytes, None, None]:
    """Yield a zip archive of a folder. Links and special files are left out; nothing is compressed."""
    sink = _Sink()
    with place.folder(parts) as top, zipfile.ZipFile(cast(IO[bytes], sink), "w") as archive:
        for root, folders, names, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            if not names and not folders and root != ".":
                archive.writestr(_info(f"{_inside(root)}/", os.fstat(fd).st_mtime), b"")
            for name in names:
                if root == "." and not parts and name == CARD_NAME:
                    continue
                yield from _packed(archive, sink, fd, name, f"{_inside(root)}/{name}".lstrip("/"))
            yield sink.take()
    yield sink.take()


def _packed(archive: zipfile.ZipFile, sink: _Sink, folder: int, name: str, path: str) -> Iterator[bytes]:
    with suppress(OSError):
        fd = os.open(name, PLAIN, dir_fd=folder)
        try:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode):
                with archive.open(_info(path, status.st_mtime), "w", force_zip64=True) as packed:
                    for block in file_blocks(fd, 0, status.st_size):
                        packed.write(block)
                        yield sink.take()
        finally:
            os.close(fd)


def _inside(root: str) -> str:
    return root.removeprefix(".").removeprefix("/")


def _info(path: str, modified: float) -> zipfile.ZipInfo:
    when = max(time.gmtime(modified)[:6], (1980, 1, 1, 0, 0, 0))  # the format begins there
    return zipfile.ZipInfo(os.fsencode(path).decode("utf-8", "replace"), when)


class _Sink:
    """The file a zip archive is written to: what was written since the last look. It cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing lies behind this one."""

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken
