"""Keepers that are killed, stopped, or never come to hold their run: nothing of theirs is lost or left unsaid."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from aikore import procfs
from aikore.errors import StorageError
from aikore.launch import local
from aikore.launch.local import LocalHandle, LocalLauncher
from aikore.launch.protocol import RunExit, RunRecord
from tests.helpers.keepers import Bench, ended

DAEMON = "(env -i setsid bash -c 'echo $$ >daemon; while :; do sleep 0.5; done' </dev/null >/dev/null 2>&1 &)"
"""A shell line that leaves a daemon in a session of its own, without a mark in its environment."""


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
