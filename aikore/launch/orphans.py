"""Ends orphans: what a killed keeper left running. Kills only what certainly is of the run; names what only may be.

Certain is: it carries the run's mark, was seen below the keeper, is of the script's session, holds the pipe of the
run's log, or descends from one of these. That something listens on the instance's port or works in its folder is no
proof: it may be somebody's shell.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aikore.base import procfs, sockets
from aikore.launch import living
from aikore.launch.keeper.process import descendants
from aikore.launch.living import RUN_MARK
from aikore.launch.protocol import RunRecord
from aikore.launch.trees import Member

log = logging.getLogger(__name__)

PATIENCE = 5.0
PAUSE = 0.02
CLEAN_SEARCHES = 3
"""Searches in a row that must find nothing: who is being born or begins a program shows nothing for a moment."""

NAMED = 3
"""How many left processes an error names."""


@dataclass(frozen=True, slots=True)
class Traces:
    """By what the processes of a run are known. ``since``: when its keeper started; nothing of the run is older."""

    uuid: str
    folder: Path
    since: int = 0
    script: Member | None = None
    pipe: int | None = None
    port: int | None = None
    tree: frozenset[Member] = frozenset()
    """What was seen below the keeper while it lived."""

    whole: bool = False
    """Nothing but the tree can be left: it was looked through when the keeper lived."""


def traces_of(record: RunRecord, folder: Path) -> Traces:
    """Return by what the processes of a recorded run are known."""
    script = (record.pid, record.script_start) if record.pid and record.script_start else None
    return Traces(record.uuid, folder, record.keeper_start, script, record.pipe, record.port)


def marked(run_uuid: str) -> set[int]:
    """Return the processes that carry ``AIKORE_RUN=<run_uuid>`` in their environment."""
    return procfs.marked(RUN_MARK, run_uuid)


def kill_marked(run_uuid: str, patience: float = PATIENCE) -> set[int]:
    """Kill every process with the mark, whomever it belongs to; return the PIDs that would not go."""
    deadline = time.monotonic() + patience
    while True:
        left = {pid for pid in marked(run_uuid) - {os.getpid()} if procfs.stat(pid)}
        if not left or time.monotonic() > deadline:
            return left
        _kill(left)
        time.sleep(PAUSE)


def end_orphans(runs: Sequence[Traces], patience: float = PATIENCE) -> dict[str, tuple[str, ...]]:
    """Kill what dead keepers left of these runs; return, by run, what is or may be left of them.

    A run that could not be looked for is missing in the answer. Blocks up to ``patience`` seconds: run it in a thread.
    """
    deadline = time.monotonic() + patience
    clean = 0
    found: dict[str, set[int]] = {}
    search: _Search | None = None
    while clean < CLEAN_SEARCHES and time.monotonic() < deadline:
        try:
            search = search or _Search(runs)
            found, unclear = search.certain()
            clean = 0 if found or unclear else clean + 1
        except OSError as error:
            log.warning("looking for what killed keepers left: %s", error)
            clean = 0
        _kill(pid for members in found.values() for pid in members)
        time.sleep(PAUSE)
    with suppress(OSError):
        return {run.uuid: _named(search.possible(run, found.get(run.uuid, set()))) for run in runs} if search else {}
    return {}


def end_tree(root: int, patience: float = PATIENCE) -> frozenset[Member]:
    """Kill all descendants of a living process that cannot do it itself; return them."""
    deadline = time.monotonic() + patience
    members: set[Member] = set()
    while time.monotonic() < deadline and (tree := descendants(root)):
        members |= {(pid, start) for pid in tree if (start := procfs.start_time(pid)) is not None}
        _kill(tree)
        time.sleep(PAUSE)
    return frozenset(members)


def describe(pid: int) -> str:
    """Name a process for a person."""
    return f"process {pid} ({procfs.title(pid)[:80] or 'unknown'})"


def _kill(pids: Iterable[int]) -> None:
    pids = list(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _named(pids: Iterable[int]) -> tuple[str, ...]:
    pids = sorted(pids)
    return tuple(map(describe, pids[:NAMED])) + ((f"{len(pids) - NAMED} more",) if len(pids) > NAMED else ())


class _Search:
    """Looks for the processes of some runs. The trees of living keepers are others' business and are left alone."""

    def __init__(self, runs: Sequence[Traces]) -> None:
        self._runs = {run.uuid: run for run in runs}
        self._since = min((run.since for run in runs), default=0)
        self._sessions = {run.script[0]: run for run in runs if run.script}
        self._pipes = {f"pipe:[{run.pipe}]": run for run in runs if run.pipe}
        self._members = {member: run for run in runs for member in run.tree}
        self._folders = {run.uuid: living.folder_id(run.folder) for run in runs}
        self._keepers = {one.pid for one in living.find_keepers()}
        self._table: dict[int, procfs.Stat] = {}

    def certain(self) -> tuple[dict[str, set[int]], bool]:
        """Return what certainly is of each run, and whether some process could not be judged now."""
        self._table = table = procfs.table()
        others = self._others()
        found: dict[str, set[int]] = {}
        unclear = False
        for pid, process in table.items():
            if pid in others or process.start < self._since or process.flags & procfs.KERNEL_THREAD:
                continue
            mark = living.read_mark(pid)
            run = self._run_of(pid, process, mark)
            if run and process.start >= run.since and not self._is_stranger(run, mark):
                found.setdefault(run.uuid, set()).add(pid)
            elif not run and not procfs.contents(f"/proc/{pid}/cmdline", 1):
                unclear = unclear or _executes(pid)
        for members in found.values():
            members |= procfs.below(members, table) - others
        return found, unclear

    def possible(self, run: Traces, certain: set[int]) -> set[int]:
        """Return what would not end, and orphans that listen on the run's port or work in its folder."""
        self._table = table = procfs.table()
        others = self._others()
        if run.whole:
            return certain & table.keys()
        parents = {1, *procfs.ancestors(os.getpid(), table)}
        inodes = {listener.inode for listener in sockets.listening(run.port)} if run.port else set()
        return certain & table.keys() | {
            pid
            for pid, process in table.items()
            if process.parent in parents
            and process.start >= run.since
            and not process.terminal
            and not process.flags & procfs.KERNEL_THREAD
            and pid not in others
            and (procfs.held((pid,), inodes) or _works_in(pid, os.path.realpath(run.folder)))
        }

    def _others(self) -> set[int]:
        own = os.getpid()
        lineage = {own, *procfs.ancestors(own, self._table)}
        return self._keepers | procfs.below(self._keepers, self._table) | lineage

    def _run_of(self, pid: int, process: procfs.Stat, mark: living.Marked | None) -> Traces | None:
        if mark:
            return self._runs.get(mark.uuid)
        if run := self._members.get((pid, process.start)):
            return run
        if (run := self._sessions.get(process.session)) and self._leads(run, process.session):
            return run
        if living.carries_orders(pid, process.session):
            return self._runs.get(living.ordered_run(pid))
        links = procfs.descriptors(pid) if self._pipes else []
        return next((self._pipes[link] for link in links if link in self._pipes), None)

    def _leads(self, run: Traces, session: int) -> bool:
        """Say whether a session is the script's: its number was not given to a process that came later."""
        leader = self._table.get(session)
        return leader is None or (session, leader.start) == run.script

    def _is_stranger(self, run: Traces, mark: living.Marked | None) -> bool:
        """Say whether a process was started for another instance that exists: a copy's record has the same marks."""
        folder = living.folder_id(mark.folder) if mark and mark.folder else None
        return folder is not None and folder != self._folders[run.uuid]


def _executes(pid: int) -> bool:
    """Say whether a process without a command line lives and may be ours: it is just executing a program."""
    with suppress(OSError):
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid() and procfs.process(pid) is not None
    return False


def _works_in(pid: int, folder: str) -> bool:
    links = (procfs.target(pid, "cwd"), procfs.target(pid, "exe"), *procfs.descriptors(pid))
    return any(link == folder or link.startswith(f"{folder}/") for link in links)
