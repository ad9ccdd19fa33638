"""Starts the launch script below the keeper."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Collection

from aikore.launch.keeper.orders import FOLDER_FD, Orders

PR_SET_PDEATHSIG = 1


def start_script(orders: Orders, pipe: int, blocked: Collection[int], libc: ctypes.CDLL) -> int:
    """Start the script in a session of its own; return its PID. It ends with the keeper, however that one ends.

    ``blocked`` are the signals that the keeper holds back just now: the script shall not.
    """
    keeper = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:  # it died before it could be asked for
            os._exit(127)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)  # before the session: a leader of one with orders is a keeper
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        os.fchdir(FOLDER_FD)
        os.closerange(3, 256)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        os.execvpe(orders.command[0], orders.command, orders.environment)
    except OSError as error:
        os.write(2, f"[aikore] cannot start {orders.command[0]}: {error}\n".encode())
    finally:
        os._exit(127)
