"""The one sampler for all viewers: looks every second while somebody watches, seldom otherwise, in a thread of its own.

It hands every sample to the event loop as data and as JSON text, which is made once for all viewers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from aikore.base import procfs
from aikore.config.monitoring import MonitorSettings
from aikore.monitor import gpus, processes
from aikore.monitor.amd import AmdReader
from aikore.monitor.archive import Archive
from aikore.monitor.figures import ManagerFigures, Stats
from aikore.monitor.folders import Folders
from aikore.monitor.gpu import Gpu
from aikore.monitor.gpus import Inventory
from aikore.monitor.history import History
from aikore.monitor.host import HostReader, Rate
from aikore.monitor.instances import InstancesReader, MonitoredInstance
from aikore.monitor.nvidia import NvidiaReader
from aikore.monitor.series import values

log = logging.getLogger(__name__)

WATCHED_FOR = 15.0
"""Seconds for which a question without a socket counts as somebody who watches."""
MINUTES_SAVED_EVERY = 12
"""Every so many writings of the seconds the minutes are written too."""
FIRST_PAUSE = 0.2
"""Seconds between the first two looks: rates need two."""
END_SECONDS = 3.0
FRESH = 2.0
"""Seconds for which a look at the GPUs is good enough to start on."""
INVENTORY_SECONDS = 5.0
"""Seconds to wait for drivers to name their GPUs; a sleeping one takes two."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``text`` is the JSON of ``stats``."""

    number: int
    stats: Stats
    text: str
    inventory: Inventory


MonitoredInstances = Callable[[], Sequence[MonitoredInstance]]
"""Returns the instances as they now are. Called in the sampler's threads, so it only copies."""


class Sampler:
    """Begin it on the event loop; all methods but the thread's own belong to the loop's thread."""

    def __init__(
        self, settings: MonitorSettings, monitored: MonitoredInstances, history: History | None = None
    ) -> None:
        self._settings = settings
        self._monitored = monitored
        self._archive = Archive(settings.home / "history")
        self.history = history or History()
        self._host = HostReader(settings.home)
        self._gpus = gpus.Gpus([NvidiaReader(), AmdReader()])
        self._instances = InstancesReader()
        self._cpu = Rate()
        self._folders = Folders(lambda: {one.id: (one.folder, one.root is not None) for one in monitored()})
        self.latest: Sample | None = None
        self.on_sample: Callable[[Stats], None] = lambda stats: None
        """Called on the loop with every sample."""
        self.on_gpus: Callable[[Inventory], None] = lambda inventory: None
        """Called on the loop when other GPUs are there, or one is lost or well again."""
        self.inventory = Inventory()
        self._viewers = 0
        self._asked_at = float("-inf")
        self._wake = threading.Event()
        self._ending = False
        self._came = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sampled_at = time.monotonic()
        self._hurry = False
        self._hurried_in = 0

    # Life -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start to look; what an earlier manager knew is read first."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._folders.begin()

    async def end(self) -> None:
        """Stop, and write the history. A look that hangs is not waited for long."""
        if self._loop is None or self._ending:
            return
        self._ending = True
        self._folders.end()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, END_SECONDS)

    # Viewers --------------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count as a viewer for the length of the block."""
        self._viewers += 1
        self._wake.set()
        try:
            yield
        finally:
            self._viewers -= 1

    def asked(self) -> None:
        """Somebody asked for the figures without a socket: they may ask again soon."""
        slow = time.monotonic() - self._asked_at > WATCHED_FOR
        self._asked_at = time.monotonic()
        if slow:
            self._wake.set()

    async def after(self, number: int) -> Sample:
        """Return the newest sample as soon as there is one later than ``number``; what lies between is skipped."""
        while self.latest is None or self.latest.number <= number:
            await self._came.wait()
        return self.latest

    async def gpus(self) -> Sequence[Gpu]:
        """Return the GPUs of this machine as their drivers named them last; a driver that hangs names none."""
        await self._until(lambda: self.inventory.settled)
        return self.inventory.present

    async def look_at_gpus(self, again: bool = False) -> Inventory:
        """Return the GPUs as they were two seconds ago at most; ``again``: open drivers anew where that is due."""
        before = self.latest.number if self.latest else 0
        fresh = time.monotonic() - self._sampled_at < FRESH
        if again:
            self._hurried_in, self._hurry = sys.maxsize, True
        self.asked()
        self._wake.set()

        def done() -> bool:
            number = self.latest.number if self.latest else 0
            seen = number >= self._hurried_in if again else fresh or number > before
            return seen and self.inventory.settled and not (again and self.inventory.opening)

        await self._until(done)
        return self.inventory

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Return when a sample has made the condition true, or when that takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(INVENTORY_SECONDS):
                number = self.latest.number if self.latest else 0
                while not condition():
                    number = (await self.after(number)).number

    def pace(self) -> float:
        """Return the seconds between two looks as things are."""
        watched = (
            not self.inventory.settled
            or self._hurry
            or self._viewers > 0
            or time.monotonic() - self._asked_at < WATCHED_FOR
        )
        fast, slow = self._settings.sample_interval, self._settings.sample_idle_interval
        return fast if watched else max(fast, slow)

    def _deliver(self, sample: Sample) -> None:
        self.latest = sample
        changed, self.inventory = self.inventory != sample.inventory, sample.inventory
        self._came.set()
        self._came = asyncio.Event()
        self.on_sample(sample.stats)
        if changed:
            self.on_gpus(sample.inventory)

    # The thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.history = self._archive.load(int(time.time()))
        number = saves = 0
        saved_at = time.monotonic()
        while not self._ending:
            number += 1
            self._guarded(number)
            if time.monotonic() - saved_at >= self._settings.history_save_interval:
                saved_at, saves = time.monotonic(), saves + 1
                self._save(minutes=saves % MINUTES_SAVED_EVERY == 0)
            self._pause(number)
        self._save(minutes=True)

    def _pause(self, number: int) -> None:
        """Wait for the next look. A viewer who comes meanwhile makes it sooner, never sooner than the fast pace."""
        while not self._ending:
            pace = self.pace() if number > 1 else min(FIRST_PAUSE, self.pace())
            left = self._sampled_at + pace - time.monotonic()
            if left <= 0 or not self._wake.wait(left):
                return
            self._wake.clear()

    def _guarded(self, number: int) -> None:
        try:
            if self._hurry:
                self._hurry, self._hurried_in = False, number
                self._gpus.hurry()
            stats, inventory = self._look()
            self.history.add(int(stats["time"]), values(stats))
            text = json.dumps(stats, separators=(",", ":"), ensure_ascii=False)
        except Exception:
            log.exception("a look at the machine failed")
            self._sampled_at = time.monotonic()
            return
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._deliver, Sample(number, stats, text, inventory))

    def _look(self) -> tuple[Stats, Inventory]:
        now = time.monotonic()
        interval, self._sampled_at = now - self._sampled_at, now
        states = self._gpus.read()
        stats: Stats = {
            "time": round(time.time(), 3),
            "interval": round(interval, 3),
            "host": self._host.read(),
            "gpus": [gpus.figures(state) for state in states],
            "gpu_problem": self._gpus.problem,
            "instances": self._instances.read(self._monitored(), states),
            "folders": self._folders.sizes(),
            "manager": self._manager(now),
        }
        return stats, self._gpus.inventory(states)

    def _manager(self, now: float) -> ManagerFigures:
        own = processes.read(os.getpid())
        assert own is not None
        share = self._cpu.of(time.process_time() * 100, now)
        descriptors = procfs.descriptors(os.getpid())
        return {
            "cpu": share,
            "memory": own.memory,
            "threads": own.threads,
            "open_files": len(descriptors),
            "sockets": sum(target.startswith("socket:") for target in descriptors),
        }

    def _save(self, minutes: bool) -> None:
        self._archive.save(self.history, "seconds")
        if minutes:
            self._archive.save(self.history, "minutes")
