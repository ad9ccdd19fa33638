"""Tells every change of an instance: to pages by the bus, to the database many at a time, to watchers in the house."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from aikore.base.errors import AiKoreError
from aikore.base.events import Bus
from aikore.config.instances import InstanceSettings
from aikore.instances import views
from aikore.instances.actor import Actor
from aikore.instances.background import Background
from aikore.instances.pins import Pins
from aikore.instances.registry import Registry
from aikore.instances.rows import InstanceRow
from aikore.instances.runs import RunBook
from aikore.instances.store import Seen, Store
from aikore.instances.topics import INSTANCE, INSTANCE_REMOVED, Removed
from aikore.instances.warned import WarnedBook
from aikore.notices import Noticeboard


class Changed:
    """The numbers of instances that changed and were not looked at since: each once, however often it changed."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers: dict[int, None] = dict.fromkeys(numbers)
        self._more = asyncio.Event()

    def add(self, number: int) -> None:
        self._numbers[number] = None
        self._more.set()

    async def next(self) -> int:
        """Return the number that waits longest; wait where there is none."""
        while not self._numbers:
            self._more.clear()
            await self._more.wait()
        number = next(iter(self._numbers))
        del self._numbers[number]
        return number


class Publisher:
    """Makes the view of an instance and passes it on."""

    def __init__(
        self,
        settings: InstanceSettings,
        registry: Registry,
        store: Store,
        runs: RunBook,
        pins: Pins,
        warned: WarnedBook,
        bus: Bus,
        notices: Noticeboard,
        background: Background,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._store = store
        self._runs = runs
        self._pins = pins
        self._warned = warned
        self._bus = bus
        self._notices = notices
        self._background = background
        self._dirty: set[int] = set()
        """Instances whose status is to be written."""
        self._watchers: set[Changed] = set()

    def view(self, actor: Actor) -> dict[str, Any]:
        """Return the JSON of an instance."""
        row = actor.row
        shown = views.instance_view(actor, self._registry.header(row), self._settings)
        return shown | self._pins.view(row.gpu_ids) | {"warnings": self._warned.view(row.id, actor.state.run)}

    def list_views(self) -> list[dict[str, Any]]:
        """Return the JSON of all instances in their order."""
        return [self.view(actor) for actor in self._registry.ordered()]

    def changed(self, actor: Actor) -> None:
        """Tell how an instance now is, and have its status written."""
        if actor not in self._registry:
            return
        self._tell_watchers(actor.row)
        self._bus.publish(INSTANCE, self.view(actor))
        if not self._dirty:
            self._background.run(self.write_statuses())
        self._dirty.add(actor.row.id)

    def removed(self, row: InstanceRow) -> None:
        """Tell that an instance is gone."""
        self._dirty.discard(row.id)
        self._tell_watchers(row)
        self._bus.publish(INSTANCE_REMOVED, Removed(id=row.id))

    @contextmanager
    def watch(self) -> Iterator[Changed]:
        """Yield the instances that are there, and then those that change or go."""
        changed = Changed(actor.row.id for actor in self._registry.ordered())
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    def _tell_watchers(self, row: InstanceRow) -> None:
        for watcher in self._watchers:
            watcher.add(row.id)

    async def write_statuses(self) -> None:
        """Write the statuses and the notes on runs that are not written yet: many changes, one transaction."""
        await asyncio.sleep(0)
        actors = [actor for number in self._dirty if (actor := self._registry.of(number))]
        self._dirty.clear()
        try:
            await self._store.write_statuses(
                [Seen(actor.row, str(actor.state.status), actor.pid, actor.state.run) for actor in actors]
            )
            await self._runs.write()
        except AiKoreError as error:
            self._notices.report("error", error.message)
