"""Writes log folders as the keeper does, for tests of the reading side."""

from __future__ import annotations

import struct
from pathlib import Path

from aikore.launch.keeper.log import Log


def keeper_log(folder: Path, rotate: int = 10**6, keep: int = 1000) -> Log:
    """Return the keeper's own writer on ``folder``, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    return Log(str(folder), rotate, keep)


def write_index(path: Path, *records: tuple[int, float]) -> None:
    path.write_bytes(b"".join(struct.pack("<Qd", *record) for record in records))


def numbered(first: int, last: int) -> bytes:
    """Lines of differing length that name their number."""
    return b"".join(b"line %d %s\n" % (number, b"x" * (number % 50)) for number in range(first, last))


def numbers(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")]
