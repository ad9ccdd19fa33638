"""Which instance uses how much of a GPU. Pure: plain data in, plain data out.

The driver's own list of processes decides where it names ours. In a container without the host's process IDs it names
foreign ones or none; then shares are concluded from pinning, open device files, and from what changes when an instance
starts, works or ends. Such shares are marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aikore.monitor.gpu import Gpu, GpuProcess, Reading

FRESH = 120.0
"""Seconds after its start in which growing memory is taken to be the newest instance's."""


@dataclass(frozen=True, slots=True)
class GpuUser:
    """An instance as a possible user of a GPU. ``devices`` are the GPU's files it holds open, None: cannot be seen."""

    id: int
    pids: frozenset[int]
    gpu_ids: Sequence[str] | None
    devices: frozenset[str] | None
    started_at: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Share:
    """What one instance uses of one GPU: bytes and percent. ``inferred``: concluded, not told by the driver."""

    memory: int
    utilization: float | None
    inferred: bool = False


@dataclass(slots=True)
class _Ledger:
    """Bytes of a GPU by instance, where they must be concluded; ``baseline`` was used before any of them came."""

    shares: dict[int, float] = field(default_factory=dict)
    baseline: int = 0


class Attribution:
    """Remembers what was concluded, so that changes can be told apart."""

    def __init__(self, is_alive: Callable[[int], bool]) -> None:
        """``is_alive`` says whether a PID is a process here: a foreign one that is not comes from another namespace."""
        self._is_alive = is_alive
        self._ledgers: dict[str, _Ledger] = {}

    def share(self, gpu: Gpu, reading: Reading, users: Sequence[GpuUser], now: float) -> dict[int, Share]:
        """Return the share of each instance that uses this GPU."""
        if gpu.divided:
            return {}  # its slices tell
        named = _named(reading.processes, users)
        unnamed = self._unnamed_memory(gpu, reading, users)
        ledger = self._ledgers.setdefault(gpu.uuid, _Ledger())
        if named or unnamed is None:
            ledger.shares.clear()
            return named
        candidates = [user for user in users if _may_use(user, gpu, reading)]
        if not candidates:
            ledger.baseline = unnamed
            ledger.shares.clear()
            return {}
        ledger.baseline = min(ledger.baseline, unnamed)
        _carry_on(ledger, unnamed - ledger.baseline, candidates, now)
        return _inferred(ledger.shares, reading.utilization)

    def _unnamed_memory(self, gpu: Gpu, reading: Reading, users: Sequence[GpuUser]) -> int | None:
        """Return the memory of processes we cannot name; None when the driver names processes of this namespace.

        What is used of a memory that the whole machine shares says nothing of the GPU's programs.
        """
        ours = {pid for user in users for pid in user.pids}
        foreign = [process for process in reading.processes if process.pid not in ours]
        if any(self._is_alive(process.pid) for process in foreign):
            return None
        listed = sum(process.memory for process in foreign)
        return listed or (0 if gpu.memory_shared else reading.memory_used) or 0


def _named(processes: Sequence[GpuProcess], users: Sequence[GpuUser]) -> dict[int, Share]:
    owner = {pid: user.id for user in users for pid in user.pids}
    memory: dict[int, int] = {}
    busy: dict[int, float] = {}
    for process in processes:
        if (key := owner.get(process.pid)) is not None:
            memory[key] = memory.get(key, 0) + process.memory
            busy[key] = busy.get(key, 0.0) + (process.utilization or 0.0)
    return {key: Share(used, min(100.0, busy[key])) for key, used in memory.items()}


def _may_use(user: GpuUser, gpu: Gpu, reading: Reading) -> bool:
    """Say whether an instance may be using this GPU. CUDA opens every card's file, so an explicit choice goes first."""
    if user.gpu_ids is not None and not {gpu.id, gpu.uuid, gpu.key}.intersection(user.gpu_ids):
        return False
    if user.devices is not None and reading.device is not None:
        return reading.device in user.devices
    return user.gpu_ids is not None


def _carry_on(ledger: _Ledger, total: int, candidates: Sequence[GpuUser], now: float) -> None:
    """Bring the shares to ``total``: what an ended one used goes with it, what is new is the newest or busy ones'."""
    present = {user.id for user in candidates}
    shares = {key: used for key, used in ledger.shares.items() if key in present}
    shares |= {key: 0.0 for key in present - shares.keys()}
    held = sum(shares.values())
    if total >= held:
        for key, part in _growers(candidates, now).items():
            shares[key] += (total - held) * part
    else:
        shares = {key: used * total / held for key, used in shares.items()}
    ledger.shares = shares


def _growers(candidates: Sequence[GpuUser], now: float) -> Mapping[int, float]:
    """Return who is taken to have asked for more memory, and which part of it."""
    newest = max(candidates, key=lambda user: user.started_at)
    if now - newest.started_at < FRESH:
        return {newest.id: 1.0}
    busy = sum(user.cpu for user in candidates)
    if busy <= 0:
        return {user.id: 1 / len(candidates) for user in candidates}
    return {user.id: user.cpu / busy for user in candidates}


def _inferred(shares: Mapping[int, float], utilization: float | None) -> dict[int, Share]:
    """Return the shares; the GPU's own utilisation is divided by memory, as nothing better is known."""
    whole = sum(shares.values())
    found = {}
    for key, used in shares.items():
        part = used / whole if whole else 1 / len(shares)
        found[key] = Share(round(used), None if utilization is None else round(utilization * part, 1), True)
    return found
