"""NGINX's processes: its workers, and its process group when the master is dead. Ends only groups it is told to."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from aikore import procfs


def workers(master: int) -> dict[int, bool]:
    """Return the workers of a master: PID → whether it is shutting down."""
    titles = ((pid, procfs.title(pid)) for pid in procfs.children(master))
    return {pid: "shutting down" in name for pid, name in titles if name.startswith("nginx: worker process")}


def group_members(group: int) -> set[int]:
    """Return NGINX's processes in a process group."""
    return {pid for pid in procfs.pids() if procfs.group(pid) == group and procfs.title(pid).startswith("nginx")}


def kill_group(group: int, patience: float = 5.0) -> bool:
    """Kill NGINX's processes of a group and say whether all are gone. Blocks up to ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while members := group_members(group):
        if time.monotonic() > deadline:
            return False
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap(group)
        time.sleep(0.005)
    reap(group)
    return True


def reap(pid: int) -> None:
    """Collect a dead child; a process that is no child of ours is left alone."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
