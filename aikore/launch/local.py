"""Runs programs on this machine, each below a keeper. Owns the start and the adoption of keepers.

A lock file can be removed: that no keeper of a folder runs is known only after a look at all processes
(:mod:`aikore.launch.living`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from aikore.base import procfs
from aikore.base.errors import ConflictError
from aikore.launch import living, orphans, records, run_folder, spawn
from aikore.launch.handle import LocalHandle
from aikore.launch.keeper.process import descendants, machine_session
from aikore.launch.layout import LOCK_NAME
from aikore.launch.orphans import Traces
from aikore.launch.protocol import RunRecord, RunSpec
from aikore.launch.records import read_record
from aikore.launch.shared import Shared
from aikore.launch.trees import Trees

log = logging.getLogger(__name__)

LOCK_PATIENCE = 3.0
"""Seconds a lock may be held without a keeper: what a killed one was just starting holds it for a moment."""

TREE_INTERVAL = 2.0
"""Seconds after which it is learned again what lives below the keepers."""


class LocalLauncher:
    """Starts keepers and finds the ones that run."""

    def __init__(self) -> None:
        self._handles: set[LocalHandle] = set()
        self._trees = Trees()
        self._watching: asyncio.Task[None] | None = None
        self._keepers = Shared(lambda: living.find_keepers)
        self._marked = Shared(lambda: living.find_marked)
        self._to_end: list[Traces] = []
        self._ended_runs = Shared(self._begin_to_end)

    # Starting -----------------------------------------------------------------------------------------------

    async def start(self, spec: RunSpec) -> LocalHandle:
        """Start a run; return when its keeper holds it. Nothing is left of a start that failed.

        Raises ConflictError when a run of this folder lives, StorageError when its files cannot be written.
        """
        await asyncio.to_thread(run_folder.prepare_folder, spec.folder)
        uuid = uuid4().hex
        with ExitStack() as held:
            folder = await asyncio.to_thread(run_folder.open_folder, spec.folder)
            held.callback(os.close, folder)
            lock = await self._lock(spec.folder, folder)
            held.callback(os.close, lock)
            started = await asyncio.to_thread(spawn.spawn_keeper, spec, uuid, lock, folder)
        descriptor: int | None = None
        try:
            record = await spawn.hear(spec.folder, started)
            descriptor = await asyncio.to_thread(living.open_record, started.pid)
            return self._hold(spec.folder, record, started.pidfd, descriptor, spec.stop_grace)
        except Exception:
            _close(started.pidfd, descriptor)
            await asyncio.to_thread(spawn.undo, started.pid, Traces(uuid, spec.folder))
            raise

    async def _lock(self, path: Path, folder: int) -> int:
        """Take the folder's lock when no keeper of the folder lives. Raises ConflictError."""
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            lock = await asyncio.to_thread(run_folder.take_lock, folder, path)
            try:
                if keepers := await asyncio.to_thread(living.keepers_of, path, await self._keepers.get()):
                    holder = f"a keeper (process {keepers[0].pid})"
                    raise ConflictError(f"This instance is already held by {holder}; wait until it has ended.")
                if lock is None and time.monotonic() > deadline:
                    raise ConflictError(
                        f"{path / LOCK_NAME} is locked by another program. End that program, then start again."
                    )
            except BaseException:
                if lock is not None:
                    os.close(lock)
                raise
            if lock is not None:
                return lock
            await asyncio.sleep(0.01)

    # Finding ------------------------------------------------------------------------------------------------

    async def adopt(self, folder: Path) -> LocalHandle | RunRecord | None:
        """Find the run of ``folder``: a living one, the record of an ended one, or None.

        What a killed keeper left running is ended before this returns. What belongs to another folder, of which this
        one is a copy, is left alone.
        """
        asked = time.monotonic()
        while True:
            everybody = await self._keepers.get()
            if keepers := await asyncio.to_thread(living.keepers_of, folder, everybody):
                if handle := await self._take_over(folder, keepers):
                    return handle
            elif not await asyncio.to_thread(run_folder.is_locked, folder):
                break
            if time.monotonic() > asked + (spawn.START_TIMEOUT if keepers else LOCK_PATIENCE):
                log.error("%s is locked, but no keeper holds it", folder)
                break
            await asyncio.sleep(0.01)  # a keeper that is just starting or just ending
        return await self._ended(folder, everybody)

    async def running(self, folder: Path) -> tuple[str, ...]:
        """Name the living processes of a run that was started in ``folder``, also when that is out of reach."""
        keepers = [one for one in await self._keepers.get() if one.folder == folder]
        trees = [await asyncio.to_thread(descendants, one.pid) for one in keepers]
        return tuple(orphans.describe(pid) for tree in trees for pid in sorted(tree))

    async def _take_over(self, folder: Path, keepers: list[living.Keeper]) -> LocalHandle | None:
        """Hold the run of a living keeper; None while it is just starting or ending."""
        record = await asyncio.to_thread(read_record, folder)
        one = next((one for one in keepers if record and one.uuid == record.uuid), keepers[0])
        for other in keepers:
            if other is not one:
                log.error("%s has a second keeper, process %d: it is asked to end", folder, other.pid)
                _signal_process(other.pid, other.start, signal.SIGTERM)
        try:
            pidfd = os.pidfd_open(one.pid)
        except ProcessLookupError:
            return None
        descriptor: int | None = None
        try:
            descriptor = await asyncio.to_thread(living.open_record, one.pid)
            held = await asyncio.to_thread(records.read_descriptor, descriptor) if descriptor is not None else None
            if held is None or held.uuid != one.uuid:
                log.warning("the record of %s cannot be read; its keeper is process %d", folder, one.pid)
                held = await asyncio.to_thread(records.rebuild, one)
            if not procfs.alive(one.pid, one.start) or held.pid is None or held.ended:
                _close(pidfd, descriptor)
                return None
            handle = self._hold(folder, held, pidfd, descriptor, one.grace)
        except BaseException:
            _close(pidfd, descriptor)
            raise
        return handle

    async def _ended(self, folder: Path, keepers: Iterable[living.Keeper]) -> RunRecord | None:
        record = await asyncio.to_thread(read_record, folder)
        if record is None:
            for uuid in await asyncio.to_thread(living.runs_in, folder, await self._marked.get(), keepers):
                await self.end_orphans(Traces(uuid, folder))
            return None
        if record.ended:
            return record
        left: tuple[str, ...] = ()
        if record.session == machine_session():
            if not await asyncio.to_thread(_is_own, record, folder, keepers):
                log.warning("%s has the record of a run of another folder, of which it is a copy", folder)
                return None
            left = await self.end_orphans(orphans.traces_of(record, folder))
        return replace(record, exit=replace(record.exit, lost=True, left=left))

    def _hold(self, folder: Path, record: RunRecord, pidfd: int, descriptor: int | None, grace: float) -> LocalHandle:
        handle = LocalHandle(self, folder, record, pidfd, descriptor, grace)
        self._handles.add(handle)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return handle

    # Searches that many share ----------------------------------------------------------------------------------

    async def end_orphans(self, traces: Traces) -> tuple[str, ...]:
        """End what a killed keeper left; return what is or may be left of it."""
        self._to_end.append(traces)
        ended = await self._ended_runs.get()
        return ended.get(traces.uuid, ("perhaps what it started",))

    def _begin_to_end(self) -> Callable[[], dict[str, tuple[str, ...]]]:
        runs, self._to_end = self._to_end, []
        return partial(orphans.end_orphans, runs)

    async def _watch(self) -> None:
        """Remember what lives below the keepers: when one is killed, its children can no longer be told from others."""
        while self._handles:
            try:
                roots = {handle.record.keeper_pid for handle in self._handles}
                trees = await asyncio.to_thread(self._trees.below, roots)
                for handle in list(self._handles) if trees is not None else ():
                    if tree := (trees or {}).get(handle.record.keeper_pid):
                        handle.tree = tree
            except OSError as error:
                log.warning("looking at the processes of instances: %s", error)
            await asyncio.sleep(TREE_INTERVAL)
        self._watching = None

    def let_go(self, handle: LocalHandle) -> None:
        """Take a handle that ended, or was closed, off the watch."""
        self._handles.discard(handle)


def _is_own(record: RunRecord, folder: Path, keepers: Iterable[living.Keeper]) -> bool:
    """Say whether an unended record of this machine session is of this folder, and its keeper is dead."""
    if record.folder_id is not None and record.folder_id != living.folder_id(folder):
        return False
    return not any(one.uuid == record.uuid for one in keepers)


def _signal_process(pid: int, start: int, number: int) -> None:
    with suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            if procfs.alive(pid, start):
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)


def _close(*descriptors: int | None) -> None:
    for fd in descriptors:
        if fd is not None:
            os.close(fd)
