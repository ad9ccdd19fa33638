"""A run below a keeper, as the manager holds it: its end, its stop, and what to do when the keeper fails.

A keeper ends its tree itself. When it is killed, or does not do what it was asked for, the manager does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from aikore.launch import orphans, records
from aikore.launch.keeper.process import descendants
from aikore.launch.orphans import Traces
from aikore.launch.protocol import RunExit, RunRecord
from aikore.launch.trees import Member

log = logging.getLogger(__name__)

ESCALATION = 5.0
"""Seconds after the grace in which a keeper must have ended its tree."""

GIVE_UP = 10.0
"""Seconds a killed keeper may take to be gone: longer only when the kernel waits for a disk that hangs."""


class HandleOwner(Protocol):
    """What a handle needs of its launcher."""

    async def end_orphans(self, traces: Traces) -> tuple[str, ...]: ...
    def let_go(self, handle: LocalHandle) -> None: ...


class LocalHandle:
    """The keeper may be our child or an adopted one. Takes over ``pidfd`` and ``descriptor``, that of its record."""

    def __init__(
        self, owner: HandleOwner, folder: Path, record: RunRecord, pidfd: int, descriptor: int | None, grace: float
    ) -> None:
        self.tree: frozenset[Member] = frozenset()
        """What was last seen below the keeper."""
        self._owner = owner
        self._folder = folder
        self._record = record
        self._pidfd = pidfd
        self._descriptor = descriptor
        self._grace = grace
        self._wished = record.exit.requested
        self._ended_by_us = False
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[RunExit] = self._loop.create_future()
        self._escalation: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.add_reader(pidfd, self._keeper_ended)
        if self._wished:
            self._expect_end(grace)

    @property
    def record(self) -> RunRecord:
        return self._record

    async def wait(self) -> RunExit:
        return await asyncio.shield(self._exit)

    def stop(self) -> None:
        self._ask(signal.SIGTERM, self._grace)

    def kill(self) -> None:
        self._ask(signal.SIGQUIT, 0.0)

    def pids(self) -> set[int]:
        return descendants(self._record.keeper_pid)

    def close(self) -> None:
        """Let go of the keeper without ending it (the manager is being replaced)."""
        self._owner.let_go(self)
        if self._escalation:
            self._escalation.cancel()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _ask(self, number: int, grace: float) -> None:
        self._wished = True
        self._signal(number)
        self._signal(signal.SIGCONT)  # it may have been stopped
        self._expect_end(grace)

    def _signal(self, number: int) -> None:
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _expect_end(self, grace: float) -> None:
        due = self._loop.time() + grace + ESCALATION
        if self._escalation is None:
            self._escalation = self._loop.call_at(due, self._begin, self._force)
        elif due < self._escalation.when() and not self._ended_by_us:
            self._escalation.cancel()
            self._escalation = self._loop.call_at(due, self._begin, self._force)

    def _begin(self, work: object) -> None:
        task = asyncio.create_task(work())  # type: ignore[operator]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _force(self) -> None:
        """End the tree of a keeper that does not, then the keeper."""
        if self._pidfd < 0:
            return
        self._ended_by_us = True
        root = self._record.keeper_pid
        log.warning("the keeper of %s (process %d) did not end its run: it is ended for it", self._folder, root)
        with suppress(OSError):
            self.tree |= await asyncio.to_thread(orphans.end_tree, root)
        self._signal(signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP):
                await self.wait()
        if not self._exit.done():
            left = (orphans.describe(root),)
            self._tell(RunExit(lost=True, requested=True, ended_at=time.time(), left=left))

    def _keeper_ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        with suppress(ChildProcessError):
            os.waitpid(self._record.keeper_pid, os.WNOHANG)
        self._begin(self._settle)

    async def _settle(self) -> None:
        """Find out how the run ended, and end what is left when nobody else did."""
        try:
            self._record = await asyncio.to_thread(self._last_record)
            ending = self._record.exit if self._record.ended else await self._clean_up()
        except Exception:
            log.exception("how the run in %s ended cannot be told", self._folder)
            ending = RunExit(lost=True, requested=self._wished, ended_at=time.time(), left=("what it started",))
        self.close()
        self._tell(ending)

    def _tell(self, ending: RunExit) -> None:
        if not self._exit.done():
            self._exit.set_result(ending)

    def _last_record(self) -> RunRecord:
        """Return what the keeper wrote last, in the file it opened or under its name."""
        found = [self._record, records.read_record(self._folder)]
        if self._descriptor is not None:
            found.append(records.read_descriptor(self._descriptor))
        own = [record for record in found if record is not None and record.uuid == self._record.uuid]
        return next((record for record in own if record.ended), own[-1])

    async def _clean_up(self) -> RunExit:
        traces = orphans.traces_of(self._record, self._folder)
        left = await self._owner.end_orphans(replace(traces, tree=self.tree, whole=self._ended_by_us))
        if left:
            log.error("of a killed keeper in %s there is still: %s", self._folder, ", ".join(left))
        requested = self._wished or self._record.exit.requested
        return RunExit(lost=True, requested=requested, ended_at=time.time(), left=left)
