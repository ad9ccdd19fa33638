"""NVIDIA's GPUs by NVML. What a card does not support is asked once and then left alone.

Any single call may fail and costs its figure. A GPU whose vital figures all fail is lost, as after the driver was
replaced under it or a container lost its right to the device.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from aikore.monitor.figures import Clocks, Ecc, Pcie
from aikore.monitor.gpu import DriverError, Gpu, GpuLostError, GpuProcess, NoDriverError, Reading

log = logging.getLogger(__name__)

SLOW_EVERY = 10
"""Figures that hardly change, or that NVML measures for 20 ms (PCIe traffic), are read at every tenth look."""

VITAL = ("MemoryInfo", "UtilizationRates", "Temperature", "PowerUsage")
"""Calls of which one at least answers on a card that is well."""

MEMORY_MOST = 2**50
"""Bytes; a driver that tells more tells nonsense."""

DEVICE = Path("/dev/nvidiactl")
"""What every new program must open. A container's right to it can go while those that have it open go on."""

RECREATE = "In a container: recreate it (docker compose up -d --force-recreate). Elsewhere: restart the machine."
ADVICE = {
    "RM has detected an NVML/RM version mismatch.": "The driver was updated while it ran. Restart the machine.",
    "GPU is lost": "It fell off the bus. Switch the machine off and on; look after its power, seat and temperature.",
    "GPU requires restart": "Restart the machine.",
}
"""What helps, by the words of NVML; anything else may be a container that lost its GPUs."""

THROTTLE = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}
"""Bits of nvmlClocksEventReasons that hold clocks down; idle clocks and chosen clocks are none."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where a GPU stands: its id and index, the driver's version, and whose slice it is."""

    id: str
    index: int
    driver: str
    parent: Gpu | None = None


class NvidiaReader:
    """The protocol :class:`aikore.monitor.gpu.GpuReader` over ``pynvml``."""

    vendor = "nvidia"

    def __init__(self, device: Path = DEVICE) -> None:
        self.problem = ""
        self._cards: dict[str, _Card] = {}
        self._is_open = False
        self._device = device

    def open(self) -> Sequence[Gpu]:
        """Begin anew: a driver that was exchanged needs it. Raises NoDriverError, DriverError."""
        import pynvml

        if self._is_open:
            self._is_open = False
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded) as error:
            raise NoDriverError(str(error)) from error
        except pynvml.NVMLError as error:
            raise DriverError(f"The NVIDIA driver does not start: {_told(error)}") from error
        self._is_open = True
        return self._look_round(pynvml)

    def _look_round(self, pynvml: Any) -> list[Gpu]:
        """Describe all GPUs and slices; one that cannot be described is left out.

        CUDA counts the cards that a program may use in PCI order, as is done here. Where a card cannot be described or
        is divided, nobody can know how CUDA counts: then all go by their UUIDs.
        """
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            raise DriverError(f"The NVIDIA driver does not name its GPUs: {_told(error)}") from error
        self._cards = {}
        version, divided, problems = _driver_version(pynvml), False, []
        for index in range(count):
            try:
                found = list(_cards_at(pynvml, index, version))
            except pynvml.NVMLError_NoPermission:
                continue  # not this container's, so CUDA does not count it either
            except (pynvml.NVMLError, GpuLostError) as error:
                cause = str(error) if isinstance(error, GpuLostError) else _told(error)
                problems.append(f"GPU {index} cannot be read: {cause}")
                continue
            divided |= found[0].gpu.divided
            self._cards |= {card.gpu.uuid: card for card in found}
        if problems and not self._cards:
            raise DriverError(problems[0])
        self.problem = " ".join(problems)
        return _counted([card.gpu for card in self._cards.values()], divided or bool(problems))

    def read(self, gpu: Gpu) -> Reading:
        """Return the figures of a GPU. Raises GpuLostError."""
        card = self._cards.get(gpu.uuid)
        if card is None:
            raise GpuLostError("It is not there any more.")
        self._require_device()
        return card.read()

    def _require_device(self) -> None:
        """Make sure that new programs can reach the driver. Raises GpuLostError."""
        try:
            os.close(os.open(self._device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                raise GpuLostError(f"{self._device} may not be opened any more. {RECREATE}") from error


def _driver_version(pynvml: Any) -> str:
    try:
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return ""


def _cards_at(pynvml: Any, index: int, version: str) -> Iterator[_Card]:
    """Yield the card of an index and its slices. Raises NVMLError, GpuLostError."""
    whole = _Card(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index), _Seat(str(index), index, version))
    yield whole
    if not whole.gpu.divided:
        return
    for number in range(whole.slices()):
        try:
            handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(whole.handle, number)
        except pynvml.NVMLError:  # an empty place, or a slice that is not this container's
            continue
        yield _Card(pynvml, handle, _Seat(f"{index}:{number}", index, version, whole.gpu))


def _counted(gpus: list[Gpu], doubtful: bool) -> list[Gpu]:
    """Return GPUs with what CUDA calls them."""
    return [replace(gpu, visible=gpu.uuid if doubtful else str(at)) for at, gpu in enumerate(gpus)]


def _told(error: Exception) -> str:
    """Return an error of NVML in words, with what helps."""
    words = str(error)
    return f"{words.rstrip('.')}. {ADVICE.get(words, RECREATE)}"


class _Card:
    """One GPU's handle. Figures of slow calls are kept between looks."""

    def __init__(self, pynvml: Any, handle: Any, seat: _Seat) -> None:
        self._nvml = pynvml
        self.handle = handle
        self._id = seat.id
        self._unsupported: set[tuple[Any, ...]] = set()
        self._answered: set[str] = set()
        self._failed: dict[str, Exception] = {}
        self._shared = False
        self.gpu = self._describe(seat)
        self._device = None if seat.parent else self._ask("MinorNumber", lambda minor: f"/dev/nvidia{minor}")
        self._looks = 0
        self._slow = Reading()
        self._seen = 0
        """NVML's time stamp of the newest utilisation of a process."""

    def _describe(self, seat: _Seat) -> Gpu:
        pci = self._ask("PciInfo", lambda info: str(info.busId).lower()) or ""
        uuid = self._ask("UUID", str) or (pci and f"pci-{pci}")
        if not uuid:
            raise GpuLostError("It tells neither its UUID nor its PCI address.")
        parent = seat.parent
        mode = None if parent else self._ask("MigMode", lambda modes: modes[0])
        total = self._total()
        return Gpu(
            seat.id,
            seat.index,
            self._ask("Name", str) or "NVIDIA GPU",
            uuid,
            total,
            pci=parent.pci if parent else pci,
            memory_shared=self._shared,
            driver=seat.driver,
            compute=parent.compute if parent else self._ask("CudaComputeCapability", "{0[0]}.{0[1]}".format) or "",
            divided=bool(mode),
            parent=parent.id if parent else None,
        )

    def _total(self) -> int | None:
        """Return the card's memory. One that shares the machine's tells nothing, zero or nonsense of its own."""
        total = self._ask("MemoryInfo", lambda memory: int(memory.total))
        if "MemoryInfo" in self._failed:
            return None
        if total is None or not 0 < total < MEMORY_MOST:
            self._shared = True
            return int(psutil.virtual_memory().total)
        return int(total)

    def slices(self) -> int:
        """Return how many slices there may be."""
        return int(self._ask("MaxMigDeviceCount", int) or 0)

    def read(self) -> Reading:
        if self._looks % SLOW_EVERY == 0:
            self._slow = self._read_slow()
        self._looks += 1
        self._answered.clear()
        self._failed.clear()
        reading = self._look()
        self._require_signs_of_life()
        return reading

    def _require_signs_of_life(self) -> None:
        failed = [self._failed[what] for what in VITAL if what in self._failed]
        if failed and not self._answered.intersection(VITAL):
            raise GpuLostError(_told(failed[0]))

    def _look(self) -> Reading:
        nvml, slow = self._nvml, self._slow
        return Reading(
            memory_used=self._memory_used(),
            utilization=self._ask("UtilizationRates", lambda rates: float(rates.gpu)),
            temperature=self._ask("Temperature", float, nvml.NVML_TEMPERATURE_GPU),
            power=self._ask("PowerUsage", _watts),
            power_limit=slow.power_limit,
            clocks=Clocks(
                graphics=self._ask("ClockInfo", int, nvml.NVML_CLOCK_GRAPHICS),
                memory=self._ask("ClockInfo", int, nvml.NVML_CLOCK_MEM),
            ),
            fan=slow.fan,
            pcie=slow.pcie,
            throttle=self._throttle(),
            ecc=slow.ecc,
            processes=[] if self.gpu.divided else self._processes(),
            device=self._device,
        )

    def _memory_used(self) -> int | None:
        if self._shared:
            memory = psutil.virtual_memory()
            return int(memory.total - memory.available)
        used: int | None = self._ask("MemoryInfo", lambda memory: int(memory.used))
        return used

    def _read_slow(self) -> Reading:
        nvml = self._nvml
        corrected, uncorrected = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
        return Reading(
            power_limit=self._ask("EnforcedPowerLimit", _watts),
            fan=self._ask("FanSpeed", float),
            pcie=Pcie(
                generation=self._ask("CurrPcieLinkGeneration", int),
                width=self._ask("CurrPcieLinkWidth", int),
                received=self._ask("PcieThroughput", _kilobytes, nvml.NVML_PCIE_UTIL_RX_BYTES),
                sent=self._ask("PcieThroughput", _kilobytes, nvml.NVML_PCIE_UTIL_TX_BYTES),
            ),
            ecc=Ecc(
                corrected=self._ask("TotalEccErrors", int, corrected, nvml.NVML_VOLATILE_ECC),
                uncorrected=self._ask("TotalEccErrors", int, uncorrected, nvml.NVML_VOLATILE_ECC),
            ),
        )

    def _ask(self, what: str, convert: Callable[[Any], Any], *arguments: Any, since: int | None = None) -> Any:
        """Return one figure, None when it cannot be had. Raises GpuLostError when the GPU is gone."""
        if (what, *arguments) in self._unsupported:
            return None
        nvml, later = self._nvml, () if since is None else (since,)
        try:
            figure = convert(getattr(nvml, f"nvmlDeviceGet{what}")(self.handle, *arguments, *later))
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NoPermission):
            self._unsupported.add((what, *arguments))
        except _gone(nvml) as error:
            raise GpuLostError(_told(error)) from error
        except nvml.NVMLError as error:
            self._failed[what] = error
            log.debug("GPU %s: %s: %s", self._id, what, error)
        else:
            self._answered.add(what)
            return figure
        return None

    def _throttle(self) -> list[str]:
        for what in ("CurrentClocksEventReasons", "CurrentClocksThrottleReasons"):
            bits = self._ask(what, int)
            if bits is not None:
                return [word for bit, word in THROTTLE.items() if bits & bit]
        return []

    def _processes(self) -> list[GpuProcess]:
        used: dict[int, int] = {}
        for what in ("ComputeRunningProcesses", "GraphicsRunningProcesses"):
            for process in self._ask(what, list) or ():
                used[process.pid] = max(used.get(process.pid, 0), process.usedGpuMemory or 0)
        busy = self._process_utilization() if used else {}
        return [GpuProcess(pid, memory, busy.get(pid)) for pid, memory in used.items()]

    def _process_utilization(self) -> dict[int, float]:
        """Return the share of each process that was busy since the last look."""
        samples = self._ask("ProcessUtilization", list, since=self._seen) or ()
        self._seen = max((int(one.timeStamp) for one in samples), default=self._seen)
        return {one.pid: float(one.smUtil) for one in sorted(samples, key=lambda one: int(one.timeStamp))}


def _gone(nvml: Any) -> tuple[type[Exception], ...]:
    """Return the errors after which a GPU, or the driver, must be opened anew."""
    return (
        nvml.NVMLError_GpuIsLost,
        nvml.NVMLError_Uninitialized,
        nvml.NVMLError_DriverNotLoaded,
        nvml.NVMLError_LibRmVersionMismatch,
        nvml.NVMLError_ResetRequired,
    )


def _watts(milliwatts: int) -> float:
    return round(milliwatts / 1000, 1)


def _kilobytes(amount: int) -> float:
    return amount * 1024.0
