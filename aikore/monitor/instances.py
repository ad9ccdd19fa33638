"""What each running instance uses. Cheap figures at every look; costly ones in turn, a few instances at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aikore.monitor import processes
from aikore.monitor.attribution import Attribution, GpuUser, Share
from aikore.monitor.figures import InstanceFigures
from aikore.monitor.gpus import GpuState
from aikore.monitor.processes import Process, ProcessTrees

COSTLY_EVERY = 30.0
"""Seconds after which open files, PSS and open devices of an instance are looked up again."""
COSTLY_SOONER, CHANGED = 2.0, 0.25
"""Seconds after which they are when the resident memory has changed by more than this part."""
COSTLY_BUDGET = 0.004
"""Seconds of one look that may go into costly figures."""


@dataclass(frozen=True, slots=True)
class MonitoredInstance:
    """An instance to look at, told by whom it belongs to. ``root`` is its keeper's PID, None while it does not run."""

    id: int
    slug: str
    folder: Path
    status: str
    root: int | None = None
    gpu_ids: tuple[str, ...] | None = None
    started_at: float = 0.0
    runs: int = 0


@dataclass(slots=True)
class _Memory:
    """What is remembered of an instance between looks."""

    root: int
    cpu: float = 0.0
    seen_at: float = 0.0
    costly_at: float = float("-inf")
    pss: int | None = None
    rss_then: int = 0
    open_files: int | None = None
    devices: frozenset[str] | None = None
    used: float | None = field(default=None)


class InstancesReader:
    """Looks at instances. Use from one thread only."""

    def __init__(self) -> None:
        self._trees = ProcessTrees()
        self._attribution = Attribution(lambda pid: processes.read(pid) is not None)
        self._memories: dict[int, _Memory] = {}

    def read(self, monitored: Iterable[MonitoredInstance], gpus: Sequence[GpuState]) -> list[InstanceFigures]:
        """Return the figures of those that run; rates since the last call."""
        running = {one.id: one for one in monitored if one.root is not None}
        trees = self._trees.members({key: one.root for key, one in running.items() if one.root is not None})
        self._forget(running)
        now = time.monotonic()
        for key, members in trees.items():
            self._memories[key].used = self._cpu(self._memories[key], members, now)
        self._look_closer(trees, [state.reading.device for state in gpus if state.reading.device])
        shares = self._shares(running, trees, gpus)
        return [self._figures(one, trees[key], shares.get(key, {})) for key, one in running.items()]

    def _forget(self, running: dict[int, MonitoredInstance]) -> None:
        """Begin anew with instances that were started anew."""
        kept = {k: m for k, m in self._memories.items() if k in running and m.root == running[k].root}
        self._memories = kept | {key: _Memory(one.root or 0) for key, one in running.items() if key not in kept}

    @staticmethod
    def _cpu(memory: _Memory, members: Sequence[Process], now: float) -> float | None:
        """Return percent of a core since the last look."""
        cpu = sum(member.cpu for member in members)
        before, elapsed = memory.cpu, now - memory.seen_at
        first = memory.seen_at == 0.0
        memory.cpu, memory.seen_at = cpu, now
        return None if first or elapsed <= 0 else round(max(0.0, cpu - before) / elapsed * 100, 1)

    def _look_closer(self, trees: dict[int, list[Process]], devices: Sequence[str]) -> None:
        """Take the costly figures of those that wait longest, as far as the budget goes; of one at least."""
        now = time.monotonic()
        waiting = sorted((memory.costly_at, key) for key, memory in self._memories.items())
        for costly_at, key in waiting:
            if now - costly_at < COSTLY_SOONER or time.monotonic() - now > COSTLY_BUDGET:
                return
            memory, members = self._memories[key], trees[key]
            resident = sum(one.memory for one in members)
            if now - costly_at < COSTLY_EVERY and abs(resident - memory.rss_then) <= memory.rss_then * CHANGED:
                continue
            memory.costly_at = now
            memory.open_files = _sum(processes.open_files(one.pid) for one in members if not one.ended)
            memory.pss = _sum(processes.proportional_memory(one.pid) for one in members if not one.ended)
            memory.rss_then = resident
            if devices:
                held = processes.held_devices((one.pid for one in members), devices)
                memory.devices = None if held is None else frozenset(held)

    def _shares(
        self, running: dict[int, MonitoredInstance], trees: dict[int, list[Process]], gpus: Sequence[GpuState]
    ) -> dict[int, dict[str, Share]]:
        """Return instance → GPU → share."""
        if not gpus:
            return {}
        users = [
            GpuUser(
                id=key,
                pids=frozenset(member.pid for member in trees[key]),
                gpu_ids=one.gpu_ids,
                devices=self._memories[key].devices,
                started_at=one.started_at,
                cpu=self._memories[key].used or 0.0,
            )
            for key, one in running.items()
        ]
        now = time.time()
        found: dict[int, dict[str, Share]] = {}
        for state in gpus:
            if state.state == "ok":
                for key, share in self._attribution.share(state.gpu, state.reading, users, now).items():
                    found.setdefault(key, {})[state.gpu.id] = share
        return found

    def _figures(self, one: MonitoredInstance, members: Sequence[Process], shares: dict[str, Share]) -> InstanceFigures:
        memory = self._memories[one.id]
        resident = sum(member.memory for member in members)
        proportional = memory.pss is not None
        carried = min(resident, max(0, (memory.pss or 0) + resident - memory.rss_then))
        return {
            "id": one.id,
            "slug": one.slug,
            "cpu": memory.used,
            "memory": carried if proportional else resident,
            "memory_kind": "pss" if proportional else "rss",
            "processes": len(members),
            "threads": sum(member.threads for member in members),
            "open_files": memory.open_files,
            "gpu_memory": {gpu: share.memory for gpu, share in shares.items()},
            "gpu_utilization": {g: share.utilization for g, share in shares.items() if share.utilization is not None},
            "gpu_inferred": any(share.inferred for share in shares.values()),
            "uptime": round(max(0.0, time.time() - one.started_at), 1),
        }


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
