"""Starts a keeper with its orders, hears what it holds, and undoes a start that failed."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from aikore.base import limits
from aikore.base.errors import StorageError
from aikore.launch import keeper, living, orphans, records
from aikore.launch.keeper import orders
from aikore.launch.keeper.orders import Orders
from aikore.launch.keeper.record import RECORD_SIZE
from aikore.launch.layout import LOGS_NAME, RECORD_NAME
from aikore.launch.orphans import Traces
from aikore.launch.protocol import RunRecord, RunSpec

log = logging.getLogger(__name__)

START_TIMEOUT = 10.0
"""Seconds a keeper may take until it tells that it holds the run."""


@dataclass(frozen=True, slots=True)
class StartedKeeper:
    """A keeper that was just started. ``says`` is the pipe on which it tells what it holds."""

    pid: int
    pidfd: int
    says: int


def spawn_keeper(spec: RunSpec, uuid: str, lock: int, folder: int) -> StartedKeeper:
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
        pid = _spawn_program(given)
        try:
            pidfd = os.pidfd_open(pid)
        except BaseException:
            undo(pid, Traces(uuid, spec.folder))
            raise
        ours.pop_all()
        return StartedKeeper(pid, pidfd, says)


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


def _spawn_program(given: list[int]) -> int:
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


async def hear(folder: Path, started: StartedKeeper) -> RunRecord:
    """Return what the new keeper says it holds. Raises StorageError when it cannot, or says nothing in time."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2 * RECORD_SIZE)
    try:
        pipe = os.fdopen(started.says, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    except Exception:
        with suppress(OSError):
            os.close(started.says)
        raise
    try:
        async with asyncio.timeout(START_TIMEOUT):
            line = await reader.readline()
    except TimeoutError:
        raise StorageError(f"The keeper of {folder} did not start within {START_TIMEOUT:.0f} s.") from None
    finally:
        transport.close()
    return _read_answer(folder, line)


def _read_answer(folder: Path, line: bytes) -> RunRecord:
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


def undo(pid: int, traces: Traces) -> None:
    """End a keeper whose start failed, and all it began. Blocks; run it in a thread."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + orphans.PATIENCE
    with suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.002)
    for what in orphans.end_orphans([traces]).values():
        if what:
            log.error("of a start that failed in %s there is still: %s", traces.folder, ", ".join(what))
