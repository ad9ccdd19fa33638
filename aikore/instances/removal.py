"""Deletes instances: to the trash or for good, with all that belonged to them elsewhere in the house."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aikore.base.errors import ConflictError
from aikore.instances import lifecycle
from aikore.instances.actor import Actor
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.routes import Routes
from aikore.instances.rows import InstanceRow
from aikore.instances.runs import RunBook
from aikore.instances.store import Store
from aikore.instances.trash import Moves, Trash
from aikore.instances.trashcan import Trashcan
from aikore.notices import Noticeboard

log = logging.getLogger(__name__)


class Removal:
    """Moves instances out of the house; all of it or nothing."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        runs: RunBook,
        trash: Trash,
        trashcan: Trashcan,
        routes: Routes,
        publisher: Publisher,
        notices: Noticeboard,
    ) -> None:
        self._store = store
        self._registry = registry
        self._runs = runs
        self._trash = trash
        self._trashcan = trashcan
        self._routes = routes
        self._publisher = publisher
        self._notices = notices
        self.on_removed: list[Callable[[int], Awaitable[None]]] = []
        """What is awaited with the number of an instance that was removed."""

    async def delete(self, actor: Actor, permanent: bool, force: bool) -> None:
        """Move an instance to the trash, or past it. With ``force`` it is stopped first."""
        if force:
            await actor.wish(lifecycle.Stop())
            await actor.until(lifecycle.is_over)
        async with self._trashcan.with_reserve():
            async with self._registry.structure:
                if actor in self._registry.copied:
                    raise ConflictError(f"{actor.row.name} is being copied. Delete it when that is done.")
                await actor.retire()
                try:
                    moves = await self._throw_out(actor.row, permanent)
                except BaseException:
                    actor.unretire()
                    raise
                self._forget(actor)
                if permanent:
                    self._trashcan.remove([target for _, target in moves.done])
            await self.tell(actor.row)
            await self._trashcan.refresh()
            await self._routes.apply_or_notice(actor)

    async def _throw_out(self, row: InstanceRow, permanent: bool) -> Moves:
        """Move the folders out of the house and delete the row; all of it or nothing."""
        if permanent:
            moves = await asyncio.to_thread(self._trash.doom, row.slug)
        else:
            card = self._store.card(row) | {"runs": await self._runs.of(row.id)}
            moves = await asyncio.to_thread(self._trash.throw_away, row.slug, card)
        try:
            await self._store.delete({row.id})
        except BaseException:
            await asyncio.to_thread(moves.undo)
            raise
        return moves

    def _forget(self, actor: Actor) -> None:
        actor.close()
        self._registry.remove(actor)
        self._runs.drop(actor.row.id)
        self._store.forget(actor.row.id)
        self._publisher.removed(actor.row)

    async def tell(self, row: InstanceRow) -> None:
        """End what belonged to an instance elsewhere in the house. What fails is told and holds nothing else up."""
        for result in await asyncio.gather(*(hook(row.id) for hook in self.on_removed), return_exceptions=True):
            if isinstance(result, Exception):
                log.error("something of %s was not ended with it", row.slug, exc_info=result)
                message = f"{row.name} is deleted, but not all that belonged to it could be ended: {result}"
                self._notices.report("error", message)

    async def purge(self, entry_id: str) -> None:
        """Delete a trash entry for good."""
        async with self._registry.structure:
            self._trashcan.remove(await asyncio.to_thread(self._trash.purge, entry_id))
        await self._trashcan.refresh()
