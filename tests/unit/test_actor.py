"""The actor when something fails that nobody foresaw: it ends where a person can act, with the reason."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aikore.instances import actor as actors
from aikore.instances.actor import Actor, Readiness
from aikore.instances.lifecycle import Examined, Start, Status, Stop, actions
from aikore.instances.rows import InstanceRow
from aikore.launch.protocol import RunExit, RunRecord, RunSpec
from aikore.proxy.flags import Flags
from tests.helpers.server import free_ports

ERRORS = [OSError(errno.EMFILE, "Too many open files"), MemoryError(), RuntimeError("odd")]


class Run:
    """A handle without a process."""

    def __init__(self, number: int) -> None:
        self.record = RunRecord(number, "u", "s", 2, 1, 4000000 + number, "running", 1.0)
        self.exit: asyncio.Future[RunExit] = asyncio.get_running_loop().create_future()

    async def wait(self) -> RunExit:
        return await self.exit

    def stop(self) -> None:
        self.exit.set_result(RunExit(code=0, requested=True))

    kill = stop

    def pids(self) -> set[int]:
        return set()


class Quiet:
    """Stages that nobody says."""

    async def watch(self, *_: object) -> None: ...
    def forget(self, *_: object) -> None: ...


class Host:
    """A house that fails where it is told to."""

    stages: Any = Quiet()

    def __init__(self, folder: Path) -> None:
        self.launcher: Any = self
        self.failing: dict[str, Exception] = {}
        self.seen: list[tuple[Status, int | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.flags = Flags(folder)
        self._folder = folder

    def fail(self, place: str) -> None:
        if error := self.failing.pop(place, None):
            raise error

    def folder(self, row: InstanceRow) -> Path:
        return self._folder

    async def examine(self, row: InstanceRow) -> Examined:
        return Examined()

    async def check_gpus(self, row: InstanceRow) -> None: ...

    def name_of(self, pid: int) -> str | None:
        return None

    def readiness(self, row: InstanceRow) -> Readiness:
        self.fail("readiness")
        return Readiness(None, None, 1, 1, 1)

    async def prepare(self, row: InstanceRow, run: int) -> RunSpec:
        self.fail("prepare")
        return RunSpec("x", run, self._folder, ("true",), {})

    async def start(self, spec: RunSpec) -> Run:
        await self.gate.wait()
        self.fail("start")
        return Run(spec.run)

    def changed(self, actor: Actor) -> None:
        self.seen.append((actor.state.status, actor.pid))
        self.fail(f"changed {actor.state.status}")

    def became_ready(self, actor: Actor) -> None:
        self.fail("ready")

    def note_run(self, *_: object) -> None:
        self.fail("note")


class Stage:
    """An actor and its house."""

    def __init__(self, folder: Path) -> None:
        self.house = Host(folder)
        row = InstanceRow(
            slug="x", name="X", port=free_ports(1)[0], last_run=0, restart_policy="never", status="stopped"
        )
        self.actor = Actor(row, self.house)
        self.actor.begin()

    async def until(self, *wanted: Status) -> None:
        async with asyncio.timeout(5):
            while self.actor.state.status not in wanted:
                await asyncio.sleep(0.005)

    async def wish(self, given: Start | Stop) -> None:
        await asyncio.wait_for(self.actor.wish(given), 5)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.actor.close()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", ["prepare", "start"])
async def test_an_unforeseen_error_at_a_start_is_a_failed_start_with_its_reason(
    stage: Stage, place: str, error: Exception
) -> None:
    stage.house.failing[place] = error
    await stage.wish(Start())
    state = stage.actor.state
    assert state.status is Status.ERROR
    assert (getattr(error, "strerror", None) or str(error) or "MemoryError") in state.detail
    assert "start" in actions(state)
    await stage.wish(Start())
    await stage.until(Status.STARTED)


@pytest.mark.parametrize("place", ["changed starting", "changed started", "readiness", "ready", "note"])
async def test_a_run_is_watched_and_can_be_stopped_after_an_unforeseen_error(
    stage: Stage, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "LOOK_TIMEOUT", 0.01)
    stage.house.failing[place] = RuntimeError("odd")
    try:
        await stage.wish(Start())
    except RuntimeError:
        assert place in ("changed starting", "note")
    await stage.until(Status.STARTED, Status.ERROR, Status.STALLED)
    if stage.actor.state.status is Status.ERROR:
        assert "odd" in stage.actor.state.detail
        await stage.wish(Start())
    await stage.until(Status.STARTED, Status.STALLED)
    assert stage.actor.pid is not None
    await stage.wish(Stop())
    await stage.until(Status.STOPPED)


async def test_a_stop_that_fails_can_be_wished_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.wish(Start())
    await stage.until(Status.STARTED)
    with monkeypatch.context() as broken:
        broken.setattr(stage.actor.handle, "stop", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await stage.wish(Stop())
    assert "stop" in actions(stage.actor.state)
    await stage.wish(Stop())
    await stage.until(Status.STOPPED)


async def test_the_number_of_the_run_before_is_not_shown_while_the_next_is_started(stage: Stage) -> None:
    await stage.wish(Start())
    await stage.until(Status.STARTED)
    first = stage.actor.pid
    await stage.wish(Stop())
    await stage.until(Status.STOPPED)
    stage.house.seen.clear()
    stage.house.gate.clear()
    starting = asyncio.create_task(stage.wish(Start()))
    await stage.until(Status.STARTING)
    assert (stage.actor.pid, stage.actor.keeper_pid, stage.actor.started_at) == (None, None, None)
    stage.house.gate.set()
    await starting
    await stage.until(Status.STARTED)
    assert stage.house.seen[0] == (Status.STARTING, None)
    assert first not in [pid for _, pid in stage.house.seen]
