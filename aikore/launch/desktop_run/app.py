"""The app of a desktop: its launch script, below a process that lives as long as anything of the app."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping, Sequence

PR_SET_CHILD_SUBREAPER = 36


def hold_app(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Start the launch script below a process that lives as long as anything of the app; return that process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        script = os.posix_spawnp(command[0], list(command), environment, setsid=True, setsigmask=[])
        end_as(last_status(script))
    finally:
        os._exit(127)


def last_status(script: int) -> int:
    """Return the script's wait status when nothing of it is left, or as soon as it failed."""
    status = 0
    while True:
        try:
            pid, given = os.wait()
        except ChildProcessError:
            return status
        if pid == script:
            status = given
            if status:
                return status


def end_as(status: int) -> None:
    """End in the way that a wait status tells."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
