"""All GPUs of all drivers at one moment. A call that hangs, a GPU that falls off the bus and a driver that goes
away cost a bounded wait once, are marked, and are tried again later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aikore.monitor.figures import GpuFigures
from aikore.monitor.gpu import Gpu, GpuLostError, GpuReader, NoDriverError, Reading
from aikore.monitor.worker import Worker

log = logging.getLogger(__name__)

BRIEF = 0.3
"""Seconds one sample waits for all GPUs together; who is later counts at the next."""
LOST_AFTER = 5.0
"""Seconds without an answer until a GPU reads ``lost`` instead of ``stale``."""
HUNG_RETRY = 60.0
"""Seconds after which a hung call is given up and another one is tried; doubled each time."""
HUNG_MOST = 5
"""Calls of one GPU that may hang at the same time; each costs a thread."""
REOPEN_FIRST, REOPEN_MOST = 5.0, 60.0
"""Seconds between attempts to open a driver that failed, or lost a GPU."""
FORGET_AFTER = 600.0
"""Seconds until a GPU that was taken away is no longer shown."""

HANGS = "Its driver hangs. Look at the system's log (dmesg), and restart the machine."
NOT_NAMED = "The driver does not name it any more. Look at its power and seat; in a container, recreate it."

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class GpuState:
    """One GPU as it is shown. ``reading`` is the last one, empty where there was none."""

    vendor: str
    gpu: Gpu
    id: str
    """What it is called: by its index, or by its key once another card has that index."""
    state: str
    reading: Reading
    reason: str = ""
    """Why it is lost, and what people can do."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The GPUs of this machine, without their figures. ``lost`` are reasons by key, ``problem`` is a driver's.

    ``present`` are those that the drivers named last. ``settled``: every driver has said what there is, or that it
    cannot; ``opening``: one is being asked anew.
    """

    present: tuple[Gpu, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    settled: bool = False
    opening: bool = field(default=False, compare=False)

    @property
    def sound(self) -> bool:
        """Whether all is well, so that indexes mean what they meant."""
        return self.settled and not (self.opening or self.problem or self.lost)

    def find(self, word: str) -> Gpu | None:
        """Return the present GPU that is called so: by index, UUID or PCI address."""
        return next((gpu for gpu in self.present if word in (gpu.key, gpu.id)), None)


@dataclass(slots=True, eq=False)
class _Card:
    gpu: Gpu
    worker: Worker[Reading]
    reading: Reading = field(default_factory=Reading)
    answered: float = 0.0
    lost: str = ""
    """Why it must be opened anew; empty while it need not be."""
    present: bool = True
    hung: int = 0


class Driver:
    """The GPUs of one driver."""

    def __init__(self, reader: GpuReader, clock: Clock = time.monotonic) -> None:
        self._reader = reader
        self._clock = clock
        self._opener: Worker[Sequence[Gpu]] = Worker(f"{reader.vendor} driver")
        self._cards: dict[str, _Card] = {}
        self._is_open = False
        self._wanted = False
        self._open_at = 0.0
        self.settled = False
        """Whether the driver has said which GPUs there are, or that it cannot."""
        self._pause = REOPEN_FIRST
        self.problem = ""
        """What is wrong with the driver itself, for people."""

    @property
    def opening(self) -> bool:
        """Whether it is being opened just now."""
        return self._opener.busy_since is not None

    @property
    def present(self) -> list[Gpu]:
        """The GPUs it named last."""
        return sorted((card.gpu for card in self._cards.values() if card.present), key=_place)

    def hurry(self) -> None:
        """Open the driver anew at the next look: somebody needs what it did not name, or what is lost."""
        self._wanted, self._open_at, self._pause = True, min(self._open_at, self._clock()), REOPEN_FIRST

    def ask(self) -> None:
        """Begin to read every GPU that is not busy, or to open the driver where that is due."""
        now = self._clock()
        if self._opener.busy_since is not None:
            return
        busy = any(card.worker.busy_since is not None for card in self._cards.values())
        if now >= self._open_at and not busy and self._must_open():
            self._open_at = now + self._pause
            self._pause = min(self._pause * 2, REOPEN_MOST)
            self._wanted = False
            self._opener.submit(self._reader.open)
        elif self._is_open:
            if now - self._open_at > REOPEN_MOST:
                self._pause = REOPEN_FIRST
            for card in self._cards.values():
                self._ask_card(card)

    def _must_open(self) -> bool:
        unwell = bool(self.problem) or any(card.lost for card in self._cards.values())
        return unwell or self._wanted or not self._is_open

    def _ask_card(self, card: _Card) -> None:
        worker = card.worker
        if worker.busy_since is not None:
            patience = HUNG_RETRY * 2**card.hung
            if time.monotonic() - worker.busy_since < patience or card.hung >= HUNG_MOST:
                return
            worker.abandon()
            card.hung += 1
            card.worker = worker = Worker(f"GPU {card.gpu.id}")
        if not card.lost:
            gpu = card.gpu
            worker.submit(lambda: self._reader.read(gpu))

    def collect(self, deadline: float) -> list[GpuState]:
        """Return how every GPU is; wait until ``deadline`` (monotonic) for those that were asked just now."""
        opening = self._opener.busy_since is not None
        if opening and (outcome := self._opener.outcome(self._wait(self._opener, deadline))) is not None:
            self._opened(outcome)
        for card in self._cards.values():
            if (answer := card.worker.outcome(self._wait(card.worker, deadline))) is not None:
                self._answered(card, answer)
        now = self._clock()
        self._cards = {k: c for k, c in self._cards.items() if c.present or now - c.answered < FORGET_AFTER}
        taken = {gpu.id for gpu in self.present}
        return [
            self._state(card, card.gpu.id if card.present or card.gpu.id not in taken else card.gpu.key)
            for card in sorted(self._cards.values(), key=lambda card: _place(card.gpu))
        ]

    @staticmethod
    def _wait(worker: Worker[Reading] | Worker[Sequence[Gpu]], deadline: float) -> float:
        """Return seconds to wait for a worker: those that hang since an earlier sample are not waited for again."""
        late = worker.busy_since is not None and deadline - worker.busy_since > BRIEF * 1.5
        return 0.0 if late else max(0.0, deadline - time.monotonic())

    def _opened(self, outcome: Sequence[Gpu] | Exception) -> None:
        now = self._clock()
        self.settled = True
        if isinstance(outcome, Exception):
            self._is_open = False
            self.problem = "" if isinstance(outcome, NoDriverError) and not self._cards else str(outcome)
            for card in self._cards.values():
                card.lost, card.present = str(outcome), False
            return
        self.problem, self._is_open = self._reader.problem, True
        found = {gpu.uuid: gpu for gpu in outcome}
        for uuid, card in self._cards.items():
            card.present = uuid in found
            card.lost = "" if card.present else NOT_NAMED
        for uuid, gpu in found.items():
            if uuid in self._cards:
                self._cards[uuid].gpu = gpu
            else:
                self._cards[uuid] = _Card(gpu, Worker(f"GPU {gpu.id}"), answered=now)
        for card in self._cards.values():
            self._ask_card(card)

    def _answered(self, card: _Card, answer: Reading | Exception) -> None:
        if isinstance(answer, Reading):
            card.reading, card.answered, card.hung = answer, self._clock(), 0
            return
        if not isinstance(answer, GpuLostError):
            log.error("GPU %s cannot be read", card.gpu.id, exc_info=answer)
        log.warning("GPU %s (%s) is lost: %s", card.gpu.id, card.gpu.name, answer)
        card.lost = str(answer) or type(answer).__name__
        self._open_at = max(self._open_at, self._clock() + self._pause)

    def _state(self, card: _Card, shown: str) -> GpuState:
        hangs = card.hung > 0 or _hangs(card.worker) or _hangs(self._opener)
        if card.lost or not card.present or hangs:
            return GpuState(self._reader.vendor, card.gpu, shown, "lost", Reading(), card.lost or HANGS)
        state = "stale" if card.worker.busy_since is not None else "ok"
        return GpuState(self._reader.vendor, card.gpu, shown, state, card.reading)


def _hangs(worker: Worker[Reading] | Worker[Sequence[Gpu]]) -> bool:
    return worker.busy_since is not None and time.monotonic() - worker.busy_since > LOST_AFTER


def _place(gpu: Gpu) -> tuple[int, str]:
    """Return what GPUs are ordered by: each card, and its slices behind it."""
    return gpu.index, gpu.id


class Gpus:
    """All drivers. Use from one thread only."""

    def __init__(self, readers: Sequence[GpuReader], clock: Clock = time.monotonic) -> None:
        self._drivers = [Driver(reader, clock) for reader in readers]

    @property
    def problem(self) -> str:
        """What is wrong with a driver, for people; "" when nothing is, or when there is none."""
        return " ".join(driver.problem for driver in self._drivers if driver.problem)

    @property
    def settled(self) -> bool:
        """Whether every driver has said which GPUs there are, or that it cannot."""
        return all(driver.settled for driver in self._drivers)

    @property
    def present(self) -> list[Gpu]:
        """The GPUs that the drivers named last."""
        return [gpu for driver in self._drivers for gpu in driver.present]

    def inventory(self, states: Sequence[GpuState]) -> Inventory:
        """Return which GPUs there are. ``states`` are of the same look."""
        lost = {state.gpu.key: state.reason for state in states if state.state == "lost"}
        opening = any(driver.opening for driver in self._drivers)
        return Inventory(tuple(self.present), lost, self.problem, self.settled, opening)

    def hurry(self) -> None:
        """Open all drivers anew at the next look."""
        for driver in self._drivers:
            driver.hurry()

    def read(self) -> list[GpuState]:
        """Return how every GPU is, within ``BRIEF`` seconds."""
        for driver in self._drivers:
            driver.ask()
        deadline = time.monotonic() + BRIEF
        return [state for driver in self._drivers for state in driver.collect(deadline)]


def figures(state: GpuState) -> GpuFigures:
    """Return a GPU in the form of samples."""
    gpu, reading = state.gpu, state.reading
    return {
        "id": state.id,
        "index": gpu.index,
        "vendor": state.vendor,
        "name": gpu.name,
        "uuid": gpu.uuid,
        "state": state.state,
        "reason": state.reason,
        "utilization": reading.utilization,
        "memory_total": gpu.memory_total,
        "memory_shared": gpu.memory_shared,
        "memory_used": reading.memory_used,
        "temperature": reading.temperature,
        "power": reading.power,
        "power_limit": reading.power_limit,
        "clocks": reading.clocks,
        "fan": reading.fan,
        "pcie": reading.pcie,
        "throttle": reading.throttle,
        "ecc": reading.ecc,
    }
