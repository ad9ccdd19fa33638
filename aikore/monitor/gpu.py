"""What a GPU is and what a driver's reader promises; which NVIDIA GPUs there are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from aikore.monitor import watched
from aikore.monitor.figures import Clocks, Ecc, Pcie

log = logging.getLogger(__name__)

LIST_SECONDS = 5.0
"""Seconds the driver may take to name its GPUs; a sleeping one takes two."""


class NoDriverError(Exception):
    """There is no such driver here: nothing is wrong."""


class DriverError(Exception):
    """The driver is there but does not do what it should. The message is for people."""


class GpuLostError(DriverError):
    """This GPU, or the whole driver, must be opened anew."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. ``id`` is its index as text; ``memory_total`` in bytes."""

    id: str
    index: int
    name: str
    uuid: str
    memory_total: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


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

    def open(self) -> Sequence[Gpu]:
        """Open the driver, anew if it was open, and return its GPUs. No other call runs meanwhile.

        Raises NoDriverError, DriverError.
        """

    def read(self, gpu: Gpu) -> Reading:
        """Return the figures of a GPU. Raises GpuLostError."""


_listing = threading.Lock()
_known: list[Gpu] = []


def list_gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs in PCI bus order; an empty list where there is no driver. Blocks: use a thread.

    While the driver hangs, those that it named last.
    """
    global _known
    if not _listing.acquire(blocking=False):
        return _known
    try:
        _known = watched.call(_ask, LIST_SECONDS, "list GPUs")
    except TimeoutError:
        log.error("the NVIDIA driver does not answer; the GPUs it named last are taken to be there")
        return _known  # the lock stays taken for as long as the call hangs
    return _known


def _ask() -> list[Gpu]:
    try:
        return _ask_driver()
    finally:
        _listing.release()


def _ask_driver() -> list[Gpu]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        log.debug("no NVIDIA driver: %s", error)
        return []
    try:
        return [_describe(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        log.warning("the NVIDIA driver does not answer: %s", error)
        return []
    finally:
        pynvml.nvmlShutdown()


def _describe(pynvml: Any, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    return Gpu(str(index), index, str(pynvml.nvmlDeviceGetName(handle)), str(pynvml.nvmlDeviceGetUUID(handle)), memory)
