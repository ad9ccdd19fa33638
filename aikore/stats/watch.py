"""Turns samples and restarts into notices. Lives on the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aikore.base.events import Bus
from aikore.instances.topics import INSTANCE, INSTANCE_REMOVED, View
from aikore.monitor.figures import Stats
from aikore.monitor.notices import Notice, Notices
from aikore.monitor.sampler import Sampler
from aikore.notices import Noticeboard

log = logging.getLogger(__name__)


class Watch:
    """Watches the bus for instances and the sampler for figures."""

    def __init__(
        self,
        bus: Bus,
        board: Noticeboard,
        sampler: Sampler,
        notices: Notices,
        instances: Callable[[], list[View]],
    ) -> None:
        """``instances`` tells how they are now."""
        self._bus = bus
        self._board = board
        self._sampler = sampler
        self._notices = notices
        self._instances = instances
        self._seen: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.restarts: dict[int, int] = {}
        """Automatic restarts of each instance since this manager began."""

    def begin(self) -> None:
        """Start to watch. What the instances did before does not count."""
        self._seen = {one["id"]: one["restarts"] for one in self._instances()}
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
                    self._look_again()
                elif event.topic is INSTANCE:
                    self._instance(event.data)
                elif event.topic is INSTANCE_REMOVED:
                    self._removed(event.data["id"])

    def _look_again(self) -> None:
        """Learn from the present what was told while nobody listened."""
        present = self._instances()
        for number in self._seen.keys() - {view["id"] for view in present}:
            self._removed(number)
        for view in present:
            self._instance(view)

    def _instance(self, view: View) -> None:
        number, restarts = view["id"], view["restarts"]
        more = restarts - self._seen.get(number, 0)
        if more > 0:
            self.restarts[number] = self.restarts.get(number, 0) + more
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
            self._board.tell(notice.level, notice.message)
