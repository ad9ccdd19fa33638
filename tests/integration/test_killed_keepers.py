"""Keepers that are killed, stopped, or never come to hold their run: nothing of theirs is lost or left unsaid."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from aikore.base import procfs, sockets
from aikore.base.errors import StorageError
from aikore.launch import handle as handles
from aikore.launch import living, local, orphans, run_folder, spawn
from aikore.launch.local import LocalHandle, LocalLauncher
from aikore.launch.protocol import RunExit, RunRecord
from tests.helpers.keepers import Bench, ended
from tests.helpers.server import free_ports


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.clean_up()


def working_in(folder: Path) -> list[int]:
    """Return the living processes whose working folder this is."""
    return [pid for pid in procfs.pids() if procfs.process(pid) and procfs.target(pid, "cwd") == str(folder)]


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep all cores busy for the length of the block."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 2)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def kill_when_recorded(folder: Path, before: str, delay: float) -> None:
    """Kill the next keeper of a folder so many seconds after its record appears."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        record = local.read_record(folder)
        if record and record.uuid != before:
            time.sleep(delay)
            with suppress(ProcessLookupError):
                os.kill(record.keeper_pid, signal.SIGKILL)
            return
        time.sleep(0.0002)


# Killed at birth ------------------------------------------------------------------------------------------------


async def ending_of(found: LocalHandle | RunRecord | None) -> RunExit:
    """Return how an adopted run ended; one that was just dying is waited for."""
    assert found is not None
    return found.exit if isinstance(found, RunRecord) else await asyncio.wait_for(found.wait(), 20)


async def kill_at_birth(folder: Path, rounds: int) -> None:
    """Kill keepers 0 to 5 ms after their records appear, under a living manager and together with it in turn."""
    bench, delays = Bench(folder), random.Random(11)
    for number in range(rounds):
        before = local.read_record(folder)
        delay = delays.uniform(0, 0.005)
        killer = asyncio.create_task(
            asyncio.to_thread(kill_when_recorded, folder, before.uuid if before else "", delay)
        )
        try:
            handle = await bench.run("while :; do sleep 0.2; done")
        except StorageError as error:
            assert "ended before it held the run" in error.message
        else:
            if number % 2:
                assert (await asyncio.wait_for(handle.wait(), 20)).lost
            else:
                handle.close()
                await killer
                ending = await ending_of(await LocalLauncher().adopt(folder))
                assert (ending.lost, ending.left) == (True, ())
        await killer
        assert working_in(folder) == [], f"round {number}, killed after {delay * 1000:.2f} ms"
    handle = await bench.run("exit 0")
    assert await ended(handle) == (0, None)


async def test_nothing_outlives_a_keeper_killed_at_birth(tmp_path: Path) -> None:
    with busy_cores():
        await kill_at_birth(tmp_path, 20)


@pytest.mark.soak
async def test_nothing_outlives_any_of_200_keepers_killed_at_birth(tmp_path: Path) -> None:
    with busy_cores():
        await kill_at_birth(tmp_path, 200)


async def test_a_script_dies_with_its_keeper_without_anybodys_help(bench: Bench) -> None:
    handle = await bench.run("exec sleep 1000")
    handle.close()
    script = handle.record.pid
    assert script
    os.kill(handle.record.keeper_pid, signal.SIGKILL)
    await bench.wait_for(lambda: procfs.start_time(script) is None)


# What is left of a killed one -----------------------------------------------------------------------------------

DAEMON = "env -i setsid bash -c 'echo $$ >daemon.new; mv daemon.new daemon; while :; do sleep 0.5; done'"
"""Without a mark in its environment, in a session of its own."""

QUIET = "</dev/null >/dev/null 2>&1"


async def daemon_of(bench: Bench, script: str, **variables: object) -> tuple[LocalHandle, int]:
    """Start a script that leaves a daemon; return the daemon's number too."""
    handle = await bench.run(script, **variables)
    await bench.wait_for((bench.folder / "daemon").exists)
    return handle, int((bench.folder / "daemon").read_text())


async def kill_keeper(bench: Bench, handle: LocalHandle) -> None:
    os.kill(handle.record.keeper_pid, signal.SIGKILL)
    await bench.wait_for(lambda: not procfs.alive(handle.record.keeper_pid, handle.record.keeper_start))


async def test_a_daemon_without_a_mark_is_ended_when_it_was_seen_below_its_keeper(bench: Bench) -> None:
    handle, daemon = await daemon_of(bench, f"({DAEMON} {QUIET} &); sleep 1000")
    await bench.wait_for(lambda: daemon in {pid for pid, _ in handle.tree})
    os.kill(handle.record.keeper_pid, signal.SIGKILL)
    ending = await asyncio.wait_for(handle.wait(), 15)
    assert (ending.lost, ending.left) == (True, ())
    assert procfs.start_time(daemon) is None


@pytest.mark.parametrize(
    "script",
    [
        f"({DAEMON} &); sleep 1000",
        f"env -i bash -c 'echo $$ >daemon.new; mv daemon.new daemon; sleep 1000' {QUIET} & wait",
    ],
    ids=["that writes to the log", "of the script's session"],
)
async def test_a_daemon_without_a_mark_is_ended_when_it_is_surely_of_the_run(bench: Bench, script: str) -> None:
    handle, daemon = await daemon_of(bench, script)
    handle.close()
    await kill_keeper(bench, handle)
    ending = await ending_of(await LocalLauncher().adopt(bench.folder))
    assert (ending.lost, ending.left) == (True, ())
    assert procfs.start_time(daemon) is None


@pytest.mark.parametrize("manager_lives", [True, False])
async def test_a_daemon_that_only_may_be_of_the_run_is_named(
    bench: Bench, manager_lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "TREE_INTERVAL", 1000)
    handle, daemon = await daemon_of(bench, f"({DAEMON} {QUIET} &); sleep 1000")
    handle.tree = frozenset()
    if manager_lives:
        os.kill(handle.record.keeper_pid, signal.SIGKILL)
        ending = await asyncio.wait_for(handle.wait(), 15)
    else:
        handle.close()
        await kill_keeper(bench, handle)
        ending = await ending_of(await LocalLauncher().adopt(bench.folder))
    assert ending.lost
    assert [one for one in ending.left if one.startswith(f"process {daemon} (bash -c echo $$")] == list(ending.left)
    assert procfs.start_time(daemon) is not None
    os.kill(daemon, signal.SIGKILL)


async def test_who_listens_on_the_port_of_a_killed_run_is_named(bench: Bench) -> None:
    (port,) = free_ports(1)
    server = (
        f"import os,socket,time; os.chdir('/'); s=socket.create_server(('127.0.0.1',{port})); print('up',flush=True)"
    )
    script = f'(env -i setsid {sys.executable} -c "{server}; os.closerange(0,3); time.sleep(1000)" &); sleep 1000'
    handle = await bench.run(script, WEBUI_PORT=port)
    await bench.wait_for(lambda: "up" in bench.log())
    handle.close()
    await bench.wait_for(lambda: len(bench.pipe_holders(handle)) <= 3)
    await kill_keeper(bench, handle)
    ending = await ending_of(await LocalLauncher().adopt(bench.folder))
    (left,) = ending.left
    pid = int(left.split()[1])
    assert procfs.held((pid,), sockets.local(port))
    os.kill(pid, signal.SIGKILL)


async def test_a_shell_of_a_person_in_the_folder_is_neither_ended_nor_named(bench: Bench) -> None:
    handle = await bench.run("sleep 1000")
    with subprocess.Popen(["sleep", "1000"], cwd=bench.folder) as shell:
        os.kill(handle.record.keeper_pid, signal.SIGKILL)
        ending = await asyncio.wait_for(handle.wait(), 15)
        assert (ending.lost, ending.left) == (True, ())
        assert shell.poll() is None
        shell.kill()


async def test_a_process_that_is_just_executing_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment and command line are empty for a moment during execve; here for the first look."""
    handle = await bench.run("setsid sleep 1000 & echo up; wait")
    await bench.wait_for(lambda: "sleep 1000" in map(procfs.title, handle.pids()))
    (sleeper,) = [pid for pid in handle.pids() if procfs.title(pid) == "sleep 1000"]
    real, blind = procfs.contents, [f"/proc/{sleeper}/environ", f"/proc/{sleeper}/cmdline"] * 4

    def contents(path: str, limit: int = -1) -> bytes:
        if path in blind:
            blind.remove(path)
            return b""
        return real(path, limit)

    handle.close()
    await kill_keeper(bench, handle)
    monkeypatch.setattr(procfs, "contents", contents)
    traces = orphans.Traces(handle.record.uuid, bench.folder, handle.record.keeper_start)
    assert orphans.end_orphans([traces]) == {handle.record.uuid: ()}
    assert procfs.start_time(sleeper) is None


async def test_a_look_without_free_descriptors_is_no_proof(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = await bench.run("setsid sleep 1000 & echo up; wait")
    await bench.wait_for(lambda: "sleep 1000" in map(procfs.title, handle.pids()))
    handle.close()
    await kill_keeper(bench, handle)

    def table() -> dict[int, procfs.Stat]:
        raise OSError(errno.EMFILE, "Too many open files")

    traces = orphans.Traces(handle.record.uuid, bench.folder)
    with monkeypatch.context() as exhausted:
        exhausted.setattr(procfs, "table", table)
        assert orphans.end_orphans([traces], 0.1) == {}
    assert orphans.end_orphans([traces]) == {handle.record.uuid: ()}


# Stopped --------------------------------------------------------------------------------------------------------


async def test_a_stopped_keeper_is_woken_to_end_its_run(bench: Bench) -> None:
    handle = await bench.run("sleep 1000")
    os.kill(handle.record.keeper_pid, signal.SIGSTOP)
    handle.stop()
    assert await ended(handle, 4) == (None, "SIGTERM")


@pytest.mark.parametrize("adopted", [False, True])
async def test_a_keeper_that_does_not_end_its_run_is_ended_with_it(
    bench: Bench, adopted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handles, "ESCALATION", 0.5)
    handle, daemon = await daemon_of(
        bench, f"({DAEMON} {QUIET} &); trap '' TERM; while :; do sleep 0.1; done", stop_grace=0.2
    )
    if adopted:
        handle.stop()
        await bench.wait_for(lambda: (record := local.read_record(bench.folder)) and record.state == "stopping")
    os.kill(handle.record.keeper_pid, signal.SIGSTOP)
    if adopted:
        handle.close()
        found = await LocalLauncher().adopt(bench.folder)
        assert isinstance(found, LocalHandle)
        bench.handles.append(handle := found)
    else:
        real = handle._signal
        monkeypatch.setattr(handle, "_signal", lambda number: number == signal.SIGCONT or real(number))
        handle.stop()
    ending = await asyncio.wait_for(handle.wait(), 10)
    assert (ending.lost, ending.requested, ending.left) == (True, True, ())
    assert working_in(bench.folder) == []
    assert procfs.start_time(daemon) is None
    assert await ended(await bench.run("exit 0")) == (0, None)


# Failed starts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError(), RuntimeError("odd")])
@pytest.mark.parametrize("place", ["pidfd", "told", "held"])
async def test_nothing_is_left_of_a_start_that_fails_anywhere(
    bench: Bench, error: Exception, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    descriptors = set(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as broken:
        match place:
            case "pidfd":
                broken.setattr(os, "pidfd_open", fail)
            case "told":
                broken.setattr(spawn, "_read_answer", fail)
            case "held":
                broken.setattr(local, "LocalHandle", fail)
        with pytest.raises(type(error)):
            await bench.run("while :; do sleep 0.2; done")
    assert working_in(bench.folder) == []
    assert living.keepers_of(bench.folder, living.find_keepers()) == []
    assert set(os.listdir("/proc/self/fd")) - descriptors <= set()
    assert await ended(await bench.run("exit 0")) == (0, None)


@pytest.mark.parametrize("name", ["run.json", "run.lock", "stage", "logs", "logs/output.log", "logs/output.live"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "device"])
async def test_a_start_says_what_lies_in_its_way(bench: Bench, name: str, kind: str) -> None:
    path = bench.folder / name
    path.parent.mkdir(exist_ok=True)
    if (name, kind) == ("logs", "folder"):
        return
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/dev/zero")
        case "device":
            if os.geteuid():
                pytest.skip("only root makes devices")
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    with pytest.raises(StorageError, match=f"{path}: it is no (plain file|folder). Remove it and start again"):
        await asyncio.wait_for(bench.run("true"), 10)
    assert await asyncio.wait_for(LocalLauncher().adopt(bench.folder), 10) is None
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    assert await ended(await bench.run("exit 0")) == (0, None)


async def test_a_keeper_opens_nothing_that_would_hold_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came into its way after the manager had looked."""
    (bench.folder / "logs").mkdir()
    os.mkfifo(bench.folder / "logs" / "output.idx")
    monkeypatch.setattr(run_folder, "prepare_folder", lambda folder: None)
    with pytest.raises(StorageError, match=r"could not write to .*/output.idx: it is no plain file"):
        await asyncio.wait_for(bench.run("true"), 10)


async def test_an_endless_record_is_cut_to_its_size(bench: Bench) -> None:
    (bench.folder / "run.json").touch()
    os.truncate(bench.folder / "run.json", 2 * 2**30)
    assert await asyncio.wait_for(LocalLauncher().adopt(bench.folder), 5) is None
    assert await ended(await bench.run("exit 5")) == (5, None)
    assert (bench.folder / "run.json").stat().st_size == 4096


async def test_many_killed_keepers_are_cleaned_up_after_together(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(12)]
    for folder in folders:
        folder.mkdir()
    launcher = LocalLauncher()
    benches = [Bench(folder, launcher) for folder in folders]
    running = await asyncio.gather(*(bench.run("setsid sleep 1000 & wait") for bench in benches))
    await benches[-1].wait_for(lambda: all(len(orphans.marked(one.record.uuid)) >= 2 for one in running))
    for one in running:
        os.kill(one.record.keeper_pid, signal.SIGKILL)
        await asyncio.sleep(0)
    endings = await asyncio.gather(*(one.wait() for one in running))
    assert [(ending.lost, ending.left) for ending in endings] == [(True, ())] * 12
    assert not any(map(working_in, folders))
