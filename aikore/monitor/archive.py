"""Keeps the history on disk: two compressed files, each replaced as a whole; one that cannot be read is ignored.

The seconds are written often, the minutes seldom: what is missing in them is made up from the seconds.
"""

from __future__ import annotations

import gzip
import logging
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from aikore.monitor.history import MINUTES, SECONDS, SERIES_MOST, History, Ring, Series

log = logging.getLogger(__name__)

MAGIC = b"AiKore history 1\n"
HEAD = struct.Struct("<Hq")
"""Before each series: bytes of its name, its newest slot."""
NAME_MOST = 200

Kind = Literal["seconds", "minutes"]
SIZES: dict[Kind, int] = {"seconds": SECONDS, "minutes": MINUTES}
UNITS: dict[Kind, int] = {"seconds": 1, "minutes": 60}


class Archive:
    """The files ``seconds.gz`` and ``minutes.gz`` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, now: int) -> History:
        """Return what was written; an empty history where nothing can be read. What lies in the future is left out."""
        history = History()
        found: dict[str, Series] = {}
        for kind in SIZES:
            for name, ring in self._read(kind):
                if ring.head * UNITS[kind] <= now:
                    setattr(found.setdefault(name, Series(0)), kind, ring)
        history.restore(list(found.items()))
        return history

    def save(self, history: History, kind: Kind) -> None:
        """Write one file anew, as a whole or not at all."""
        path = self._path(kind)
        temporary = path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with open(temporary, "wb") as file:
                with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
                    _write(packed, history, kind)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            log.warning("the history was not written to %s: %s", path, error.strerror)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, kind: Kind) -> Path:
        return self._folder / f"{kind}.gz"

    def _read(self, kind: Kind) -> list[tuple[str, Ring]]:
        path = self._path(kind)
        try:
            with gzip.open(path, "rb") as file:
                return list(_parse(file, SIZES[kind]))  # type: ignore[arg-type]
        except FileNotFoundError:
            return []
        except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
            log.warning("%s is damaged and ignored: %s", path, error)
            return []


def _write(file: BinaryIO, history: History, kind: Kind) -> None:
    file.write(MAGIC)
    for name, series in history.contents():
        ring: Ring = getattr(series, kind)
        values = ring.values
        if sys.byteorder != "little":
            values = array("f", values)
            values.byteswap()
        raw = name.encode()
        file.write(HEAD.pack(len(raw), ring.head) + raw)
        file.write(values.tobytes())


def _parse(file: BinaryIO, size: int) -> Iterator[tuple[str, Ring]]:
    """Yield the series of a file. Raises EOFError, ValueError where it is not whole."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("not a history")
    for _ in range(SERIES_MOST):
        head = file.read(HEAD.size)
        if not head:
            return
        length, newest = HEAD.unpack(head)
        name, raw = file.read(length).decode(), file.read(size * 4)
        if not 0 < length <= NAME_MOST or len(raw) != size * 4:
            raise ValueError("a series is cut off")
        ring = Ring(0, newest)
        ring.size, ring.values = size, array("f", raw)
        if sys.byteorder != "little":
            ring.values.byteswap()
        yield name, ring
