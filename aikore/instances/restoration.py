"""Makes instances again of what is there already: entries of the trash, and folders without a row.

Nothing of a card is believed that makes no sense or opens a door; names, slugs and ports only where they are free.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from aikore import naming
from aikore.base.errors import InvalidNameError, NotFoundError
from aikore.blueprints.library import Library
from aikore.instances.actor import Actor
from aikore.instances.claims import CHOICES, Claims, choose
from aikore.instances.files import InstanceFiles
from aikore.instances.host import Host
from aikore.instances.orders import Orders
from aikore.instances.pinned import Pinned
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.routes import Routes
from aikore.instances.rows import InstanceRow
from aikore.instances.runs import RunBook
from aikore.instances.schemas import InstanceCreate
from aikore.instances.store import Store
from aikore.instances.trash import Trash
from aikore.instances.trashcan import Trashcan
from aikore.instances.unlisted import Unlisted, find_unlisted

log = logging.getLogger(__name__)


class Restoration:
    """Brings instances back."""

    def __init__(
        self,
        library: Library,
        files: InstanceFiles,
        store: Store,
        registry: Registry,
        claims: Claims,
        runs: RunBook,
        trash: Trash,
        trashcan: Trashcan,
        orders: Orders,
        pinned: Pinned,
        routes: Routes,
        host: Host,
        publisher: Publisher,
    ) -> None:
        self._library = library
        self._files = files
        self._store = store
        self._registry = registry
        self._claims = claims
        self._runs = runs
        self._trash = trash
        self._trashcan = trashcan
        self._orders = orders
        self._pinned = pinned
        self._routes = routes
        self._host = host
        self._publisher = publisher

    # From the trash -----------------------------------------------------------------------------------------

    async def restore(self, entry_id: str) -> Actor:
        """Bring an instance back from the trash, under its old slug and name where they are free."""
        async with self._registry.structure, self._trashcan.with_reserve():
            entry = await asyncio.to_thread(self._trash.entry, entry_id)
            card = entry.card
            old_slug = str(card["slug"])
            row = self._row_of(card)
            if self._claims.slug_is_free(old_slug):
                row.slug = old_slug
            row.rebuild_pending = row.slug != old_slug
            actor = await self._settle(row, entry_id)
            self._runs.take_over(row.id, card.get("runs", []))
        await self._trashcan.refresh()
        await self._routes.apply_or_notice(actor)
        return actor

    async def _settle(self, row: InstanceRow, entry_id: str) -> Actor:
        """Bring the folders back and make row and actor; undo all of it when one step fails."""
        await self._store.add_restoring(row, entry_id)
        try:
            moves = await asyncio.to_thread(self._trash.restore, entry_id, row.slug)
            try:
                await self._store.end_restoring(row)
            except BaseException:
                await asyncio.to_thread(moves.undo)
                raise
        except BaseException:
            await self._store.delete({row.id})
            raise
        self._trashcan.remove(await asyncio.to_thread(self._trash.drop, entry_id))
        await self._orders.learn_header(row)
        actor = self._host.make_actor(row)
        self._registry.add(actor)
        await self._store.write_card(row)
        actor.begin()
        self._pinned.take_over(actor)
        self._publisher.changed(actor)
        return actor

    async def finish_interrupted(self, rows: Sequence[InstanceRow]) -> list[InstanceRow]:
        """Complete deletions, and undo restorations, that a killed manager left between its row and its folder."""
        restoring = await self._store.restorings()
        gone = await asyncio.to_thread(lambda: {row.id for row in rows if self._is_gone(row, restoring.get(row.id))})
        if gone or restoring:
            await self._store.delete(gone, restoring)
        return [row for row in rows if row.id not in gone]

    def _is_gone(self, row: InstanceRow, restoring: str | None) -> bool:
        """Say whether a row without its folder is to go; what belongs to the decision is completed."""
        try:
            if os.path.lexists(self._files.folder(row.slug)):
                if restoring:
                    self._trash.complete_restoration(restoring, row.slug)
                return False
            if restoring is not None or self._trash.complete(row.id, row.slug, row.created_at):
                return True
        except Exception as error:
            log.error("%s: %s", row.slug, error)
        log.error("the folder of %s (instances/%s) is gone", row.name, row.slug)
        return False

    # From folders without a row -----------------------------------------------------------------------------

    async def unlisted(self) -> list[dict[str, str]]:
        """Return the folders in ``instances/`` that belong to no instance."""
        return [one.view() for one in await self._find_unlisted()]

    async def _find_unlisted(self) -> list[Unlisted]:
        known = await self._store.slugs() | {row.slug for row in self._registry.rows()}
        return await asyncio.to_thread(lambda: find_unlisted(self._files.root, known, self._library.list()))

    async def take_in(self, slug: str) -> Actor:
        """Make an instance of a folder without one, as it lies there; what runs in it is adopted."""
        async with self._registry.structure:
            found = {one.slug: one for one in await self._find_unlisted()}
            if slug not in found:
                raise NotFoundError(f"There is no folder {slug[:80]!r} without an instance.")
            card = found[slug].card
            row = self._row_of(card)
            row.slug = slug
            if self._claims.port_is_free(card.get("port")):
                row.port = card["port"]  # what runs there listens on it
            await asyncio.to_thread(self._files.complete, slug)
            await self._store.add(row)
            await self._orders.learn_header(row)
            actor = self._host.make_actor(row)
            self._registry.add(actor)
            await actor.adopt()
            actor.begin()
            await self._store.write_card(row)
        self._publisher.changed(actor)
        await self._routes.apply_or_notice(actor)
        return actor

    def _row_of(self, card: dict[str, Any]) -> InstanceRow:
        """Return a new row with what a card says, as far as that can be had and makes sense."""
        row = self._claims.new_row(self._claims.free_name(str(card["name"])), "", str(card["base_blueprint"]))
        wanted = {"name": row.name, "base_blueprint": row.base_blueprint or "custom"}
        try:
            chosen = InstanceCreate.model_validate(wanted | {field: card[field] for field in CHOICES if field in card})
        except ValidationError as error:
            log.warning("the card of %s holds nonsense: %s", row.slug, error)
            chosen = InstanceCreate.model_validate(wanted)
        choose(row, chosen)
        row.script_origin = str(card.get("script_origin", ""))[:64]
        row.last_run = _number(card.get("last_run"), 0)
        row.position = _number(card.get("position"), row.position)
        hostname = str(card.get("hostname", ""))
        with suppress(InvalidNameError):
            row.hostname = "" if self._claims.hostname_taken(hostname, None) else naming.clean_hostname(hostname)
        return row


def _number(value: object, instead: int) -> int:
    """Return a number of a card, where it is one."""
    return value if isinstance(value, int) and 0 <= value < 2**31 else instead
