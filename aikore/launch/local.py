"""Runs programs on this machine, each below a keeper. Owns the lock, the spawn and the adoption of keepers.

The lock on ``run.lock`` is taken here before the fork and its descriptor is inherited by the keeper alone, so it
lives exactly as long as the keeper: whoever can take it knows that no keeper runs.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from aikore import procfs
from aikore.errors import ConflictError, StorageError
from aikore.launch import keeper, processes
from aikore.launch.protocol import RunExit, RunRecord, RunSpec

log = logging.getLogger(__name__)

RECORD_NAME = "run.json"
LOCK_NAME = "run.lock"
LOGS_NAME = "logs"
START_TIMEOUT = 10.0
"""Seconds a keeper may take until its record names it."""


def read_record(folder: Path) -> RunRecord | None:
    """Return what ``run.json`` says, or None when there is none that can be read."""
    for _ in range(3):  # an overwrite in place may be seen half
        try:
            return _parse_record(json.loads((folder / RECORD_NAME).read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            time.sleep(0.001)
    return None


def _parse_record(data: dict[str, Any]) -> RunRecord:
    if data["protocol"] != keeper.PROTOCOL:
        raise ValueError(f"run.json has protocol {data['protocol']}")
    ending = RunExit(
        code=data["exit_code"],
        signal=data["exit_signal"],
        requested=data["requested"],
        ended_at=data["ended_at"],
    )
    names = ("run", "uuid", "session", "keeper_pid", "keeper_start", "pid", "state", "started_at", "log_offset")
    return RunRecord(**{name: data[name] for name in names}, exit=ending)


def _take_lock(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, None when a keeper (or another manager) has it."""
    fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


class LocalHandle:
    """A run below a keeper on this machine; the keeper may be our child or an adopted one."""

    def __init__(self, folder: Path, record: RunRecord, pidfd: int) -> None:
        self._folder = folder
        self._record = record
        self._pidfd = pidfd
        self._exit: asyncio.Future[RunExit] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(pidfd, self._keeper_ended)
        self._cleanup: asyncio.Task[None] | None = None

    @property
    def record(self) -> RunRecord:
        return self._record

    async def wait(self) -> RunExit:
        return await asyncio.shield(self._exit)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGQUIT)

    def pids(self) -> set[int]:
        return keeper.descendants(self._record.keeper_pid)

    def close(self) -> None:
        """Let go of the keeper without ending it (the manager is being replaced)."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _signal(self, number: int) -> None:
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _keeper_ended(self) -> None:
        self.close()
        with suppress(ChildProcessError):
            os.waitpid(self._record.keeper_pid, os.WNOHANG)
        record = read_record(self._folder)
        if record is not None and record.uuid == self._record.uuid:
            self._record = record
        if self._record.ended:
            self._exit.set_result(self._record.exit)
        else:
            self._cleanup = asyncio.create_task(self._clean_up())

    async def _clean_up(self) -> None:
        left = await asyncio.to_thread(processes.kill_marked, self._record.uuid)
        if left:
            log.error("processes %s of a killed keeper in %s would not end", sorted(left), self._folder)
        self._exit.set_result(RunExit(lost=True, requested=self._record.exit.requested, ended_at=time.time()))


class LocalLauncher:
    """Starts keepers and finds the ones that run."""

    async def start(self, spec: RunSpec) -> LocalHandle:
        """Start a run; return when its keeper holds it.

        Raises ConflictError when a run of this folder lives, StorageError when its files cannot be written.
        """
        try:
            pid, uuid = await asyncio.to_thread(self._spawn, spec)
        except OSError as error:
            raise StorageError(f"The run could not be prepared in {spec.folder}: {error.strerror}.") from error
        return await self._await_record(spec.folder, pid, uuid)

    def _spawn(self, spec: RunSpec) -> tuple[int, str]:
        logs = spec.folder / LOGS_NAME
        logs.mkdir(exist_ok=True)
        lock = _take_lock(spec.folder)
        if lock is None:
            raise ConflictError("This instance is already held by a keeper; wait until it has ended.")
        uuid = uuid4().hex
        try:
            orders = self._orders_file(spec, uuid)
            try:
                return self._spawn_keeper(orders, lock), uuid
            finally:
                os.close(orders)
        finally:
            os.close(lock)

    def _orders_file(self, spec: RunSpec, uuid: str) -> int:
        """Write the orders into anonymous memory: the environment may hold secrets and must be whole at once."""
        fd = os.memfd_create("aikore-orders", os.MFD_CLOEXEC)
        orders = {
            "run": spec.run,
            "uuid": uuid,
            "command": spec.command,
            "environment": {**spec.environment, processes.RUN_MARK: uuid},
            "folder": str(spec.folder),
            "logs": str(spec.folder / LOGS_NAME),
            "record": str(spec.folder / RECORD_NAME),
            "rotate_bytes": spec.rotate_bytes,
            "keep": spec.keep,
            "stop_signal": spec.stop_signal,
            "stop_grace": spec.stop_grace,
            "leftovers": [str(path) for path in spec.leftovers],
        }
        with open(fd, "wb", closefd=False) as memory:
            memory.write(json.dumps(orders).encode())
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def _spawn_keeper(self, orders: int, lock: int) -> int:
        """Start the keeper with the orders as descriptor 0 and the lock as descriptor 3.

        posix_spawn, because forking a threaded manager would copy its locks.
        """
        program = [sys.executable, "-I", "-S", "-E", keeper.__file__]
        errors = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            return os.posix_spawn(
                sys.executable,
                program,
                {"LC_ALL": "C.UTF-8"},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, orders, 0),
                    (os.POSIX_SPAWN_DUP2, errors, 1),
                    (os.POSIX_SPAWN_DUP2, errors, 2),
                    (os.POSIX_SPAWN_DUP2, lock, 3),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE],
            )
        finally:
            os.close(errors)

    async def _await_record(self, folder: Path, pid: int, uuid: str) -> LocalHandle:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            record = read_record(folder)
            if record is not None and record.uuid == uuid and record.pid is not None:
                return LocalHandle(folder, record, os.pidfd_open(pid))
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                record = read_record(folder)
                if record is not None and record.uuid == uuid:
                    return _ended_handle(folder, record)
                raise StorageError(
                    f"The keeper could not write to {folder} (exit {os.waitstatus_to_exitcode(status)}). "
                    "Look for a full disk or missing permissions."
                )
            await asyncio.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        raise StorageError(f"The keeper of {folder} did not start within {START_TIMEOUT:.0f} s.")

    async def adopt(self, folder: Path) -> LocalHandle | RunRecord | None:
        """Find the run of ``folder``: a living one, the record of an ended one, or None.

        What a killed keeper left running is killed before this returns.
        """
        return await self._adopt_living(folder) or await asyncio.to_thread(self._ended, folder)

    async def _adopt_living(self, folder: Path) -> LocalHandle | None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            lock = _take_lock(folder)
            if lock is not None:
                os.close(lock)
                return None
            record = read_record(folder)
            if record and record.pid and not record.ended and procfs.alive(record.keeper_pid, record.keeper_start):
                with suppress(ProcessLookupError):
                    return LocalHandle(folder, record, os.pidfd_open(record.keeper_pid))
            await asyncio.sleep(0.005)  # a keeper that is just starting or just ending
        log.error("%s is locked, but its run.json names no living keeper", folder)
        return None

    def _ended(self, folder: Path) -> RunRecord | None:
        record = read_record(folder)
        if record is None or record.ended:
            return record
        if record.session == keeper.machine_session():
            processes.kill_marked(record.uuid)
        return replace(record, exit=replace(record.exit, lost=True))


def _ended_handle(folder: Path, record: RunRecord) -> LocalHandle:
    """Return a handle of a run that was over before we looked."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    os.close(write_end)  # readable at once, like the pidfd of an ended process
    return LocalHandle(folder, record, read_end)
