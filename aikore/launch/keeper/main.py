"""The keeper from its first moment to its last: read the orders, take hold, tell what is held, hold the run."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import stat
import time

from aikore.launch.keeper.log import Log
from aikore.launch.keeper.orders import FOLDER_FD, LOCK_FD, Orders
from aikore.launch.keeper.process import machine_session, process_start
from aikore.launch.keeper.record import Record, RecordFile
from aikore.launch.keeper.run import HANDLED, Run
from aikore.launch.keeper.script import start_script

PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
NOT_WRITTEN, NOT_STARTED = 74, 71
"""Exit codes: EX_IOERR and EX_OSERR, sysexits.h."""


def main() -> int:
    """Hold one run from its start to its end."""
    with open(0, "rb", closefd=False) as stdin:
        orders = Orders.decode(stdin.read())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    libc.prctl(PR_SET_NAME, b"aikore-keeper", 0, 0, 0)
    _limit_open_files(orders.open_files)
    try:
        folder = _hold_folder(orders.folder)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        log = Log(orders.logs, orders.rotate_bytes, orders.keep)
        record = _fresh_record(orders, folder, write_end, log.offset)
        file = RecordFile(FOLDER_FD, os.path.basename(orders.record), record)
    except OSError as error:
        _tell_failure(error, error.filename or orders.folder)
        return NOT_WRITTEN
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        script_pid = start_script(orders, write_end, HANDLED, libc)
    except OSError as error:
        file.update(file.record._replace(state="exited", exit_code=NOT_STARTED, ended_at=time.time()))
        _tell_failure(error, None)
        return NOT_STARTED
    run = Run(orders, log, file, read_end, script_pid)
    os.close(write_end)
    file.update(file.record._replace(pid=script_pid, script_start=process_start(script_pid)))
    _tell(file.record.encode())
    run.hold()
    run.finish()
    return 0


def _hold_folder(path: str) -> os.stat_result:
    """Have the instance's folder on its descriptor, also where the manager did not pass it on; return its status."""
    os.set_inheritable(LOCK_FD, False)
    try:
        given = os.fstat(FOLDER_FD)
    except OSError:
        given = None
    if given is None or not stat.S_ISDIR(given.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if fd != FOLDER_FD:
            os.dup2(fd, FOLDER_FD, inheritable=False)
            os.close(fd)
    os.set_inheritable(FOLDER_FD, False)
    return os.fstat(FOLDER_FD)


def _fresh_record(orders: Orders, folder: os.stat_result, pipe: int, log_offset: int) -> Record:
    port = orders.environment.get("WEBUI_PORT", "")
    return Record(
        run=orders.run,
        uuid=orders.uuid,
        folder=(folder.st_dev, folder.st_ino),
        session=machine_session(),
        keeper_pid=os.getpid(),
        keeper_start=process_start(os.getpid()),
        pid=None,
        script_start=None,
        pipe=os.fstat(pipe).st_ino,
        port=int(port) if port.isascii() and port.isdigit() else None,
        state="running",
        started_at=time.time(),
        log_offset=log_offset,
    )


def _tell_failure(error: OSError, path: str | None) -> None:
    _tell(json.dumps({"error": error.strerror or str(error), "path": path}).encode())


def _tell(line: bytes) -> None:
    """Say the one line on descriptor 1, then let go of it."""
    try:
        os.write(1, line + b"\n")
    except OSError:
        pass
    os.dup2(2, 1)


def _limit_open_files(soft: int | None) -> None:
    """Give the program the limit that AiKore was started with: AiKore's own is raised beyond what select(2) bears."""
    if soft is None:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    except (OSError, ValueError):
        pass
