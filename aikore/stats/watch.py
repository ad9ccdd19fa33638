"""Turns samples and restarts into notices on the bus. Lives on the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aikore.events import Bus
from aikore.monitor.figures import Stats
from aikore.monitor.notices import Notice, Notices
from aikore.monitor.sampler import Sampler

log = logging.getLogger(__name__)


class Watch:
    """Watches the bus for instances and the sampler for figures."""

    def __init__(self, bus: Bus, sampler: Sampler, notices: Notices) -> None:
        self._bus = bus
        self._sampler = sampler
        self._notices = notices
        self._seen: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.restarts: dict[int, int] = {}
        """Automatic restarts of each instance since this manager began."""

    def begin(self, instances: list[dict[str, Any]]) -> None:
        """Start to watch. ``instances`` are as they now are."""
        self._seen = {one["id"]: one["restarts"] for one in instances}
        self._sampler.on_sample = self._sampled
        self._task = asyncio.create_task(self._follow())

    def end(self) -> None:
        """Stop watching."""
        if self._task:
            self._task.cancel()

    async def _follow(self) -> None:
        with self._bus.subscribe() as changes:
            while True:
                event = await changes.next()
                if event is None:
                    changes.reset()
                elif event.topic == "instance":
                    self._instance(event.data)
                elif event.topic == "instance_removed":
                    self._removed(event.data["id"])

    def _instance(self, view: dict[str, Any]) -> None:
        number, restarts = view["id"], view["restarts"]
        if restarts > self._seen.get(number, 0):
            self.restarts[number] = self.restarts.get(number, 0) + 1
            self._publish(self._notices.restarted(number, view["name"], time.time()))
        self._seen[number] = restarts

    def _removed(self, number: int) -> None:
        for known in (self._seen, self.restarts):
            known.pop(number, None)
        self._notices.forget(number)
        self._sampler.history.forget(f"instance.{number}.")

    def _sampled(self, stats: Stats) -> None:
        for notice in self._notices.look(stats):
            self._publish(notice)

    def _publish(self, notice: Notice | None) -> None:
        if notice is not None:
            log.warning("%s", notice.message)
            self._bus.notice(notice.level, notice.message)
