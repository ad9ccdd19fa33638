"""The form of all figures: plain JSON data, built by hand because every second is told to everybody.

Sizes are bytes, rates bytes a second, shares percent, times Unix seconds. ``None`` means: cannot be known here.
"""

from __future__ import annotations

from typing_extensions import TypedDict


class Memory(TypedDict):
    total: int
    used: int


class Disk(TypedDict):
    """The file system of the data folder; ``read`` and ``write`` of its device."""

    total: int
    used: int
    free: int
    read: float | None
    write: float | None


class Network(TypedDict):
    """All real interfaces together."""

    received: float | None
    sent: float | None


class Host(TypedDict):
    """The machine. ``cpu`` is of all cores together, ``load`` over 1, 5 and 15 minutes."""

    cpu: float | None
    cores: list[float]
    load: list[float]
    memory: Memory
    swap: Memory
    disk: Disk
    network: Network
    uptime: float


class Pcie(TypedDict):
    generation: int | None
    width: int | None
    received: float | None
    sent: float | None


class Clocks(TypedDict):
    """Megahertz."""

    graphics: int | None
    memory: int | None


class Ecc(TypedDict):
    """Errors since the driver was loaded."""

    corrected: int | None
    uncorrected: int | None


class GpuFigures(TypedDict):
    """One GPU. ``state``: ``ok``; ``stale``: late, these are its last figures; ``lost``: does not answer.

    ``reason`` says why it is lost, and what to do. ``memory_shared``: its memory is the machine's own. ``power`` in
    watts, ``temperature`` in °C, ``fan`` in percent, ``throttle``: why its clocks are held down.
    """

    id: str
    index: int
    vendor: str
    name: str
    uuid: str
    state: str
    reason: str
    utilization: float | None
    memory_total: int | None
    memory_shared: bool
    memory_used: int | None
    temperature: float | None
    power: float | None
    power_limit: float | None
    clocks: Clocks
    fan: float | None
    pcie: Pcie
    throttle: list[str]
    ecc: Ecc


class InstanceFigures(TypedDict):
    """One running instance. ``cpu``: percent of one core (250: two and a half cores).

    ``memory_kind`` says what ``memory`` is: ``pss`` (shared pages counted by share, measured now and then and carried
    on by the resident size) or ``rss`` (resident size, shared pages counted fully). ``gpu_inferred``: the driver does
    not name our processes, so the GPU figures are concluded from pinning, open devices, starts and ends.
    """

    id: int
    slug: str
    cpu: float | None
    memory: int
    memory_kind: str
    processes: int
    threads: int
    open_files: int | None
    gpu_memory: dict[str, int]
    gpu_utilization: dict[str, float]
    gpu_inferred: bool
    uptime: float


class Folder(TypedDict):
    """Disk space of an instance's folder and when it was measured."""

    size: int
    measured_at: float


class ManagerFigures(TypedDict):
    """AiKore's own process."""

    cpu: float | None
    memory: int
    threads: int
    open_files: int
    sockets: int


class Stats(TypedDict):
    """One sample. ``interval``: seconds since the one before. ``folders`` by instance id."""

    time: float
    interval: float
    host: Host
    gpus: list[GpuFigures]
    gpu_problem: str
    instances: list[InstanceFigures]
    folders: dict[str, Folder]
    manager: ManagerFigures
