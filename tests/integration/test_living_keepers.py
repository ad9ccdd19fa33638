"""Living keepers are known by what they are, whatever became of their files, and a copy's are somebody else's."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aikore.base import procfs
from aikore.base.errors import ConflictError, StorageError
from aikore.launch import living
from aikore.launch.local import LocalHandle, LocalLauncher, read_record
from aikore.launch.protocol import RunRecord
from tests.helpers.keepers import Bench, ended

UNTIL_GO = "echo up; while [ ! -e go ]; do sleep 0.02; done; exit 6"

Spoil = Callable[[Path], object]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "x").mkdir()
    bench = Bench(tmp_path / "x")
    yield bench
    bench.clean_up()


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


def replace(path: Path) -> None:
    path.unlink()
    path.write_text('{"protocol": 1}')


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def endless(path: Path) -> None:
    os.truncate(path, 2 * 2**30)


SPOILS = [remove, empty, replace, pipe, folder, link, endless]


async def begin(bench: Bench, script: str) -> LocalHandle:
    """Start a script and wait until it says that it is up: its file and folder may be changed from then on."""
    handle = await bench.run(script, INSTANCE_CONF_DIR=str(bench.folder))
    await bench.wait_for(lambda: "up" in bench.log())
    return handle


async def adopted(bench: Bench, first: LocalHandle) -> LocalHandle:
    """Let go of a run and find it again as another manager."""
    first.close()
    second = await asyncio.wait_for(LocalLauncher().adopt(bench.folder), 15)
    assert isinstance(second, LocalHandle)
    bench.handles.append(second)
    return second


@pytest.mark.parametrize("name", ["run.json", "run.lock"])
@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_run_is_adopted_whatever_became_of_its_files(bench: Bench, name: str, spoil: Spoil) -> None:
    first = await begin(bench, UNTIL_GO)
    spoil(bench.folder / name)
    second = await adopted(bench, first)
    assert second.record.uuid == first.record.uuid
    assert (second.record.run, second.record.keeper_pid, second.record.pid) == (1, *keeper_and_script(first))
    assert abs(second.record.started_at - first.record.started_at) < 1
    with pytest.raises((ConflictError, StorageError)):
        await bench.run(UNTIL_GO)
    (bench.folder / "go").touch()
    assert await ended(second) == (6, None)


def keeper_and_script(handle: LocalHandle) -> tuple[int, int | None]:
    return handle.record.keeper_pid, handle.record.pid


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_keeper_makes_its_record_anew(bench: Bench, spoil: Spoil) -> None:
    first = await begin(bench, UNTIL_GO)
    first.close()
    spoil(bench.folder / "run.json")
    (bench.folder / "go").touch()
    await bench.wait_for(lambda: not procfs.alive(first.record.keeper_pid, first.record.keeper_start))
    found = await asyncio.wait_for(LocalLauncher().adopt(bench.folder), 15)
    if spoil is folder:
        assert found is None
    else:
        assert isinstance(found, RunRecord)
        assert (found.ended, found.exit.code) == (True, 6)
    assert not list(bench.folder.glob(".run.json*"))


async def test_a_record_is_never_written_through_a_link(bench: Bench) -> None:
    first = await begin(bench, UNTIL_GO)
    precious = bench.folder / "precious"
    precious.write_text("mine")
    (bench.folder / "run.json").unlink()
    (bench.folder / "run.json").symlink_to(precious)
    (bench.folder / "go").touch()
    assert await ended(first) == (6, None)
    assert precious.read_text() == "mine"


async def test_an_exit_is_known_though_no_record_can_be_laid(bench: Bench) -> None:
    first = await begin(bench, UNTIL_GO)
    folder(bench.folder / "run.json")
    (bench.folder / "go").touch()
    assert await ended(first) == (6, None)


async def test_a_lock_that_was_removed_makes_no_double(bench: Bench) -> None:
    await begin(bench, "echo up; sleep 1000")
    (bench.folder / "run.lock").unlink()
    with pytest.raises(ConflictError, match="already held by a keeper"):
        await bench.run("echo double")


async def test_a_run_is_found_in_a_folder_that_was_moved(bench: Bench) -> None:
    first = await begin(bench, UNTIL_GO)
    bench.folder = bench.folder.rename(bench.folder.with_name("y"))
    second = await adopted(bench, first)
    assert second.record == first.record


async def test_a_run_is_found_though_its_folder_was_removed_and_made_again(bench: Bench) -> None:
    first = await begin(bench, "cd /; echo up; sleep 1000")
    shutil.rmtree(bench.folder)
    assert isinstance(await adopted(bench, first), LocalHandle)
    bench.folder.mkdir()
    second = await adopted(bench, bench.handles[-1])
    assert second.record == first.record
    with pytest.raises(ConflictError):
        await bench.run("echo double")


async def test_of_two_keepers_the_recorded_one_is_held_and_the_other_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await begin(bench, "echo up; sleep 1000")
    (bench.folder / "run.lock").unlink()
    with monkeypatch.context() as blind:
        blind.setattr(living, "keepers_of", lambda *_: [])
        second = await bench.run("sleep 1000")
    found = await adopted(bench, second)
    assert found.record.uuid == second.record.uuid
    assert await ended(first) == (None, "SIGTERM")
    assert procfs.alive(second.record.keeper_pid, second.record.keeper_start)


async def test_a_lock_that_somebody_else_holds_does_not_hold_up_a_manager(bench: Bench) -> None:
    first = await bench.run("exit 7")
    assert await ended(first) == (7, None)
    with open(bench.folder / "run.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = await asyncio.wait_for(LocalLauncher().adopt(bench.folder), 6)
        assert isinstance(found, RunRecord)
        assert found.exit.code == 7
        with pytest.raises(ConflictError, match="locked by another program"):
            await bench.run("exit 0")


async def test_one_look_at_all_processes_serves_all_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / str(number) for number in range(300)]
    for path in folders:
        path.mkdir()
    looks, find = [], living.find_keepers
    monkeypatch.setattr(living, "find_keepers", lambda: looks.append(1) or find())
    launcher = LocalLauncher()
    assert await asyncio.gather(*map(launcher.adopt, folders)) == [None] * 300
    assert len(looks) == 1


async def test_a_keeper_on_a_disk_that_does_not_answer_holds_up_no_look_for_others(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = await begin(bench, UNTIL_GO)
    (tmp_path / "y").mkdir()
    other = Bench(tmp_path / "y")
    well = await begin(other, UNTIL_GO)
    answer, place = threading.Event(), living._held_folder
    looks: list[int] = []

    def looked(pid: int, ordered: Path) -> living.FolderId | None:
        if pid == dead.record.keeper_pid:
            looks.append(pid)
            answer.wait(60)
        return place(pid, ordered)

    monkeypatch.setattr(living, "_held_folder", looked)
    monkeypatch.setattr(living, "PATIENCE", 0.3)
    try:
        for _ in range(10):
            found = await asyncio.wait_for(asyncio.to_thread(living.find_keepers), 5)
            assert [one.pid for one in living.keepers_of(other.folder, found)] == [well.record.keeper_pid]
            assert [one.pid for one in living.keepers_of(bench.folder, found)] == [dead.record.keeper_pid]
        assert len(looks) == 1
        answer.set()
        await bench.wait_for(
            lambda: [one.folder_id for one in living.find_keepers() if one.pid == dead.record.keeper_pid] != [None],
            "its place is known",
        )
    finally:
        answer.set()
        other.clean_up()


# Of an older AiKore ---------------------------------------------------------------------------------------------

OLDER_KEEPER = """
import os, sys
log = os.open(sys.argv[1] + "/logs/output.log", os.O_RDWR | os.O_CREAT)
print("up", flush=True)
os.read(int(sys.argv[2]), 1)
"""
"""Holds what a keeper of 0.1.0 holds: orders, lock and log, but not the folder."""


@pytest.mark.parametrize("removed", [(), ("run.lock",), ("run.lock", "logs/output.log")])
async def test_a_keeper_of_an_older_aikore_is_known_too(tmp_path: Path, removed: tuple[str, ...]) -> None:
    (tmp_path / "x" / "logs").mkdir(parents=True)
    orders = os.memfd_create("aikore-orders")
    os.write(orders, json.dumps({"run": 3, "uuid": "u", "folder": str(tmp_path / "x"), "stop_grace": 1}).encode())
    stay, go = os.pipe()
    with subprocess.Popen(
        [
            "bash", "-c", 'exec "$@" 3<>"$0"', tmp_path / "x" / "run.lock",
            sys.executable, "-c", OLDER_KEEPER, tmp_path / "x", str(stay),
        ],
        stdin=orders, stdout=subprocess.PIPE, pass_fds=[stay], start_new_session=True,
    ) as older:  # fmt: skip
        try:
            assert older.stdout
            older.stdout.readline()
            shutil.copytree(tmp_path / "x", tmp_path / "copy")
            for name in removed:
                (tmp_path / "x" / name).unlink()
            found = living.find_keepers()
            assert [one.pid for one in living.keepers_of(tmp_path / "x", found)] == [older.pid]
            assert living.keepers_of(tmp_path / "copy", found) == []
        finally:
            for fd in (orders, stay, go):
                os.close(fd)
            older.kill()


# Copies ---------------------------------------------------------------------------------------------------------


def copy(bench: Bench, *, older: bool) -> Path:
    """Copy the instance's folder with all its files; ``older``: with a record that names no folder."""
    target = bench.folder.with_name("copy")
    subprocess.run(["cp", "-a", bench.folder, target], check=True)
    if older:
        record = json.loads((target / "run.json").read_bytes())
        for name in ("folder", "script_start", "pipe", "port"):
            del record[name]
        (target / "run.json").write_text(json.dumps(record).ljust(4096))
    return target


@pytest.mark.parametrize("older", [False, True])
async def test_a_copy_of_a_living_instance_touches_nothing_of_the_original(bench: Bench, older: bool) -> None:
    first = await begin(bench, f"setsid sleep 1000 & echo up; {UNTIL_GO}")

    def stay() -> list[int]:
        return [pid for pid in first.pids() if procfs.title(pid) in ("bash launch.sh", "sleep 1000")]

    await bench.wait_for(lambda: len(stay()) == 2)
    tree = stay()
    target = copy(bench, older=older)
    assert await LocalLauncher().adopt(target) is None
    assert all(map(procfs.start_time, tree))
    (target / "launch.sh").write_text("exit 3")
    there = Bench(target)
    assert await ended(await there.run("exit 3")) == (3, None)
    (bench.folder / "go").touch()
    assert (await asyncio.wait_for(first.wait(), 15)).code == 6


@pytest.mark.parametrize("older", [False, True])
async def test_a_copy_leaves_alone_what_the_originals_killed_keeper_left(bench: Bench, older: bool) -> None:
    first = await begin(bench, "setsid sleep 1000 & echo up; wait")
    tree = first.pids() - {first.record.pid}
    target = copy(bench, older=older)
    first.close()
    os.kill(first.record.keeper_pid, signal.SIGKILL)
    await bench.wait_for(lambda: not procfs.alive(first.record.keeper_pid, first.record.keeper_start))
    await LocalLauncher().adopt(target)
    assert all(map(procfs.start_time, tree))
    found = await LocalLauncher().adopt(bench.folder)
    assert isinstance(found, RunRecord)
    assert (found.exit.lost, found.exit.left) == (True, ())
    assert not any(map(procfs.start_time, tree))


async def test_a_copys_record_is_no_claim_on_processes_that_do_not_say_whose_they_are(bench: Bench) -> None:
    first = await begin(bench, "env -u INSTANCE_CONF_DIR setsid sleep 1000 & echo up; wait")
    await bench.wait_for(lambda: "sleep 1000" in map(procfs.title, first.pids()))
    tree = first.pids() - {first.record.pid}
    target = copy(bench, older=False)
    first.close()
    os.kill(first.record.keeper_pid, signal.SIGKILL)
    await bench.wait_for(lambda: not procfs.alive(first.record.keeper_pid, first.record.keeper_start))
    assert await LocalLauncher().adopt(target) is None
    assert all(map(procfs.start_time, tree))


async def test_what_a_killed_keeper_left_is_ended_though_its_record_is_gone(bench: Bench) -> None:
    first = await begin(bench, "setsid sleep 1000 & echo up; wait")
    tree = first.pids()
    first.close()
    os.kill(first.record.keeper_pid, signal.SIGKILL)
    (bench.folder / "run.json").unlink()
    assert read_record(bench.folder) is None
    await bench.wait_for(lambda: not procfs.alive(first.record.keeper_pid, first.record.keeper_start))
    assert await LocalLauncher().adopt(bench.folder) is None
    assert not any(map(procfs.start_time, tree))
