"""Runs programs on this machine, each below a keeper. Owns the lock, the spawn and the adoption of keepers.

The lock on ``run.lock`` is taken here before the fork and its descriptor is inherited by the keeper alone, so it
lives as long as the keeper. A lock file can be removed, though: that no keeper runs is known only after a look at all
processes (:mod:`aikore.launch.living`).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

from aikore.base import limits, procfs
from aikore.base.errors import ConflictError, StorageError
from aikore.launch import keeper, living, processes, records
from aikore.launch.handle import LocalHandle
from aikore.launch.keeper import orders
from aikore.launch.keeper.files import open_plain
from aikore.launch.keeper.orders import Orders
from aikore.launch.keeper.process import descendants, machine_session
from aikore.launch.keeper.record import RECORD_SIZE
from aikore.launch.layout import LOCK_NAME, LOGS_NAME, PLAIN, RECORD_NAME
from aikore.launch.processes import Traces
from aikore.launch.protocol import RunRecord, RunSpec
from aikore.launch.records import read_record

T = TypeVar("T")

log = logging.getLogger(__name__)

START_TIMEOUT = 10.0
"""Seconds a keeper may take until it tells that it holds the run."""

LOCK_PATIENCE = 3.0
"""Seconds a lock may be held without a keeper: what a killed one was just starting holds it for a moment."""

TREE_INTERVAL = 2.0
"""Seconds between two looks at what lives below the keepers."""


@dataclass(frozen=True, slots=True)
class Born:
    """A keeper that was just started. ``says`` is the pipe on which it tells what it holds."""

    pid: int
    pidfd: int
    says: int


class Shared(Generic[T]):
    """Blocking work whose result many want at once: it is done once for all who asked before it began.

    ``begin`` is called in the loop when it begins and returns what a thread does.
    """

    def __init__(self, begin: Callable[[], Callable[[], T]]) -> None:
        self._begin = begin
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return a result of work that began after this was asked."""
        if self._next is None:
            self._next = asyncio.create_task(self._do())
        return await asyncio.shield(self._next)

    async def _do(self) -> T:
        await asyncio.sleep(0)
        self._next = None
        return await asyncio.to_thread(self._begin())


class LocalLauncher:
    """Starts keepers and finds the ones that run."""

    def __init__(self) -> None:
        self._handles: set[LocalHandle] = set()
        self._trees = processes.Trees()
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
        await asyncio.to_thread(_prepare, spec.folder)
        uuid = uuid4().hex
        with ExitStack() as held:
            folder = await asyncio.to_thread(_open_folder, spec.folder)
            held.callback(os.close, folder)
            lock = await self._lock(spec.folder, folder)
            held.callback(os.close, lock)
            born = await asyncio.to_thread(_spawn, spec, uuid, lock, folder)
        descriptor: int | None = None
        try:
            record = await self._hear(spec.folder, born)
            descriptor = await asyncio.to_thread(living.open_record, born.pid)
            return self._hold(spec.folder, record, born.pidfd, descriptor, spec.stop_grace)
        except Exception:
            _close(born.pidfd, descriptor)
            await asyncio.to_thread(_undo, born.pid, Traces(uuid, spec.folder))
            raise

    async def _lock(self, path: Path, folder: int) -> int:
        """Take the folder's lock when no keeper of the folder lives. Raises ConflictError."""
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            lock = await asyncio.to_thread(take_lock, folder, path)
            try:
                if keepers := living.keepers_of(path, await self._keepers.get()):
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

    async def _hear(self, folder: Path, born: Born) -> RunRecord:
        """Return what the new keeper says it holds. Raises StorageError when it cannot, or says nothing in time."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2 * RECORD_SIZE)
        try:
            pipe = os.fdopen(born.says, "rb", buffering=0)
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        except Exception:
            with suppress(OSError):
                os.close(born.says)
            raise
        try:
            async with asyncio.timeout(START_TIMEOUT):
                line = await reader.readline()
        except TimeoutError:
            raise StorageError(f"The keeper of {folder} did not start within {START_TIMEOUT:.0f} s.") from None
        finally:
            transport.close()
        return _told(folder, line)

    # Finding ------------------------------------------------------------------------------------------------

    async def adopt(self, folder: Path) -> LocalHandle | RunRecord | None:
        """Find the run of ``folder``: a living one, the record of an ended one, or None.

        What a killed keeper left running is ended before this returns. What belongs to another folder, of which this
        one is a copy, is left alone.
        """
        asked = time.monotonic()
        while True:
            everybody = await self._keepers.get()
            if keepers := living.keepers_of(folder, everybody):
                if handle := await self._take_over(folder, keepers):
                    return handle
            elif not await asyncio.to_thread(is_locked, folder):
                break
            if time.monotonic() > asked + (START_TIMEOUT if keepers else LOCK_PATIENCE):
                log.error("%s is locked, but no keeper holds it", folder)
                break
            await asyncio.sleep(0.01)  # a keeper that is just starting or just ending
        return await self._ended(folder, everybody)

    async def running(self, folder: Path) -> tuple[str, ...]:
        """Name the living processes of a run that was started in ``folder``, also when that is out of reach."""
        keepers = [one for one in await self._keepers.get() if one.folder == folder]
        trees = [await asyncio.to_thread(descendants, one.pid) for one in keepers]
        return tuple(processes.describe(pid) for tree in trees for pid in sorted(tree))

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
            for uuid in living.runs_in(folder, await self._marked.get(), keepers):
                await self.end_leftovers(Traces(uuid, folder))
            return None
        if record.ended:
            return record
        left: tuple[str, ...] = ()
        if record.session == machine_session():
            if not await asyncio.to_thread(_is_own, record, folder, keepers):
                log.warning("%s has the record of a run of another folder, of which it is a copy", folder)
                return None
            left = await self.end_leftovers(processes.traces_of(record, folder))
        return replace(record, exit=replace(record.exit, lost=True, left=left))

    def _hold(self, folder: Path, record: RunRecord, pidfd: int, descriptor: int | None, grace: float) -> LocalHandle:
        handle = LocalHandle(self, folder, record, pidfd, descriptor, grace)
        self._handles.add(handle)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return handle

    # Looks that many share ----------------------------------------------------------------------------------

    async def end_leftovers(self, traces: Traces) -> tuple[str, ...]:
        """End what a killed keeper left; return what is or may be left of it."""
        self._to_end.append(traces)
        ended = await self._ended_runs.get()
        return ended.get(traces.uuid, ("perhaps what it started",))

    def _begin_to_end(self) -> Callable[[], dict[str, tuple[str, ...]]]:
        runs, self._to_end = self._to_end, []
        return partial(processes.end_leftovers, runs)

    async def _watch(self) -> None:
        """Remember what lives below the keepers: when one is killed, its children can no longer be told from others."""
        while self._handles:
            try:
                roots = {handle.record.keeper_pid for handle in self._handles}
                trees = await asyncio.to_thread(self._trees.look, roots)
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
    if record.place is not None and record.place != living.identity(folder):
        return False
    return not any(one.uuid == record.uuid for one in keepers)


# The folder -----------------------------------------------------------------------------------------------------


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in procfs.EXHAUSTED:
            raise
        raise StorageError(f"The run could not be prepared in {folder}: {error.strerror}.") from error


def _prepare(folder: Path) -> None:
    """Make the folder of logs. Raises StorageError when something that a run writes to is no plain file."""
    with _writing(folder):
        logs = folder / LOGS_NAME
        if os.path.lexists(logs) and not logs.is_dir():
            raise _unfit(logs, "it is no folder")
        logs.mkdir(exist_ok=True)
        for name in PLAIN:
            path = folder / name
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise _unfit(path, "it is no plain file")


def _unfit(path: Path | str, why: str) -> StorageError:
    return StorageError(f"AiKore could not write to {path}: {why}. Remove it and start again.")


def _open_folder(folder: Path) -> int:
    with _writing(folder):
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def take_lock(folder: int, path: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, None when a keeper (or another manager) has it."""
    try:
        fd = open_plain(LOCK_NAME, os.O_RDWR, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _unfit(path / LOCK_NAME, "it is no plain file") from error
        if error.errno in procfs.EXHAUSTED:
            raise
        raise StorageError(f"The run could not be prepared in {path}: {error.strerror}.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(LOCK_NAME, dir_fd=folder, follow_symlinks=False)):
            return fd
    except OSError:
        pass
    os.close(fd)
    return None


def is_locked(folder: Path) -> bool:
    """Say whether somebody holds the lock of a folder. What is no lock locks nothing."""
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in procfs.EXHAUSTED:
            raise
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


# The spawn ------------------------------------------------------------------------------------------------------


def _told(folder: Path, line: bytes) -> RunRecord:
    """Return the record that a new keeper told. Raises StorageError when it told a failure, or nothing."""
    if not line:
        raise StorageError(f"The keeper of {folder} ended before it held the run. Start it again.")
    said = json.loads(line)
    if "error" not in said:
        return records.parse_record(line)
    raise StorageError(
        f"The keeper could not write to {said['path'] or folder}: {said['error']}. "
        "Look for a full disk, missing permissions, or something that is no plain file."
    )


def _spawn(spec: RunSpec, uuid: str, lock: int, folder: int) -> Born:
    """Start the keeper; nothing of it is left when that fails. The descriptors that are given stay open."""
    with ExitStack() as passed, ExitStack() as ours:
        says, told = os.pipe2(os.O_CLOEXEC)
        passed.callback(os.close, told)
        ours.callback(os.close, says)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        passed.callback(os.close, null)
        memory = _lay_orders(orders_for(spec, uuid))
        passed.callback(os.close, memory)
        given = []
        for fd in (memory, told, null, lock, folder):  # above all the numbers they shall get
            given.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 16))
            passed.callback(os.close, given[-1])
        pid = _spawn_keeper(given)
        try:
            pidfd = os.pidfd_open(pid)
        except BaseException:
            _undo(pid, Traces(uuid, spec.folder))
            raise
        ours.pop_all()
        return Born(pid, pidfd, says)


def orders_for(spec: RunSpec, uuid: str) -> Orders:
    """Return what the keeper of a run is told."""
    return Orders(
        run=spec.run,
        uuid=uuid,
        command=spec.command,
        environment={**spec.environment, living.RUN_MARK: uuid},
        folder=str(spec.folder),
        logs=str(spec.folder / LOGS_NAME),
        record=str(spec.folder / RECORD_NAME),
        rotate_bytes=spec.rotate_bytes,
        keep=spec.keep,
        stop_signal=spec.stop_signal,
        stop_grace=spec.stop_grace,
        open_files=limits.own_of_others(),
        leftovers=tuple(map(str, spec.leftovers)),
    )


def _lay_orders(given: Orders) -> int:
    """Write the orders into anonymous memory: the environment may hold secrets and must be whole at once."""
    fd = os.memfd_create(orders.MEMORY, os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as memory:
            memory.write(given.encode())
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _spawn_keeper(given: list[int]) -> int:
    """Start the keeper with these as its descriptors 0, 1, … up to the folder's.

    posix_spawn, because forking a threaded manager would copy its locks.
    """
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", "-E", keeper.__path__[0]],
        {"LC_ALL": "C.UTF-8"},
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(given)],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE],
    )


def _undo(pid: int, traces: Traces) -> None:
    """End a keeper whose start failed, and all it began. Blocks; run it in a thread."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + processes.PATIENCE
    with suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.002)
    for what in processes.end_leftovers([traces]).values():
        if what:
            log.error("of a start that failed in %s there is still: %s", traces.folder, ", ".join(what))


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
