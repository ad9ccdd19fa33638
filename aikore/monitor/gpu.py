"""What a GPU is and what a driver's reader promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from aikore.monitor.figures import Clocks, Ecc, Pcie


class NoDriverError(Exception):
    """There is no such driver here: nothing is wrong."""


class DriverError(Exception):
    """The driver is there but does not do what it should. The message is for people."""


class GpuLostError(DriverError):
    """This GPU, or the whole driver, must be opened anew. The message says why, and what people can do."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one slice (MIG) of it. What a driver does not tell is empty or None.

    ``id``: its present index as text, of AMD with ``amd`` before it, of a slice ``<index>:<number>``. ``memory_total``
    in bytes; ``memory_shared``: it is the machine's own. ``divided``: only its slices can be used; ``parent``: the id
    of the card whose slice it is.
    """

    id: str
    index: int
    name: str
    uuid: str
    memory_total: int | None
    vendor: str = "nvidia"
    pci: str = ""
    memory_shared: bool = False
    driver: str = ""
    compute: str = ""
    divided: bool = False
    parent: str | None = None
    visible: str = ""
    """What the maker's own variable (CUDA_VISIBLE_DEVICES …) calls it: its index, or its UUID where indexes mislead."""

    @property
    def key(self) -> str:
        """What it is remembered by, wherever it is plugged in and whatever else is."""
        return self.pci if self.vendor == "amd" and self.pci else self.uuid

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"key": self.key}


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that the driver names. ``memory`` in bytes, ``utilization`` in percent."""

    pid: int
    memory: int
    utilization: float | None = None


@dataclass(slots=True)
class Reading:
    """Figures of one GPU at one moment; units as in :class:`aikore.monitor.figures.GpuFigures`."""

    memory_used: int | None = None
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None
    clocks: Clocks = field(default_factory=lambda: Clocks(graphics=None, memory=None))
    fan: float | None = None
    pcie: Pcie = field(default_factory=lambda: Pcie(generation=None, width=None, received=None, sent=None))
    throttle: list[str] = field(default_factory=list)
    ecc: Ecc = field(default_factory=lambda: Ecc(corrected=None, uncorrected=None))
    processes: list[GpuProcess] = field(default_factory=list)
    device: str | None = None
    """Path of the device that a process which uses this GPU holds open."""


class GpuReader(Protocol):
    """Reads the GPUs of one driver. Every call may hang, and is made in a thread of its own."""

    vendor: str
    problem: str
    """What is wrong with GPUs that :meth:`open` could not describe, for people."""

    def open(self) -> Sequence[Gpu]:
        """Open the driver, anew if it was open, and return its GPUs. No other call runs meanwhile.

        Raises NoDriverError, DriverError.
        """

    def read(self, gpu: Gpu) -> Reading:
        """Return the figures of a GPU. Raises GpuLostError."""
