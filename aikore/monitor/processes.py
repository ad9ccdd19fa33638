"""Which processes belong to which root, and what they use, at the cost of one small file per process and look.

A process joins a tree only by being born in it, so processes that were seen outside are not read again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aikore.base import procfs

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
AFRESH_EVERY = 15
"""Every so many looks all processes are read: a PID seen outside may have been given to somebody inside."""


@dataclass(frozen=True, slots=True)
class Process:
    """What /proc/PID/stat says. ``cpu``: seconds, with those of children it waited for; ``memory``: resident bytes."""

    pid: int
    parent: int
    cpu: float
    threads: int
    memory: int
    ended: bool


def read(pid: int) -> Process | None:
    """Return a process, ended ones that nobody has waited for too; None when it is gone."""
    text = _contents(f"/proc/{pid}/stat")
    fields = text[text.rfind(b")") + 2 :].split(maxsplit=23)
    if len(fields) < 23:
        return None
    ticks = int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    ended = fields[0] in (b"Z", b"X")
    return Process(pid, int(fields[1]), ticks / TICKS, int(fields[17]), int(fields[21]) * PAGE, ended)


def _contents(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


class ProcessTrees:
    """The trees below some roots. CPU time of members that end is in that of who waited for them."""

    def __init__(self) -> None:
        self._outside: set[int] = set()
        self._looks = 0

    def members(self, roots: Mapping[int, int]) -> dict[int, list[Process]]:
        """Return the living members of every tree, its root included. ``roots``: any key → PID."""
        self._looks += 1
        if self._looks % AFRESH_EVERY == 0:
            self._outside.clear()
        if not roots:
            return {}
        self._outside.difference_update(roots.values())
        present = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._outside &= present
        seen = {pid: process for pid in present - self._outside if (process := read(pid))}
        owners = _owners(seen, {pid: key for key, pid in roots.items()})
        self._outside.update(seen.keys() - owners.keys())
        trees: dict[int, list[Process]] = {key: [] for key in roots}
        for pid, key in owners.items():
            trees[key].append(seen[pid])
        return trees


def _owners(seen: Mapping[int, Process], roots: Mapping[int, int]) -> dict[int, int]:
    """Return the key of the root above each process that has one."""
    known: dict[int, int | None] = dict(roots)
    for pid in seen:
        path = []
        while pid not in known and pid in seen:
            path.append(pid)
            known[pid] = None  # a guard against circles, which only two looks at different times could show
            pid = seen[pid].parent
        owner = known.get(pid)
        known.update(dict.fromkeys(path, owner))
    return {pid: key for pid, key in known.items() if key is not None and pid in seen}


def proportional_memory(pid: int) -> int | None:
    """Return a process's memory with shared pages counted by share (PSS); None when it cannot be read.

    The kernel walks all its pages for this: milliseconds for a big one.
    """
    with suppress(ValueError, IndexError):
        return int(_contents(f"/proc/{pid}/smaps_rollup").split(b"\nPss:", 1)[1].split(maxsplit=1)[0]) * 1024
    return None


def open_files(pid: int) -> int | None:
    """Return how many descriptors a process has; None when that cannot be seen."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def held_devices(pids: Iterable[int], devices: Iterable[str]) -> set[str] | None:
    """Return which of the device files these processes hold open; None when none of them lets us see."""
    wanted, targets = set(devices), [target for pid in pids for target in procfs.descriptors(pid)]
    return wanted.intersection(targets) if targets else None
