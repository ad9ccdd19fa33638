"""One instance's task: the only writer of its status. Performs the lifecycle's effects and feeds results back."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from aikore.base import sockets
from aikore.base.errors import (
    AiKoreError,
    BrokenInstanceError,
    NotFoundError,
    NotReadyError,
    NotStoppedError,
    PortInUseError,
)
from aikore.base.times import utcnow
from aikore.instances import lifecycle
from aikore.instances.failures import Failure, diagnose
from aikore.instances.files import last_lines
from aikore.instances.lifecycle import Examined, Harm, Input, State, Status, step
from aikore.instances.probe import Answer, Found, Listening, Target, Whose, look, who_has
from aikore.instances.rows import InstanceRow
from aikore.instances.runs import Note, ending_of
from aikore.launch.keeper.process import machine_session
from aikore.launch.protocol import Handle, Launcher, RunExit, RunRecord, RunSpec
from aikore.launch.stages import StageWatcher, read_stage
from aikore.proxy.flags import Flags

log = logging.getLogger(__name__)

LISTEN_INTERVAL = 0.05
"""Seconds between two looks whether the app listens: a refused connection to loopback costs about 0.1 ms."""

UNWELL_INTERVAL = 0.2
LISTENER_INTERVAL = 2.0
"""Seconds between two looks for the listener of a program that is ready without one."""
LOST_INTERVAL = 0.5
"""Seconds between two looks at a started app whose port is not its own at the moment."""
LOOK_TIMEOUT = 10.0
ADOPTION_LOOK = 0.5
"""Seconds an adopted app gets to answer before the first status is told."""
ADOPTION_LIMIT = 30.0
"""Seconds after which a folder that does not answer (a dead network disk) no longer holds up the others."""
BROKEN_LIMIT = 2.0
"""The same for an instance that was broken before: it holds up nobody but who wishes something of it."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """When the program counts as ready. ``target`` is None for programs without a port. Times in seconds.

    ``window`` is the file that tells of a first window, for programs that are ready when they show one.
    """

    target: Target | None
    window: Path | None
    timeout: float
    health_interval: float
    health_timeout: float


class ActorHost(Protocol):
    """What an actor needs of the house: what it asks, and what it tells."""

    launcher: Launcher
    stages: StageWatcher
    flags: Flags

    def folder(self, row: InstanceRow) -> Path: ...
    async def examine(self, row: InstanceRow) -> Examined: ...
    def readiness(self, row: InstanceRow) -> Readiness: ...
    async def check_gpus(self, row: InstanceRow) -> None: ...
    def name_of(self, pid: int) -> str | None: ...
    async def prepare(self, row: InstanceRow, run: int) -> RunSpec: ...
    def changed(self, actor: Actor) -> None: ...
    def became_ready(self, actor: Actor) -> None: ...
    def note_run(self, actor: Actor, number: int, note: Note) -> None: ...


class _Retire:
    """Asks the actor to take no more wishes; granted only at rest."""


class _LookAgain:
    """Asks the actor to look whether the instance can be used, as it or its disk may have changed."""


class _EnsureReady:
    """Asks the actor to start the instance where it does not run."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.reached: asyncio.Future[State] | None = None
        """Done when the instance is ready, or when it is clear that it will not be by itself."""


Ask = Input | _Retire | _LookAgain | _EnsureReady
Item = tuple[Ask, asyncio.Future[None] | None]


class Actor:
    """Holds the state of one instance, its handle and its looking tasks."""

    def __init__(self, row: InstanceRow, host: ActorHost) -> None:
        self.row = row
        self.state = State(run=row.last_run)
        self.status_since: datetime = utcnow()
        self.started_at: datetime | None = None
        self.failure: Failure | None = None
        """What is known of an error's cause; None while there is none."""
        self.handle: Handle | None = None
        self._listening: Listening | None = None
        self._flag = host.flags.of(row.slug)
        self._host = host
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._retired = False
        self._look_due = False
        self._last_words: tuple[str, ...] = ()
        self._starved = False
        self.out_of_memory: Callable[[], bool] = lambda: False
        """Says whether the system has just killed something for want of memory. Blocking."""
        self._waiting: list[tuple[Callable[[State], bool], asyncio.Future[State]]] = []
        self._retry: asyncio.TimerHandle | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._waiter: asyncio.Task[None] | None = None
        self._loop_task: asyncio.Task[None] | None = None

    @property
    def folder(self) -> Path:
        return self._host.folder(self.row)

    @property
    def pid(self) -> int | None:
        handle = self.handle
        return handle.record.pid if self.state.status in lifecycle.ALIVE and handle else None

    @property
    def keeper_pid(self) -> int | None:
        """The root of the instance's process tree while it runs. Any thread may ask."""
        handle = self.handle
        return handle.record.keeper_pid if self.state.status in lifecycle.ALIVE and handle else None

    # Wishes -------------------------------------------------------------------------------------------------

    async def wish(self, given: Input) -> None:
        """Hand in a wish and return when it has been taken up. Raises what stands in its way."""
        await self._ask(given)

    async def retire(self) -> None:
        """Take no more wishes from now on. Raises NotStoppedError while the instance is not at rest."""
        await self._ask(_Retire())

    def unretire(self) -> None:
        self._retired = False

    def require_folder(self) -> None:
        """Raise BrokenInstanceError when the instance's folder cannot be reached."""
        if self.state.harm is Harm.ALL:
            raise BrokenInstanceError(self.state.detail)

    def look_again(self) -> None:
        """Have it found out whether the instance can be used, where it is at rest."""
        if not self._look_due:
            self._look_due = True
            self._queue.put_nowait((_LookAgain(), None))

    async def ensure_ready(self, why: str) -> None:
        """Return when the instance is started; start it where it does not run.

        Raises what stands in the way of a start, and NotReadyError when it ended before it was ready. One that is
        slow is waited for; how long is the caller's to say.
        """
        wish = _EnsureReady(why)
        await self._ask(wish)
        assert wish.reached is not None, "the actor sets it when it takes the wish"
        state = await wish.reached
        if state.status is not Status.STARTED:
            raise NotReadyError(f"{self.row.name} is not ready: {state.detail or 'it was stopped'}.")

    async def until(self, there: Callable[[State], bool]) -> State:
        """Return the first state that is ``there``: the present one, or one to come. Raises NotFoundError.

        Every state is looked at, however short it is.
        """
        return await self._expect(there)

    def _expect(self, there: Callable[[State], bool]) -> asyncio.Future[State]:
        reached: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        self._waiting.append((there, reached))
        self._tell_waiting()
        return reached

    def _tell_waiting(self) -> None:
        for there, reached in self._waiting:
            if not reached.done() and there(self.state):
                reached.set_result(self.state)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    async def _ask(self, item: Ask) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, answer))
        await answer

    def tell(self, given: Input) -> None:
        """Report something seen."""
        self._queue.put_nowait((given, None))

    # Life of the task ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._loop_task = asyncio.create_task(self._run(), name=f"actor {self.row.slug}")

    def close(self) -> None:
        """End the task and let go of the run without ending it."""
        for task in (self._watcher, self._waiter, self._loop_task):
            if task:
                task.cancel()
        for timer in (self._retry, self._quiet):
            if timer:
                timer.cancel()
        self._host.stages.forget(self.folder)
        for _, reached in self._waiting:
            if not reached.done():
                reached.set_exception(NotFoundError(f"{self.row.name} is not there any more."))
        self._waiting = []

    async def _run(self) -> None:
        while True:
            item, answer = await self._queue.get()
            try:
                await self._take(item)
            except AiKoreError as error:
                if answer and not answer.done():
                    answer.set_exception(error)
                else:
                    log.warning("%s: %s", self.row.slug, error.message)
            except Exception as error:
                log.exception("%s: the actor failed on %r", self.row.slug, item)
                self._recover(error)
                if answer and not answer.done():
                    answer.set_exception(error)
            else:
                if answer and not answer.done():
                    answer.set_result(None)

    def _recover(self, error: Exception) -> None:
        """After an effect failed unforeseen: leave a state in which a person can act, with the reason."""
        state = self.state
        if state.status in (Status.STARTING, Status.STOPPING) and self._holds(state.run):
            self.state = replace(state, status=Status.STALLED, detail=unforeseen(error), start_again=False)
            self._watch(state.run)
        elif state.status in lifecycle.ALIVE and not self._holds(state.run):
            self.state = replace(state, status=Status.ERROR, detail=unforeseen(error), start_again=False)
        elif state.retry_pending:
            self.state = replace(state, retry_pending=False, detail=unforeseen(error))
        with suppress(Exception):
            self._tell_waiting()
            if self.state is not state:
                self._status_changed(state.status)
            self._host.changed(self)

    def _holds(self, run: int) -> bool:
        """Say whether a program of this run is held, so that its end will be told."""
        return self.handle is not None and self.handle.record.run == run

    async def _take(self, item: Ask) -> None:
        if isinstance(item, _Retire):
            self._retire_now()
            return
        if isinstance(item, _LookAgain):
            self._look_due = False
            await self._look_now()
            return
        if isinstance(item, _EnsureReady):
            if not lifecycle.is_on_its_way(self.state):
                log.info("%s is started: %s", self.row.slug, item.why)
                await self._take(lifecycle.Start())
            item.reached = self._expect(lifecycle.is_decided)
            return
        wished = isinstance(item, lifecycle.Start | lifecycle.Restart)
        if wished and self._retired:
            raise NotFoundError(f"{self.row.name} is being deleted.")
        if wished and self.state.status in lifecycle.RESTING:
            await self._look_now()
            if self.state.harm:
                raise BrokenInstanceError(self.state.detail)
        resting = self.state.status in lifecycle.RESTING
        if wished and (resting or isinstance(item, lifecycle.Restart)):
            await self._host.check_gpus(self.row)
        if wished and resting:
            await self._check_port()
        await self.feed(item)

    def _retire_now(self) -> None:
        if self.state.status not in lifecycle.RESTING or self.state.retry_pending:
            raise NotStoppedError(f"{self.row.name} is {self.state.status}. Stop it first, then delete it.")
        self._retired = True

    async def _check_port(self) -> None:
        user = await asyncio.to_thread(self._port_user)
        if user:
            raise PortInUseError(
                f"Port {self.row.port} is used by {user}. End that program, or create the instance anew "
                "to give it another port."
            )

    def _port_user(self) -> str | None:
        inodes = sockets.local(self.row.port)
        return who_has(inodes, self._host.name_of) if inodes else None

    async def feed(self, given: Input) -> None:
        """Take one input: next state, then its effects. Only the actor's own task and its adoption call this."""
        before = self.state
        self.state, effects = step(before, given, lifecycle.RestartPolicy(self.row.restart_policy))
        self._tell_waiting()
        if isinstance(given, lifecycle.Exited | lifecycle.SpawnFailed) and self.state is not before:
            self._note_ending(before, given)
            self._last_words = given.tail if isinstance(given, lifecycle.Exited) else ()
            self._starved = isinstance(given, lifecycle.Exited) and given.out_of_memory
        if any(isinstance(effect, lifecycle.Spawn) for effect in effects):
            self.handle = self.started_at = None  # those of the run before
        if self.state.status is not before.status:
            self._status_changed(before.status)
        if self.state != before:
            self._host.changed(self)
        for effect in effects:
            await self._perform(effect)

    def _note_ending(self, before: State, given: lifecycle.Exited | lifecycle.SpawnFailed) -> None:
        ending, detail = ending_of(before, given)
        note: Note = {"ending": ending.value, "detail": detail}
        if isinstance(given, lifecycle.Exited):
            note |= {"exit_code": given.code, "exit_signal": given.signal}
            note["ended_at"] = utcnow_from(given.ended_at) if given.ended_at else None
        else:
            note["started_at"] = note["ended_at"] = utcnow()
        self._host.note_run(self, before.run, note)

    def _status_changed(self, before: Status) -> None:
        log.info("%s: %s → %s %s", self.row.slug, before, self.state.status, self.state.detail)
        self.status_since = utcnow()
        state = self.state
        failed = state.status is Status.ERROR and not state.harm
        words = self._last_words, state.exit_code, state.exit_signal, state.detail
        self.failure = diagnose(*words, out_of_memory=self._starved) if failed else None
        if self._retry and not self.state.retry_pending:
            self._retry.cancel()
        if self._quiet:
            self._quiet.cancel()
        if self.state.status is Status.STARTED:
            loop = asyncio.get_running_loop()
            quiet = lifecycle.QuietPassed(self.state.run)
            self._quiet = loop.call_later(lifecycle.QUIET_TIME, self.tell, quiet)
            self._host.became_ready(self)
            self._host.note_run(self, self.state.run, {"ready_at": self.status_since})
        if self.state.status in lifecycle.RESTING:
            self.started_at = None
            self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watcher:
            self._watcher.cancel()
        self._host.stages.forget(self.folder)

    async def _perform(self, effect: lifecycle.Effect) -> None:
        match effect:
            case lifecycle.Spawn(run):
                await self._spawn(run)
            case lifecycle.Probe(run):
                self._watch(run)
            case lifecycle.EndTree(run):
                if self.handle and self._holds(run):
                    self.handle.stop()
                else:
                    self.tell(lifecycle.Exited(run, lost=True))
            case lifecycle.ScheduleRetry(run, delay):
                loop = asyncio.get_running_loop()
                self._retry = loop.call_later(delay, self.tell, lifecycle.RetryDue(run))

    async def _spawn(self, run: int) -> None:
        try:
            spec = await self._host.prepare(self.row, run)
            await self._listen_for_stages(run, clear=True)
            handle = await self._host.launcher.start(spec)
        except AiKoreError as error:
            await self.feed(lifecycle.SpawnFailed(run, error.message))
            return
        except Exception as error:
            log.exception("%s: the start failed", self.row.slug)
            await self.feed(lifecycle.SpawnFailed(run, unforeseen(error)))
            return
        self._hold(handle)
        self._host.changed(self)

    def _hold(self, handle: Handle) -> None:
        self.handle = handle
        self._waiter = asyncio.create_task(self._await_exit(handle))
        self._listening = Listening(handle, self.row.port, self._flag, self._host.name_of)
        self.started_at = utcnow_from(handle.record.started_at)
        self._note_start(handle.record)

    def _note_start(self, record: RunRecord) -> None:
        note: Note = {"started_at": utcnow_from(record.started_at), "log_offset": record.log_offset}
        self._host.note_run(self, record.run, note)

    async def _await_exit(self, handle: Handle) -> None:
        ended = await handle.wait()
        self.tell(await self._exited(handle.record, ended))

    async def _exited(self, record: RunRecord, ended: RunExit) -> lifecycle.Exited:
        try:
            await asyncio.to_thread(self._flag.end, record.run)
        except OSError:
            log.exception("%s: its route cannot be closed", self.row.slug)
        tail: tuple[str, ...] = ()
        out_of_memory = False
        if not ended.clean and not ended.requested:
            try:
                tail = await asyncio.to_thread(last_lines, self.folder, record.log_offset, ended.words_end)
                out_of_memory = await asyncio.to_thread(self.out_of_memory)
            except Exception:
                log.exception("%s: the end of its log cannot be read", self.row.slug)
        return lifecycle.Exited(
            record.run, ended.code, ended.signal, ended.lost, tail, ended.ended_at, ended.left, out_of_memory
        )

    async def _listen_for_stages(self, run: int, clear: bool) -> None:
        await self._host.stages.watch(self.folder, lambda text: self.tell(lifecycle.Stage(run, text)), clear)

    # Looking ------------------------------------------------------------------------------------------------

    def _watch(self, run: int) -> None:
        if self._watcher:
            self._watcher.cancel()
        if self.handle and self.handle.record.run == run and self._listening:
            self._watcher = asyncio.create_task(self._keep_looking(run, self._listening))

    async def _keep_looking(self, run: int, listening: Listening) -> None:
        while True:
            try:
                await self._look_after(run, listening)
            except Exception as error:
                log.exception("%s: looking whether it is ready failed", self.row.slug)
                self.tell(lifecycle.Overdue(run, unforeseen(error)))
                await asyncio.sleep(LOOK_TIMEOUT)
            else:
                return

    async def _look_after(self, run: int, listening: Listening) -> None:
        readiness = self._host.readiness(self.row)
        if readiness.target is None:
            if readiness.window is not None:
                await self._until_window(run, readiness, readiness.window)
            else:
                self.tell(lifecycle.Ready(run))
            await self._mind_listener(readiness, listening)
        elif await self._until_ready(run, readiness, readiness.target, listening):
            await self._while_up(run, readiness, readiness.target, listening)

    async def _mind_listener(self, readiness: Readiness, listening: Listening) -> None:
        """Open the route of a program that is ready without a port, for as long as it listens on it all the same."""
        while True:
            own = (await listening.look()).whose is Whose.OWN
            await asyncio.sleep(max(readiness.health_interval, LISTENER_INTERVAL) if own else LISTENER_INTERVAL)

    async def _until_ready(self, run: int, readiness: Readiness, target: Target, listening: Listening) -> bool:
        """Look until the app answers; False when it never can."""
        overdue_at = time.monotonic() + readiness.timeout
        told = ""
        while True:
            answer = await look(target, LOOK_TIMEOUT)
            found = await listening.look() if answer is not Answer.NOBODY else Found(Whose.NOBODY)
            if found.whose is Whose.STRANGER:
                self.tell(lifecycle.Refused(run, found.reason))
                return False
            if answer is Answer.WELL and found.whose is Whose.OWN:
                self.tell(lifecycle.Ready(run))
                return True
            hint = found.reason or (await listening.elsewhere() if answer is Answer.NOBODY else "")
            if hint and hint != told:
                told = hint
                self.tell(lifecycle.Stage(run, hint))
            if time.monotonic() > overdue_at:
                overdue_at = float("inf")
                silent = f"no answer on port {target.port} within {readiness.timeout:g} s"
                self.tell(lifecycle.Overdue(run, hint or silent))
            await asyncio.sleep(LISTEN_INTERVAL if answer is Answer.NOBODY else UNWELL_INTERVAL)

    async def _until_window(self, run: int, readiness: Readiness, window: Path) -> None:
        overdue_at = time.monotonic() + readiness.timeout
        while not await asyncio.to_thread(os.path.exists, window):
            if time.monotonic() > overdue_at:
                overdue_at = float("inf")
                self.tell(lifecycle.Overdue(run, f"no window within {readiness.timeout:g} s"))
            await asyncio.sleep(UNWELL_INTERVAL)
        self.tell(lifecycle.Ready(run))

    async def _while_up(self, run: int, readiness: Readiness, target: Target, listening: Listening) -> None:
        """Look whether a started app goes on answering, on a port that goes on being its own."""
        well_at = time.monotonic()
        own, told = True, ""
        patience = min(LOOK_TIMEOUT, readiness.health_timeout)
        while True:
            well = time.monotonic() - well_at < readiness.health_interval
            pause = readiness.health_interval if well else 2.0
            await asyncio.sleep(min(readiness.health_interval, pause if own else LOST_INTERVAL))
            answer = await look(target, patience)
            found = await listening.look()
            own = found.whose is Whose.OWN
            silent = time.monotonic() - well_at
            if answer is Answer.WELL and own:
                well_at = time.monotonic()
                if told:
                    told = ""
                    self.tell(lifecycle.Ready(run))
            elif found.reason not in ("", told) or (not told and silent > readiness.health_timeout):
                told = found.reason or f"has not answered for {silent:.0f} s"
                self.tell(lifecycle.Overdue(run, told))

    # Adoption -----------------------------------------------------------------------------------------------

    async def adopt(self) -> None:
        """Find out how things are, before anybody asks. Whatever goes wrong with it stays with this instance."""
        await self._open(await self._examined())

    async def _look_now(self) -> None:
        """Find out whether an instance at rest can be used; one whose folder is back is adopted as at the start."""
        if self.state.status not in lifecycle.RESTING or self.state.retry_pending or self._retired:
            return
        found = await self._examined()
        if self.state.harm:
            await self._open(found)
        else:
            await self.feed(found)

    async def _examined(self) -> Examined:
        try:
            async with asyncio.timeout(BROKEN_LIMIT if self.state.harm else ADOPTION_LIMIT):
                return await self._host.examine(self.row)
        except TimeoutError:
            return Examined(Harm.ALL, f"Its folder instances/{self.row.slug} does not answer. Is its disk well?")
        except Exception as error:
            log.exception("%s cannot be examined", self.row.slug)
            return Examined(Harm.ALL, f"It cannot be opened: {error}")

    async def _open(self, found: Examined) -> None:
        """Adopt what lives in a folder that can be reached, then take in what was found of it."""
        before = self.state
        if found.harm is not Harm.ALL:
            try:
                async with asyncio.timeout(ADOPTION_LIMIT):
                    await self._adopt()
            except Exception as error:
                reason = f"It cannot be opened: {error or 'its folder does not answer'}"
                if reason != before.detail and not found.harm:
                    log.exception("%s cannot be adopted", self.row.slug)
                found = found if found.harm else Examined(Harm.START, reason)
        await self.feed(found)
        if before.harm and self.state != before:
            log.info("%s can be used again: %s", self.row.slug, self.state.status)
            self._host.changed(self)

    async def _adopt(self) -> None:
        found = await self._host.launcher.adopt(self.folder)
        if found is None:
            return
        if isinstance(found, RunRecord):
            await self._learn_ending(found)
            return
        record = found.record
        self._hold(found)
        await self._listen_for_stages(record.run, clear=False)
        await self.feed(lifecycle.Adopted(record.run, record.state == "stopping"))
        await self._first_look(record.run)

    async def _first_look(self, run: int) -> None:
        readiness = self._host.readiness(self.row)
        found = await self._listening.look() if self._listening else Found(Whose.NOBODY)
        if readiness.window is not None:
            well = await asyncio.to_thread(os.path.exists, readiness.window)
        elif readiness.target is None:
            well = True
        else:
            well = found.whose is Whose.OWN and await look(readiness.target, ADOPTION_LOOK) is Answer.WELL
        if well:
            await self.feed(lifecycle.Ready(run))
        elif self.row.status in (Status.STARTED, Status.STALLED):
            await self.feed(lifecycle.Overdue(run, found.reason or "does not answer"))
        elif stage := await asyncio.to_thread(read_stage, self.folder):
            await self.feed(lifecycle.Stage(run, stage))

    async def _learn_ending(self, record: RunRecord) -> None:
        ended = record.exit
        self.state = State(run=max(record.run, self.state.run))
        before = State(Status.STOPPING if ended.requested else Status.STARTING, record.run)
        given = await self._exited(record, ended)
        self._note_start(record)
        if record.session != machine_session():
            self._note_ending(before, given)
            return
        self.state = State(before.status, self.state.run)
        await self.feed(replace(given, run=self.state.run))
        if ended.ended_at:
            self.status_since = utcnow_from(ended.ended_at)


def unforeseen(error: Exception) -> str:
    """Say what stood in the way of AiKore itself."""
    if isinstance(error, OSError) and error.strerror:
        return f"AiKore itself failed: {error.strerror}. Try again; its log has more"
    return f"AiKore itself failed: {str(error) or type(error).__name__}. Try again; its log has more"


def utcnow_from(timestamp: float) -> datetime:
    """Return a Unix time in the form of :func:`utcnow`."""
    return datetime.fromtimestamp(round(timestamp, 3), UTC).replace(tzinfo=None)
