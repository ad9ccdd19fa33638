"""Finds living keepers by what they are: the orders on descriptor 0 and the folder on descriptor 4. Changes nothing.

A keeper is known by the folder itself (device and inode), not by its path: copies, and folders that took another's
place, have the same paths. It is found without its record and its lock, which lie where apps and people reach them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from aikore.base import procfs
from aikore.base.apart import Apart
from aikore.launch.keeper import orders
from aikore.launch.keeper.orders import FOLDER_FD, Assignment
from aikore.launch.layout import LOCK_NAME, LOG_NAME, RECORD_NAME

ORDERS_LINK = f"/memfd:{orders.MEMORY} (deleted)"
ORDERS_MAX = 16 * 2**20
DELETED = " (deleted)"
RUN_MARK = "AIKORE_RUN"
"""The variable that every process of a run has in its environment, unless it wiped it."""

FOLDER_MARK = "INSTANCE_CONF_DIR"

PATIENCE = 2.0
"""Seconds a disk may take to say which folder a keeper holds."""

FolderId = tuple[int, int]
"""Device and inode."""

_looks = Apart[FolderId | None]()


@dataclass(frozen=True, slots=True)
class Keeper:
    """A living keeper. ``folder``: the path it was ordered to.

    ``folder_id``: what it holds, None when that is gone or on a disk that does not answer.
    """

    pid: int
    start: int
    run: int
    uuid: str
    grace: float
    folder: Path
    folder_id: FolderId | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A process with the mark of a run in its environment, and the folder of the instance it was started for."""

    pid: int
    uuid: str
    folder: str


def folder_id(path: Path | str) -> FolderId | None:
    """Return device and inode of what a path leads to, None when it leads nowhere."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def same_folder(one: Path | str, other: Path | str) -> bool:
    """Say whether two paths lead to one thing that exists."""
    found = folder_id(one)
    return found is not None and found == folder_id(other)


def find_keepers() -> tuple[Keeper, ...]:
    """Look for living keepers. Blocks for milliseconds; raises OSError when we are out of descriptors."""
    carriers = [pid for pid in procfs.pids() if procfs.target(pid, "fd/0") == ORDERS_LINK]
    keepers = [found for pid in carriers if (found := _keeper(pid))]
    begun = [_looks.begin((one.pid, one.start), partial(_held_folder, one.pid, one.folder)) for one in keepers]
    deadline = time.monotonic() + PATIENCE
    return tuple(replace(one, folder_id=_result(look, deadline)) for one, look in zip(keepers, begun, strict=True))


def _result(look: Future[FolderId | None], deadline: float) -> FolderId | None:
    try:
        return look.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return None


def find_marked() -> tuple[Marked, ...]:
    """Look for processes with the mark of any run, as :func:`find_keepers` does."""
    return tuple(found for pid in procfs.pids() if (found := read_mark(pid)))


def keepers_of(folder: Path, keepers: Iterable[Keeper]) -> list[Keeper]:
    """Return the keepers of a folder, the newest first: one, unless its lock was removed while it ran. Blocking."""
    found = folder_id(folder)
    mine = [one for one in keepers if (one.folder_id == found if one.folder_id else one.folder == folder)]
    return sorted(mine, key=lambda one: one.start, reverse=True)


def runs_in(folder: Path, marked: Iterable[Marked], keepers: Iterable[Keeper]) -> set[str]:
    """Return the runs of a folder of which something lives although their keeper does not."""
    kept = {one.uuid for one in keepers}
    return {one.uuid for one in marked if one.uuid not in kept and same_folder(one.folder, folder)}


def read_mark(pid: int) -> Marked | None:
    """Return which run and instance a process was started for; None when it does not say."""
    environment = procfs.contents(f"/proc/{pid}/environ")
    if f"{RUN_MARK}=".encode() not in environment:
        return None
    variables = dict(entry.partition("=")[::2] for entry in os.fsdecode(environment).split("\0"))
    return Marked(pid, variables[RUN_MARK], variables.get(FOLDER_MARK, "")) if RUN_MARK in variables else None


def carries_orders(pid: int, session: int) -> bool:
    """Say whether this is a keeper's child that does not execute its script yet. A keeper leads its session."""
    return session != pid and procfs.target(pid, "fd/0") == ORDERS_LINK


def ordered_run(pid: int) -> str:
    """Return the run that the orders on a process's descriptor 0 are for, "" where there are none."""
    assignment = _assignment(pid)
    return assignment.uuid if assignment else ""


def _keeper(pid: int) -> Keeper | None:
    """Return the keeper that has this PID; its own child before the exec has the same orders, but leads no session."""
    found = procfs.process(pid)
    if found is None or found.session != pid:
        return None
    run = _assignment(pid)
    if run is None:
        return None
    folder = Path(run.folder)
    return Keeper(pid, found.start, run.run, run.uuid, run.stop_grace, folder)


def _assignment(pid: int) -> Assignment | None:
    try:
        return Assignment.decode(procfs.contents(f"/proc/{pid}/fd/0", ORDERS_MAX))
    except ValueError:
        return None


def _held_folder(pid: int, ordered: Path) -> FolderId | None:
    """Return the folder that a keeper holds; the one now at its path where its own was removed."""
    with suppress(OSError):
        held = Path(f"/proc/{pid}/fd/{FOLDER_FD}").stat()
        if stat.S_ISDIR(held.st_mode):
            removed = procfs.target(pid, f"fd/{FOLDER_FD}").endswith(DELETED)
            return folder_id(ordered) if removed else (held.st_dev, held.st_ino)
    return _folder_by_files(pid) or folder_id(ordered)


def _folder_by_files(pid: int) -> FolderId | None:
    """Return the folder of a keeper of AiKore 0.1, which holds files in it only."""
    for number, link in _files(pid):
        path = Path(link)
        folder = path.parent if path.name == LOCK_NAME else path.parent.parent
        with suppress(OSError):
            if Path(f"/proc/{pid}/fd/{number}").samefile(path):
                return folder_id(folder)
    return None


def _files(pid: int) -> Iterable[tuple[str, str]]:
    """Yield descriptor and path of the lock and the log of a keeper."""
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            link = procfs.target(pid, f"fd/{number}")
            if Path(link).name in (LOCK_NAME, LOG_NAME):
                yield number, link


def open_record(pid: int) -> int | None:
    """Open a keeper's record through its own descriptor, so also one that was removed; None where there is none."""
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            link = procfs.target(pid, f"fd/{number}").removesuffix(DELETED)
            if Path(link).name == RECORD_NAME:
                return os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return None
