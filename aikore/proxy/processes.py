"""NGINX's processes: whose they are, its workers, and its process group when the master is dead.

A record of a PID proves nothing: it may have been copied together with a whole data folder.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from aikore.base import procfs


def workers(master: int) -> dict[int, bool]:
    """Return the workers of a master: PID → whether it is shutting down."""
    titles = ((pid, procfs.title(pid)) for pid in procfs.children(master))
    return {pid: "shutting down" in name for pid, name in titles if name.startswith("nginx: worker process")}


def group_members(group: int) -> set[int]:
    """Return NGINX's processes in a process group."""
    return {pid for pid in procfs.pids() if procfs.group(pid) == group and procfs.title(pid).startswith("nginx")}


def works_on(pid: int, folder: Path) -> bool:
    """Say whether a process works on this very folder: it stands in it or has a file of it open.

    A master that does not let itself be looked at, as one with file capabilities, is believed by its title.
    """
    with suppress(OSError):
        here = folder.stat()
        try:
            return any(os.path.samestat(here, found.stat()) for found in _folders(pid) if found.is_dir())
        except PermissionError:
            return f" -p {folder}/ " in procfs.title(pid)
    return False


def house_of(pid: int) -> Path | None:
    """Return the folder on which an AiKore's NGINX works; None when the process is none, or hidden."""
    with suppress(OSError):
        return next((folder for folder in _folders(pid) if (folder / "generations").is_dir()), None)
    return None


def _folders(pid: int) -> Iterator[Path]:
    """Yield where a process stands and where its open files lie. Raises PermissionError, FileNotFoundError."""
    yield Path(f"/proc/{pid}/cwd").readlink()
    for target in procfs.descriptors(pid):
        if target.startswith("/"):
            yield Path(target.removesuffix(" (deleted)")).parent


def kill_group(group: int, is_ours: Callable[[int], bool], patience: float = 5.0) -> bool:
    """Kill NGINX's processes of a group that are ours; say whether all those are gone. Blocks up to ``patience`` s."""
    deadline = time.monotonic() + patience
    while members := {pid for pid in group_members(group) if is_ours(pid)}:
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
