"""Goes along the logs of the runs whose blueprints name words to warn of, and shows what was found.

What one look reads is :mod:`aikore.instances.warned`'s matter.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from aikore.base.errors import AiKoreError
from aikore.instances import lifecycle
from aikore.instances.actor import Actor
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.store import Store
from aikore.instances.warned import Warned, WarnedBook, look
from aikore.launch.layout import LOGS_NAME

WARNED_KEY = "warnings"
"""House memory: the warnings in the logs of the present runs, and how far these were read."""
LOOK_EVERY = 1.0
"""Seconds between two looks for warnings."""

Look = tuple[Path, tuple[str, ...], Warned, bool]
"""The arguments of :func:`aikore.instances.warned.look`."""


class Warnings:
    """Follows the logs of all instances."""

    def __init__(self, book: WarnedBook, store: Store, registry: Registry, publisher: Publisher) -> None:
        self._book = book
        self._store = store
        self._registry = registry
        self._publisher = publisher

    async def load(self) -> None:
        """Remember how far the logs were read before."""
        self._book.remember(await self._store.recall(WARNED_KEY))

    async def keep(self) -> None:
        """Remember how far the logs are read; a disk that refuses costs another look."""
        self._book.forget(self._registry.ids())
        with suppress(AiKoreError):
            await self._store.keep(WARNED_KEY, self._book.memory())

    async def follow(self) -> None:
        """Look for warnings for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            due = [one for actor in self._registry.all() if (one := self._due(actor))]
            found = await asyncio.to_thread(_look_all, [one for _, one in due]) if due else []
            more = [
                actor
                for (actor, (_, _, before, last)), seen in zip(due, found, strict=True)
                if self._book.take(actor.row.id, before, seen, last)
            ]
            if more:
                await self.keep()
            for actor in more:
                self._publisher.changed(actor)

    def _due(self, actor: Actor) -> tuple[Actor, Look] | None:
        """Return what a look needs; None for an instance without words, or whose run was read to its end."""
        words, handle = self._registry.header(actor.row).warn, actor.handle
        if not words or handle is None or handle.record.run != actor.state.run:
            return None
        at = self._book.at(actor.row.id, handle.record.run, handle.record.log_offset)
        ended = actor.state.status not in lifecycle.ALIVE
        return None if at is None else (actor, (actor.folder / LOGS_NAME, words, at, ended))


def _look_all(looks: list[Look]) -> list[Warned]:
    return [look(*one) for one in looks]
