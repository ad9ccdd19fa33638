"""The keeper's log: order, rotation, redrawn lines, a full disk."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from aikore.launch.keeper.log import Log
from aikore.launch.keeper.row import last_drawn


def stored(folder: Path) -> bytes:
    rotated = sorted(folder.glob("output.0*.log"))
    return b"".join(path.read_bytes() for path in [*rotated, folder / "output.log"])


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"10%\r20%\r30%\n", b"30%"),
        (b"\r10%\r20%", b"20%"),
        (b"50%\r", b"50%"),
        (b"a\r   \r", b"a"),
        (b"\r\r\n", b""),
    ],
)
def test_the_last_drawing_of_a_line_is_what_counts(line: bytes, shown: bytes) -> None:
    assert last_drawn(line) == shown


def test_a_redrawn_line_is_stored_once(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 4)
    log.write(b"before\n")
    for percent in range(101):
        log.write(b"\r%3d%%" % percent)
    log.write(b"\nafter\n")
    assert stored(tmp_path) == b"before\n100%\nafter\n"


def test_a_redraw_after_an_open_line_still_replaces_it_on_a_terminal(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 4)
    log.write(b"0%")
    log.write(b"\r50%")
    log.write(b"\r100%\n")
    assert stored(tmp_path) == b"0%\r100%\n"


def test_windows_line_ends_are_no_redraw(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 4)
    log.write(b"one\r\ntwo\r\n")
    assert stored(tmp_path) == b"one\r\ntwo\r\n"


def test_the_live_line_shows_what_is_held_at_most_five_times_a_second(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 4)

    def live() -> str:
        return str(json.loads((tmp_path / "output.live").read_bytes())["text"])

    log.write(b"\r10%")
    log.tick(100.0)
    assert live() == "10%"
    log.write(b"\r20%")
    wait = log.tick(100.05)
    assert live() == "10%"
    assert wait == pytest.approx(0.15)
    log.tick(100.2)
    assert live() == "20%"
    log.write(b"\r30%\n")
    assert live() == ""


def test_rotation_keeps_every_byte_at_its_offset(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 4096, 1000)
    lines = b"".join(b"line %06d\n" % number for number in range(5000))
    for start in range(0, len(lines), 777):
        log.write(lines[start : start + 777])
    assert stored(tmp_path) == lines
    for path in tmp_path.glob("output.0*.log"):
        start = int(path.name.split(".")[1])
        assert lines[start : start + path.stat().st_size] == path.read_bytes()


def test_only_so_many_rotated_files_are_kept(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 4096, 3)
    log.write(b"x" * 99 + b"\n")
    for _ in range(1000):
        log.write(b"x" * 99 + b"\n")
    assert len(list(tmp_path.glob("output.0*.log"))) == 3
    assert log.offset == 100_100


def test_offsets_go_on_across_runs(tmp_path: Path) -> None:
    Log(str(tmp_path), 4096, 3).write(b"y" * 10_000)
    again = Log(str(tmp_path), 4096, 3)
    assert again.offset == 10_001  # the open line was ended
    again.write(b"next\n")
    assert stored(tmp_path).endswith(b"y\nnext\n")


def test_the_index_tells_when_bytes_were_written(tmp_path: Path) -> None:
    Log(str(tmp_path), 10**6, 3).write(b"hello\n")
    offset, when = struct.unpack("<Qd", (tmp_path / "output.idx").read_bytes()[:16])
    assert offset == 0
    assert abs(when - (tmp_path / "output.log").stat().st_mtime) < 2


def test_a_full_disk_loses_bytes_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path), 10**6, 3)
    log.write(b"before\n")
    real, full = os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if full[0] and fd == log.fd:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    log.write(b"lost\n")
    full[0] = False
    log.write(b"after\n")
    assert stored(tmp_path) == b"before\n\n[aikore] 5 bytes of output were lost: the disk was full\nafter\n"


def test_an_endless_redraw_stays_bounded(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 3)
    for number in range(20_000):
        log.write(b"\rstep %d" % number)
    assert log.held is not None
    assert len(log.held) < 40_000
