"""Reads /proc: when a process started, what it is called, who listens on a port. Changes nothing.

The keeper reads for itself (``launch/keeper.py`` stands alone, so that it stays small).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aikore import sockets

GONE = (b"Z", b"X")
"""States of a process that has ended and only waits to be collected (proc(5))."""


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
    """Return what the descriptors of a process lead to, as far as that can be seen."""
    found = []
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))  # noqa: PTH115 — a Path costs ten times more
    return found


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


def describe_listener(port: int) -> str | None:
    """Name the program that listens on ``port``, "another program" if it is hidden, None if nobody listens."""
    inodes = {listener.inode for listener in sockets.listening(port)}
    return str(holder(inodes)) if inodes else None
