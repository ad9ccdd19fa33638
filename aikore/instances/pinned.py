"""Applies what is known of the machine's GPUs (:mod:`aikore.instances.pins`) to the instances that chose some."""

from __future__ import annotations

import logging

from aikore.instances.actor import Actor
from aikore.instances.background import Background
from aikore.instances.pins import Pins
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.store import Store
from aikore.monitor.gpus import Inventory

log = logging.getLogger(__name__)

GPUS_KEY = "gpus"
"""House memory: the names of the GPUs that were seen."""


class Pinned:
    """Keeps choices and views of instances in step with the GPUs."""

    def __init__(
        self, pins: Pins, store: Store, registry: Registry, publisher: Publisher, background: Background
    ) -> None:
        self._pins = pins
        self._store = store
        self._registry = registry
        self._publisher = publisher
        self._background = background

    async def load(self) -> None:
        """Remember the GPUs that were seen before."""
        self._pins.remember(await self._store.recall(GPUS_KEY))

    def gpus_changed(self, inventory: Inventory) -> None:
        """Take the GPUs as they now are, and show the instances that are chosen for one of them anew."""
        pinned = [actor for actor in self._registry.all() if actor.row.gpu_ids]
        before = [self._pins.view(actor.row.gpu_ids) for actor in pinned]
        if self._pins.see(inventory):
            self._background.run(self._remember(self._pins.memory()))
        for actor, shown in zip(pinned, before, strict=True):
            self.take_over(actor)
            if self._pins.view(actor.row.gpu_ids) != shown:
                self._publisher.changed(actor)

    async def _remember(self, memory: str) -> None:
        await self._store.keep(GPUS_KEY, memory)

    def take_over(self, actor: Actor) -> None:
        """Let a choice that an older AiKore made by index mean the cards that now bear it."""
        keys = self._pins.taken_over(actor.row.gpu_ids)
        if keys is not None:
            log.info("%s: the GPUs %s are %s from now on", actor.row.slug, actor.row.gpu_ids, keys)
            actor.row.gpu_ids = keys
            self._background.run(self._store.write(actor.row, {"gpu_ids": keys}))
