"""Nothing is waited for and nothing read without end, whatever an app put where files of AiKore's should be."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from aikore.base.errors import BrokenInstanceError
from aikore.blueprints.library import Library
from aikore.instances.files import SCRIPT_MAX, last_lines
from aikore.launch import desktop
from aikore.launch.stages import StageWatcher, read_stage
from aikore.logs import times
from aikore.logs.follow import Live, read_live
from aikore.logs.merged import merge
from aikore.logs.reader import Cursor
from aikore.logs.search import search
from aikore.logs.segments import view
from tests.helpers.logs import keeper_log, numbered

pytestmark = pytest.mark.timeout(20)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket is short
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "dangling link": lambda path: path.symlink_to("nowhere"),
}


def put(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    ODD[kind](path)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "comfy" / "logs"
    folder.mkdir(parents=True)
    keeper_log(folder, rotate=4096).write(numbered(0, 2000))
    return folder


@pytest.mark.parametrize("kind", ODD)
def test_a_log_that_is_no_plain_file_is_refused_with_advice(logs: Path, kind: str) -> None:
    put(logs / "output.log", kind)
    with pytest.raises(BrokenInstanceError, match=r"comfy/logs/output.log is no plain file.*Remove it"):
        view(logs)
    assert last_lines(logs.parent) == ()
    with pytest.raises(BrokenInstanceError):
        Cursor(logs, 0).read(100)


@pytest.mark.parametrize("kind", ODD)
def test_a_rotated_log_that_was_replaced_is_a_gap(logs: Path, kind: str) -> None:
    with view(logs) as seen_before:
        end = seen_before.end
        odd = seen_before.segments[1]
        put(odd.path, kind)
        assert len(seen_before.read(0, 10**6).data) == odd.start
        seen_before.pin()
    with view(logs) as log:
        assert (log.end, odd.start in {one.start for one in log.segments}) == (end, False)
        assert search(log, "line", 0, limit=10**6).done
        assert merge({1: log}, {1: log.end}, 10**6).done


@pytest.mark.parametrize("kind", ODD)
def test_an_index_that_is_no_plain_file_only_leaves_the_times_unknown(logs: Path, kind: str) -> None:
    for index in logs.glob("*.idx"):
        put(index, kind)
    with view(logs) as log:
        assert times.time_at(log, 10) is None
        assert times.marks(log, 0, log.end, 100) == []
        assert times.offset_at(log, 0.0) == log.start
        assert len(merge({1: log}, {1: log.end}, 50).lines) == 50


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        struct.pack("<Qd", 0, float("nan")) * 50,
        struct.pack("<Qd", 0, float("inf")) * 50,
        struct.pack("<Qd", 2**64 - 1, -1.0) * 50,
        os.urandom(1600),
    ],
)
def test_an_index_full_of_nonsense_gives_no_nonsense(logs: Path, content: bytes) -> None:
    for index in logs.glob("*.idx"):
        index.write_bytes(content)
    with view(logs) as log:
        found = [mark.time for mark in times.marks(log, 0, log.end, 100)]
        found += [line.time for line in merge({1: log}, {1: log.end}, 50).lines]
        assert all(0 <= time < 2**33 for time in found)


def test_an_index_that_is_cut_while_it_is_read_leaves_the_times_unknown(logs: Path) -> None:
    with view(logs) as log, times._Index(logs / "output.idx") as index:
        os.truncate(logs / "output.idx", 0)
        with pytest.raises(struct.error):
            index[0]
        assert times.time_at(log, log.end - 1) is None


@pytest.mark.parametrize("kind", ODD)
def test_a_progress_line_or_stage_that_is_no_plain_file_is_none(logs: Path, kind: str) -> None:
    put(logs / "output.live", kind)
    put(logs.parent / "stage", kind)
    assert read_live(logs / "output.live") is None
    assert read_stage(logs.parent) == ""


@pytest.mark.parametrize(
    "record",
    [b"[" * 5000, b'{"offset": Infinity, "text": "a"}', b'{"offset": "1", "text": "a"}', b'{"offset": 1, "text": 7}'],
)
def test_a_progress_line_that_is_nonsense_is_none(logs: Path, record: bytes) -> None:
    (logs / "output.live").write_bytes(record)
    assert read_live(logs / "output.live") is None


def test_half_a_character_in_a_progress_line_can_be_sent(logs: Path) -> None:
    (logs / "output.live").write_bytes(b'{"offset": 1, "text": "a\\ud800"}')
    live = read_live(logs / "output.live")
    assert live == Live(1, "a?")
    json.dumps(live.text, ensure_ascii=False).encode()


def test_files_without_end_are_not_read_to_it(logs: Path) -> None:
    for path in (logs / "output.live", logs.parent / "stage", logs / "output.log"):
        path.touch()
        os.truncate(path, 2**33)
    assert read_live(logs / "output.live") is None
    read_stage(logs.parent)
    assert sum(map(len, last_lines(logs.parent))) < SCRIPT_MAX


def test_a_name_that_only_looks_like_a_rotated_log_hides_no_last_words(logs: Path) -> None:
    (logs / "output.x.log").write_text("not ours")
    assert last_lines(logs.parent)[-1] == numbered(0, 2000).decode().splitlines()[-1]


@pytest.mark.parametrize("kind", ["pipe", "endless device", "dangling link"])
async def test_a_new_run_gets_a_stage_file_whatever_lay_in_its_place(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "stage", kind)
    told = asyncio.Event()
    watcher = StageWatcher()
    await watcher.watch(tmp_path, lambda text: told.set() if text == "Installing" else None, clear=True)
    (tmp_path / "stage").write_text("Installing")
    async with asyncio.timeout(10):
        await told.wait()
    watcher.close()


async def test_a_pipe_as_the_stage_of_one_run_holds_up_no_other(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    told = asyncio.Event()
    watcher = StageWatcher()
    for folder in (one, other):
        folder.mkdir()
        await watcher.watch(folder, lambda _: told.set(), clear=True)
    (one / "stage").write_text("")
    put(one / "stage", "pipe")
    (other / "stage").write_text("Installing")
    async with asyncio.timeout(10):
        await told.wait()
    watcher.close()


@pytest.mark.parametrize("kind", ["pipe", "dangling link", "endless device"])
def test_a_keyboard_is_laid_whatever_lay_in_its_place_and_nothing_is_written_through_it(
    tmp_path: Path, kind: str
) -> None:
    (tmp_path / "desktop").mkdir()
    put(tmp_path / "desktop" / "keymap.xkb", kind)
    desktop.lay_keyboard(desktop.DesktopAddress(100, tmp_path / "socket", tmp_path))
    assert (tmp_path / "desktop" / "keymap.xkb").is_file()
    assert not (tmp_path / "desktop" / "keymap.xkb").is_symlink()
    assert not (tmp_path / "desktop" / "nowhere").exists()


@pytest.mark.parametrize("kind", ODD)
def test_a_lock_of_a_display_that_is_no_plain_file_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    put(tmp_path / ".X64999-lock", kind)
    monkeypatch.setattr(desktop, "X_LOCKS", str(tmp_path / ".X{}-lock"))
    assert not desktop.is_alive(64999)


@pytest.mark.parametrize("kind", [*ODD, "huge"])
def test_a_custom_blueprint_that_is_no_plain_script_is_listed_with_its_error(tmp_path: Path, kind: str) -> None:
    (tmp_path / "well.sh").write_text("true\n")
    if kind == "huge":
        with open(tmp_path / "odd.sh", "wb") as file:
            file.truncate(2**33)
    else:
        put(tmp_path / "odd.sh", kind)
    odd, well = Library(tmp_path / "stock", tmp_path).list()
    assert (odd.id, well.id, well.error) == ("odd", "well", None)
    assert odd.error
    assert odd.content == ""
