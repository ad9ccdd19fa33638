"""Reads /proc: when a process started, what it is called, which sockets it holds. Changes nothing.

The keeper reads for itself (``launch/keeper/process.py`` stands alone, so that it stays small).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GONE = (b"Z", b"X")
"""States of a process that has ended and only waits to be collected (proc(5))."""

KERNEL_THREAD = 0x00200000
"""PF_KTHREAD (include/linux/sched.h)."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says of a living process (proc(5)). ``start``: clock ticks since boot."""

    parent: int
    session: int
    terminal: int
    flags: int
    start: int


def contents(path: str, limit: int = -1) -> bytes:
    """Return what a file of /proc has, nothing where it is gone or hidden.

    Raises OSError when we are out of descriptors or memory: that says nothing about the process.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(limit) if limit >= 0 else file.readall()
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return b""


def process(pid: int) -> Stat | None:
    """Return a living process; None when it is gone or ended. Raises OSError as :func:`contents` does."""
    fields = contents(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()
    if len(fields) < 20 or fields[0] in GONE:
        return None
    return Stat(int(fields[1]), int(fields[3]), int(fields[4]), int(fields[6]), int(fields[19]))


def table() -> dict[int, Stat]:
    """Return all living processes. Raises OSError as :func:`contents` does."""
    return {pid: found for pid in pids() if (found := process(pid))}


def below(roots: Iterable[int], seen: Mapping[int, Stat]) -> set[int]:
    """Return the processes below some roots, themselves left out."""
    children: dict[int, list[int]] = {}
    for pid, found in seen.items():
        children.setdefault(found.parent, []).append(pid)
    below_, fresh = set[int](), list(roots)
    while fresh:
        fresh = [child for pid in fresh for child in children.get(pid, ()) if child not in below_]
        below_.update(fresh)
    return below_


def ancestors(pid: int, seen: Mapping[int, Stat]) -> list[int]:
    """Return the parents of a process up to the first one, nearest first."""
    found: list[int] = []
    while pid in seen and (pid := seen[pid].parent) and pid not in found:
        found.append(pid)
    return found


def target(pid: int, what: str) -> str:
    """Return where a link of /proc/PID leads (``exe``, ``cwd``, ``fd/0``), "" where that cannot be seen."""
    try:
        return os.readlink(f"/proc/{pid}/{what}")  # noqa: PTH115 — a Path costs ten times more
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return ""


def pids() -> Iterator[int]:
    """Yield every process there is."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the state on (proc(5), field 3); empty when it is gone or ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return []
    return [] if fields[0] in GONE else fields


def start_time(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot); None when it is gone or ended."""
    fields = stat(pid)
    return int(fields[19]) if fields else None


def started_at(start: int) -> float:
    """Return a start time in clock ticks as Unix seconds."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + start / os.sysconf("SC_CLK_TCK")


def alive(pid: int, start: int) -> bool:
    """Say whether ``pid`` is still the process that started at ``start``."""
    return start_time(pid) == start


def parent(pid: int) -> int | None:
    """Return the parent of a living process."""
    fields = stat(pid)
    return int(fields[1]) if fields else None


def group(pid: int) -> int | None:
    """Return the process group of a living process."""
    fields = stat(pid)
    return int(fields[2]) if fields else None


def title(pid: int) -> str:
    """Return what a process calls itself, "" when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # gone, or a kernel without CONFIG_PROC_CHILDREN
        parents = ((one, stat(one)) for one in pids())
        return [child for child, fields in parents if fields and int(fields[1]) == pid]
    except OSError:
        return []


def held(processes: Iterable[int], inodes: set[int]) -> set[int]:
    """Return those of the sockets that one of these processes holds."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    return {wanted[target] for pid in processes for target in descriptors(pid) if target in wanted}


def descriptors(pid: int) -> list[str]:
    """Return what the descriptors of a process lead to, as far as that can be seen.

    Raises OSError as :func:`contents` does: "it holds nothing" would be untrue.
    """
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return []
    return [link for name in names if (link := target(pid, f"fd/{name}"))]


def environment(pid: int) -> list[str]:
    """Return the variables a process was started with, as far as that can be seen."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
    return []


def marked(name: str, value: str) -> set[int]:
    """Return the processes that were started with this variable in their environment."""
    mark = f"{name}={value}".encode()
    found = set()
    for pid in pids():
        with suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a port. ``pid`` is None where the kernel hides it."""

    pid: int | None = None
    program: str = ""

    def __str__(self) -> str:
        return f"{self.program} (process {self.pid})" if self.pid else "another program"


def holder(inodes: set[int]) -> Holder:
    """Return the first process that holds one of these sockets."""
    for pid in pids():
        if held((pid,), inodes):
            with suppress(OSError):
                return Holder(pid, Path(f"/proc/{pid}/comm").read_text().strip())
    return Holder()
