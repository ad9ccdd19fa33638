"""Every state and input of the lifecycle, cell by cell."""

from __future__ import annotations

import itertools

import pytest

from aikore.instances.lifecycle import (
    ALIVE,
    BACKOFF,
    RESTING,
    Adopted,
    EndTree,
    Exited,
    Input,
    Overdue,
    Probe,
    QuietPassed,
    Ready,
    Refused,
    Restart,
    RestartPolicy,
    RetryDue,
    ScheduleRetry,
    Spawn,
    SpawnFailed,
    Stage,
    Start,
    State,
    Status,
    Stop,
    actions,
    step,
)

RUN = 7
S = Status

# What becomes of each status on each input of the present run, policy "never".
TABLE: dict[tuple[Status, Input], Status] = {}


def rows(given: Input, **becomes: Status) -> None:
    for status in Status:
        TABLE[status, given] = becomes.get(status.value, status)


rows(Start(), stopped=S.STARTING, error=S.STARTING)
rows(Stop(), starting=S.STOPPING, started=S.STOPPING, stalled=S.STOPPING)
rows(Restart(), stopped=S.STARTING, error=S.STARTING, starting=S.STOPPING, started=S.STOPPING, stalled=S.STOPPING)
rows(Ready(RUN), starting=S.STARTED, stalled=S.STARTED)
rows(Overdue(RUN, "slow"), starting=S.STALLED, started=S.STALLED)
rows(Refused(RUN, "port"), starting=S.STOPPING, stalled=S.STOPPING)
rows(Stage(RUN, "Installing"))
rows(Exited(RUN, 0), starting=S.STOPPED, started=S.STOPPED, stalled=S.STOPPED, stopping=S.STOPPED)
rows(Exited(RUN, 3), starting=S.ERROR, started=S.ERROR, stalled=S.ERROR, stopping=S.STOPPED)
rows(Exited(RUN, None, "SIGKILL"), starting=S.ERROR, started=S.ERROR, stalled=S.ERROR, stopping=S.STOPPED)
rows(Exited(RUN, lost=True), starting=S.ERROR, started=S.ERROR, stalled=S.ERROR, stopping=S.STOPPED)
rows(SpawnFailed(RUN, "disk"), starting=S.ERROR, started=S.ERROR, stalled=S.ERROR, stopping=S.ERROR)
rows(RetryDue(RUN))
rows(QuietPassed(RUN))


@pytest.mark.parametrize(("status", "given"), TABLE, ids=str)
def test_every_status_on_every_input(status: Status, given: Input) -> None:
    after, _ = step(State(status, RUN), given)
    assert after.status is TABLE[status, given]


REPORTS = [cell for cell in TABLE if not isinstance(cell[1], Start | Stop | Restart)]


@pytest.mark.parametrize(("status", "given"), REPORTS, ids=str)
def test_what_belongs_to_an_older_run_changes_nothing(status: Status, given: Input) -> None:
    state = State(status, RUN + 1)
    assert step(state, given) == (state, ())


@pytest.mark.parametrize("status", [S.STOPPED, S.ERROR])
def test_start_spawns_a_new_run_and_looks_at_it(status: Status) -> None:
    after, effects = step(State(status, RUN, detail="old", exit_code=3), Start())
    assert after == State(S.STARTING, RUN + 1)
    assert effects == (Spawn(RUN + 1), Probe(RUN + 1))


def test_start_while_running_is_idempotent() -> None:
    for status in (S.STARTING, S.STARTED, S.STALLED):
        assert step(State(status, RUN), Start()) == (State(status, RUN), ())


def test_stop_ends_the_tree_once() -> None:
    stopping, effects = step(State(S.STARTED, RUN), Stop())
    assert effects == (EndTree(RUN),)
    assert step(stopping, Stop())[1] == ()


def test_a_late_ready_cannot_undo_a_stop() -> None:
    stopping, _ = step(State(S.STARTING, RUN), Stop())
    assert step(stopping, Ready(RUN)) == (stopping, ())


def test_restart_starts_again_only_when_the_tree_is_gone() -> None:
    stopping, effects = step(State(S.STARTED, RUN), Restart())
    assert (stopping.status, effects) == (S.STOPPING, (EndTree(RUN),))
    again, effects = step(stopping, Exited(RUN, None, "SIGTERM"))
    assert (again.status, again.run, effects) == (S.STARTING, RUN + 1, (Spawn(RUN + 1), Probe(RUN + 1)))


def test_start_while_stopping_starts_again_afterwards() -> None:
    stopping, _ = step(State(S.STARTED, RUN), Stop())
    wished, effects = step(stopping, Start())
    assert (wished.start_again, effects) == (True, ())
    assert step(wished, Exited(RUN, 0))[0].status is S.STARTING


def test_stop_takes_a_restart_back() -> None:
    stopping, _ = step(State(S.STARTED, RUN), Restart())
    stopped_for_good, _ = step(stopping, Stop())
    assert step(stopped_for_good, Exited(RUN, 0))[0].status is S.STOPPED


def test_exit_zero_reads_finished() -> None:
    after, _ = step(State(S.STARTED, RUN), Exited(RUN, 0))
    assert (after.status, after.detail, after.exit_code) == (S.STOPPED, "finished", 0)


def test_error_carries_code_signal_and_last_line() -> None:
    after, _ = step(State(S.STARTED, RUN), Exited(RUN, 3, tail=("boom",)))
    assert (after.exit_code, after.detail) == (3, "exit code 3: boom")
    after, _ = step(State(S.STARTED, RUN), Exited(RUN, None, "SIGSEGV"))
    assert (after.exit_signal, after.detail) == ("SIGSEGV", "ended by SIGSEGV")


def test_exit_zero_seen_by_nobody_is_an_error() -> None:
    assert step(State(S.STARTED, RUN), Exited(RUN, 0, lost=True))[0].status is S.ERROR


def test_a_foreign_port_ends_the_run_and_reads_error_with_the_reason() -> None:
    ending, effects = step(State(S.STARTING, RUN), Refused(RUN, "Port 1 is used by nc"))
    assert effects == (EndTree(RUN),)
    after, _ = step(ending, Exited(RUN, None, "SIGTERM"))
    assert (after.status, after.detail) == (S.ERROR, "Port 1 is used by nc")


def test_stages_show_while_starting_and_not_when_started() -> None:
    assert step(State(S.STARTING, RUN), Stage(RUN, "Installing"))[0].detail == "Installing"
    assert step(State(S.STARTED, RUN), Stage(RUN, "Installing"))[0].detail == ""


def test_on_failure_restarts_with_growing_pauses() -> None:
    state, pauses = State(S.STARTED, RUN), []
    for _ in range(len(BACKOFF) + 2):
        failed, effects = step(state, Exited(state.run, 1), RestartPolicy.ON_FAILURE)
        assert failed.status is S.ERROR
        pauses += [e.delay for e in effects if isinstance(e, ScheduleRetry)]
        state, _ = step(failed, RetryDue(failed.run), RestartPolicy.ON_FAILURE)
        assert state.status is S.STARTING
    assert pauses == [*BACKOFF, BACKOFF[-1], BACKOFF[-1]]


def test_restarts_are_forgotten_after_a_quiet_time() -> None:
    assert step(State(S.STARTED, RUN, restarts=4), QuietPassed(RUN))[0].restarts == 0


def test_stop_cancels_a_pending_retry() -> None:
    failed, _ = step(State(S.STARTED, RUN), Exited(RUN, 1), RestartPolicy.ON_FAILURE)
    stopped, _ = step(failed, Stop())
    assert stopped.status is S.STOPPED
    assert step(stopped, RetryDue(RUN))[0].status is S.STOPPED


def test_policy_never_does_not_retry() -> None:
    failed, effects = step(State(S.STARTED, RUN), Exited(RUN, 1), RestartPolicy.NEVER)
    assert (failed.retry_pending, effects) == (False, ())


def test_exit_zero_is_no_failure_for_the_policy() -> None:
    assert step(State(S.STARTED, RUN), Exited(RUN, 0), RestartPolicy.ON_FAILURE)[1] == ()


def test_an_adopted_run_is_looked_at() -> None:
    after, effects = step(State(run=RUN), Adopted(RUN + 2))
    assert (after.status, after.run, effects) == (S.STARTING, RUN + 2, (Probe(RUN + 2),))
    assert step(State(run=RUN), Adopted(RUN, stopping=True))[0].status is S.STOPPING


def test_allowed_actions_agree_with_the_steps() -> None:
    for status, pending in itertools.product(Status, (False, True)):
        state = State(status, RUN, retry_pending=pending and status is S.ERROR)
        allowed = actions(state)
        assert ("start" in allowed) == (step(state, Start())[0] != state)
        if "stop" in allowed:
            assert step(state, Stop())[0] != state
        assert ("delete" in allowed) <= (status in RESTING and not state.retry_pending)
    assert set(Status) == ALIVE | RESTING
