"""The life of an instance as a pure function: ``step(state, input) -> (state, effects)``.

Nothing here waits, reads a clock or touches the machine. The actor performs the effects and feeds results back,
each stamped with the number of the run it belongs to; what belongs to an older run is ignored, so a late "ready"
cannot undo a stop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before the first, second … restart; the last one repeats."""

QUIET_TIME = 600.0
"""Seconds up without a crash after which the restarts are counted from zero again."""


class Status(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    STARTED = "started"
    STALLED = "stalled"
    STOPPING = "stopping"
    ERROR = "error"


ALIVE = frozenset({Status.STARTING, Status.STARTED, Status.STALLED, Status.STOPPING})
"""States in which a process tree may exist."""

RESTING = frozenset({Status.STOPPED, Status.ERROR})


class RestartPolicy(StrEnum):
    NEVER = "never"
    ON_FAILURE = "on-failure"


class Harm(StrEnum):
    """What of an instance at rest cannot be used, because of its folder or its row."""

    NONE = ""
    START = "start"
    """It cannot start, but what is in its folder can be reached."""
    ALL = "all"
    """Its folder cannot be reached."""


@dataclass(frozen=True, slots=True)
class State:
    """Where an instance is. ``run`` counts its runs; ``start_again`` means: start as soon as it has stopped.

    ``failure`` is why a run is being ended by AiKore itself; it becomes the error once the tree is gone. ``harm``: why
    is in ``detail``.
    """

    status: Status = Status.STOPPED
    run: int = 0
    detail: str = ""
    exit_code: int | None = None
    exit_signal: str | None = None
    start_again: bool = False
    failure: str = ""
    retry_pending: bool = False
    restarts: int = 0
    harm: Harm = Harm.NONE


# Inputs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Someone wishes it to run."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Someone wishes it to end."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Someone wishes it to end and run anew."""


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    run: int
    reason: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """A keeper of an earlier manager holds this run. ``stopping``: it was already asked to end."""

    run: int
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """Its folder and its row were looked at."""

    harm: Harm = Harm.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """The app answers."""

    run: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """The app has not answered within its time."""

    run: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The app can never become ready (its port belongs to another program)."""

    run: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The launch script says what it is doing."""

    run: int
    text: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The run is over. ``lost``: its keeper was killed. ``tail``: the last lines of its log.
    ``out_of_memory``: the system has just killed something for want of memory.

    ``left`` names the processes of a lost run that are, or may be, still there; else nothing of its tree is left.
    """

    run: int
    code: int | None = None
    signal: str | None = None
    lost: bool = False
    tail: tuple[str, ...] = ()
    ended_at: float | None = None
    left: tuple[str, ...] = ()
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class RetryDue:
    run: int


@dataclass(frozen=True, slots=True)
class QuietPassed:
    run: int


Input = (
    Start
    | Stop
    | Restart
    | SpawnFailed
    | Adopted
    | Examined
    | Ready
    | Overdue
    | Refused
    | Stage
    | Exited
    | RetryDue
    | QuietPassed
)

# Effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    run: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Look for readiness from now on, and go on looking while the run lives."""

    run: int


@dataclass(frozen=True, slots=True)
class EndTree:
    run: int


@dataclass(frozen=True, slots=True)
class ScheduleRetry:
    run: int
    delay: float


Effect = Spawn | Probe | EndTree | ScheduleRetry

Outcome = tuple[State, tuple[Effect, ...]]


def step(state: State, given: Input, policy: RestartPolicy = RestartPolicy.NEVER) -> Outcome:
    """Return the next state and what must be done. An input that does not matter here changes nothing."""
    match given:
        case Start() | Restart() if state.harm:
            return state, ()
        case Start():
            return _start(state)
        case Stop():
            return _stop(state)
        case Restart():
            return _restart(state)
        case Adopted(run, stopping):
            return _adopted(state, run, stopping)
        case Examined(harm, reason):
            return _examined(state, harm, reason), ()
        case _ if given.run != state.run:
            return state, ()
        case Exited():
            return _exited(state, given, policy)
        case SpawnFailed(_, reason):
            return _spawn_failed(state, reason)
        case RetryDue() if state.retry_pending:
            return _spawn(replace(state, restarts=state.restarts + 1))
        case QuietPassed() if state.status is Status.STARTED:
            return replace(state, restarts=0), ()
        case Refused(_, reason) if state.status in (Status.STARTING, Status.STALLED):
            return replace(state, status=Status.STOPPING, detail=reason, failure=reason), (EndTree(state.run),)
        case _:
            return _observed(state, given), ()


def actions(state: State) -> tuple[str, ...]:
    """Return what a person may do with the instance now."""
    match state.status:
        case _ if state.harm is Harm.ALL:
            return ("delete",)
        case _ if state.harm:
            return ("edit", "delete")
        case Status.STOPPED:
            return ("start", "edit", "delete", "copy", "rebuild")
        case Status.ERROR if state.retry_pending:
            return ("start", "stop", "edit", "copy", "rebuild")
        case Status.ERROR:
            return ("start", "edit", "delete", "copy", "rebuild")
        case Status.STOPPING:
            return ("start", "edit") if not state.start_again else ("stop", "edit")
        case _:
            return ("stop", "restart", "edit", "copy")


def is_on_its_way(state: State) -> bool:
    """Say whether an instance is ready or may become so without a wish."""
    return state.status in (Status.STARTING, Status.STARTED, Status.STALLED) or state.start_again or state.retry_pending


def is_decided(state: State) -> bool:
    """Say whether an instance is ready, or will not be without another wish."""
    return state.status is Status.STARTED or not is_on_its_way(state)


def is_over(state: State) -> bool:
    """Say whether nothing of a run is left."""
    return state.status not in ALIVE


def _spawn(state: State) -> Outcome:
    run = state.run + 1
    return State(Status.STARTING, run, restarts=state.restarts), (Spawn(run), Probe(run))


def _start(state: State) -> Outcome:
    if state.status in RESTING:
        return _spawn(replace(state, restarts=0))
    if state.status is Status.STOPPING:
        return replace(state, start_again=True, failure="", detail="will start again"), ()
    return state, ()


def _stop(state: State) -> Outcome:
    if state.status is Status.STOPPING:
        return replace(state, start_again=False, failure="", detail=""), ()
    if state.status is Status.ERROR and state.retry_pending:
        return replace(state, status=Status.STOPPED, retry_pending=False, detail=""), ()
    if state.status in RESTING:
        return state, ()
    stopping = replace(state, status=Status.STOPPING, detail="", start_again=False)
    return stopping, (EndTree(state.run),)


def _restart(state: State) -> Outcome:
    if state.status in RESTING:
        return _start(state)
    stopping, effects = _stop(state)
    return replace(stopping, start_again=True, failure="", detail="will start again"), effects


def _adopted(state: State, run: int, stopping: bool) -> Outcome:
    status = Status.STOPPING if stopping else Status.STARTING
    return replace(state, status=status, run=run, detail="", harm=Harm.NONE), (Probe(run),)


def _examined(state: State, harm: Harm, reason: str) -> State:
    """Take in what was found of an instance at rest; one that is well again is stopped."""
    if state.status not in RESTING or (not harm and not state.harm):
        return state
    if not harm:
        return State(run=state.run)
    return State(Status.ERROR, state.run, reason, harm=harm)


def _observed(state: State, given: Input) -> State:
    """Take in what was seen of a living run; a run that is ending stays so."""
    if state.status not in (Status.STARTING, Status.STARTED, Status.STALLED):
        return state
    match given:
        case Ready():
            return replace(state, status=Status.STARTED, detail="")
        case Overdue(_, reason):
            return replace(state, status=Status.STALLED, detail=reason)
        case Stage(_, text) if state.status is not Status.STARTED:
            return replace(state, detail=text)
        case _:
            return state


def _spawn_failed(state: State, reason: str) -> Outcome:
    if state.status not in ALIVE:
        return state, ()
    return replace(state, status=Status.ERROR, detail=reason, start_again=False), ()


def _exited(state: State, given: Exited, policy: RestartPolicy) -> Outcome:
    if state.status not in ALIVE:
        return state, ()
    ended = replace(state, exit_code=given.code, exit_signal=given.signal, start_again=False, retry_pending=False)
    if state.status is Status.STOPPING:
        if state.start_again:
            return _spawn(replace(ended, restarts=0))
        if state.failure:
            return replace(ended, status=Status.ERROR, detail=state.failure, failure=""), ()
        if given.left:
            return replace(ended, status=Status.ERROR, detail=reason(given)), ()
        return replace(ended, status=Status.STOPPED, detail=""), ()
    if given.code == 0 and not given.lost:
        return replace(ended, status=Status.STOPPED, detail="finished"), ()
    failed = replace(ended, status=Status.ERROR, detail=reason(given))
    if policy is RestartPolicy.NEVER:
        return failed, ()
    delay = BACKOFF[min(state.restarts, len(BACKOFF) - 1)]
    pending = replace(failed, retry_pending=True, detail=f"{failed.detail}; starts again in {delay:g} s")
    return pending, (ScheduleRetry(state.run, delay),)


def reason(given: Exited) -> str:
    """Say why a run that ended by itself failed."""
    if given.lost and given.left:
        are = "is" if len(given.left) == 1 else "are"
        return f"its keeper was killed; {', '.join(given.left)} {are} still there. End that, then start again"
    if given.lost:
        return "its keeper was killed; what was left of it has been ended"
    cause = f"ended by {given.signal}" if given.signal else f"exit code {given.code}"
    return f"{cause}: {given.tail[-1][:200]}" if given.tail else cause
