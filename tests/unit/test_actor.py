"""The actor alone, in a house without processes: what it does in which state, and what when something fails."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aikore.base.errors import GpuGoneError, NotFoundError, NotReadyError
from aikore.instances import actor as actors
from aikore.instances.actor import Readiness
from aikore.instances.lifecycle import QuietPassed, Restart, Start, Status, Stop, actions
from aikore.instances.probe import Target
from tests.helpers.actors import AT_ONCE, Stage

ERRORS = [OSError(errno.EMFILE, "Too many open files"), MemoryError(), RuntimeError("odd")]


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


# What is done in which state ---------------------------------------------------------------------------------------

READY = "ready"
"""The wish for an instance that is started."""
STARTED, STOPPED, STARTING, STALLED, STOPPING, ERROR = (Status(name) for name in (
    "started", "stopped", "starting", "stalled", "stopping", "error",
))  # fmt: skip

EFFECTS = [
    # state, wish → what is done to runs, and where that ends
    (STOPPED, Start, ["start 1"], STARTED),
    (STOPPED, Stop, [], STOPPED),
    (STOPPED, Restart, ["start 1"], STARTED),
    (STOPPED, READY, ["start 1"], STARTED),
    (STARTING, Start, [], STARTING),
    (STARTING, Stop, ["end 1"], STOPPED),
    (STARTING, Restart, ["end 1", "start 2"], STARTING),
    (STARTED, Start, [], STARTED),
    (STARTED, Stop, ["end 1"], STOPPED),
    (STARTED, Restart, ["end 1", "start 2"], STARTED),
    (STARTED, READY, [], STARTED),
    (STALLED, Start, [], STALLED),
    (STALLED, Stop, ["end 1"], STOPPED),
    (STOPPING, Stop, [], STOPPING),
    (STOPPING, Start, ["start 2"], STARTED),
    (STOPPING, READY, ["start 2"], STARTED),
    (ERROR, Start, ["start 2"], STARTED),
    (ERROR, Stop, [], ERROR),
    (ERROR, READY, ["start 2"], STARTED),
]


async def bring(stage: Stage, status: Status) -> None:
    """Bring a new instance into a state."""
    nobody = Target(stage.actor.row.port, "/")
    if status in (STARTING, STALLED):
        stage.house.ready = Readiness(nobody, None, 1000 if status is STARTING else 0, 1, 1)
    if status is not STOPPED:
        await stage.wish(Start())
        await stage.until(STARTED if status in (STOPPING, ERROR) else status)
    if status is STOPPING:
        stage.house.stubborn = True
        await stage.wish(Stop())
    if status is ERROR:
        stage.end(1)
    await stage.until(status)
    stage.house.did.clear()


@pytest.mark.parametrize(("status", "wished", "done", "end"), EFFECTS)
async def test_a_wish_has_these_effects_in_this_state(
    stage: Stage, status: Status, wished: type[Start | Stop | Restart] | str, done: list[str], end: Status
) -> None:
    await bring(stage, status)
    wish = asyncio.create_task(stage.ensure_ready() if isinstance(wished, str) else stage.wish(wished()))
    if isinstance(wished, str):
        await asyncio.sleep(0)
    else:
        await wish
    if status is STOPPING and done:
        await stage.actor.until(lambda state: state.start_again)
        stage.end(0)
    await wish
    async with asyncio.timeout(5):
        while (stage.actor.state.status, stage.house.did) != (end, done):
            await asyncio.sleep(0.005)


async def test_waiting_for_readiness_is_over_when_a_slow_instance_answers_at_last(stage: Stage) -> None:
    await bring(stage, STALLED)
    waiting = asyncio.create_task(stage.ensure_ready())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    stage.house.ready = AT_ONCE
    stage.actor._watch(1)
    await waiting
    assert stage.actor.state.status is STARTED


async def test_waiting_for_readiness_ends_with_the_reason_when_the_run_fails(stage: Stage) -> None:
    await bring(stage, STARTING)
    waiting = asyncio.create_task(stage.ensure_ready())
    await asyncio.sleep(0)
    stage.end(3)
    with pytest.raises(NotReadyError, match="exit code 3"):
        await waiting


async def test_waiting_for_readiness_ends_when_somebody_stops_the_instance(stage: Stage) -> None:
    await bring(stage, STARTING)
    waiting = asyncio.create_task(stage.ensure_ready())
    await asyncio.sleep(0)
    await stage.wish(Stop())
    with pytest.raises(NotReadyError, match="stopped"):
        await waiting


async def test_waiting_for_readiness_goes_on_while_a_restart_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aikore.instances.lifecycle.BACKOFF", (0.05,))
    stage = Stage(tmp_path, policy="on-failure")
    await bring(stage, STARTING)
    waiting = asyncio.create_task(stage.ensure_ready())
    await asyncio.sleep(0)
    stage.house.ready = AT_ONCE
    stage.end(3)
    await waiting
    assert stage.house.did == ["start 2"]
    stage.actor.close()


async def test_who_needs_an_instance_does_not_hurry_a_restart_that_is_due(tmp_path: Path) -> None:
    stage = Stage(tmp_path, policy="on-failure")
    await bring(stage, STARTED)
    stage.end(3)
    await stage.until(ERROR)
    waiting = asyncio.create_task(stage.actor.ensure_ready("a test"))
    await asyncio.sleep(0)
    await stage.wish(QuietPassed(1))  # taken up behind it
    assert (stage.house.did, stage.actor.state.retry_pending) == ([], True)
    await stage.wish(Stop())
    with pytest.raises(NotReadyError, match="stopped"):
        await waiting
    stage.actor.close()


async def test_what_stands_in_the_way_of_a_start_is_said_to_who_needs_the_instance(stage: Stage) -> None:
    stage.house.failing["gpus"] = GpuGoneError("GPU 3 is gone.")
    with pytest.raises(GpuGoneError):
        await stage.ensure_ready()
    assert stage.house.did == []


async def test_waiting_ends_when_the_instance_goes(stage: Stage) -> None:
    await bring(stage, STARTING)
    waiting = asyncio.create_task(stage.ensure_ready())
    await asyncio.sleep(0.01)
    stage.actor.close()
    with pytest.raises(NotFoundError):
        await waiting


async def test_a_state_that_lasts_a_moment_only_is_not_missed(stage: Stage) -> None:
    passed = asyncio.create_task(stage.actor.until(lambda state: state.status is STARTING))
    await asyncio.sleep(0)
    await stage.wish(Start())
    await stage.until(STARTED)
    assert (await passed).status is STARTING
