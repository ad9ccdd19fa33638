"""Makes instances, from a blueprint or from another instance. Refused before anything is made, or undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aikore import naming
from aikore.base.apart import Apart
from aikore.base.errors import ProxyError
from aikore.blueprints.library import Library
from aikore.instances.actor import Actor
from aikore.instances.claims import Claims, choose
from aikore.instances.displays import Displays
from aikore.instances.files import InstanceFiles, script_version
from aikore.instances.host import Host
from aikore.instances.orders import Orders
from aikore.instances.pins import Pins
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.removal import Removal
from aikore.instances.routes import Routes
from aikore.instances.rows import InstanceRow
from aikore.instances.schemas import InstanceCreate
from aikore.instances.scripts import usable_blueprint
from aikore.instances.store import Store


class Creation:
    """Makes new instances and opens them."""

    def __init__(
        self,
        library: Library,
        files: InstanceFiles,
        store: Store,
        registry: Registry,
        claims: Claims,
        displays: Displays,
        pins: Pins,
        orders: Orders,
        routes: Routes,
        host: Host,
        publisher: Publisher,
        removal: Removal,
    ) -> None:
        self._library = library
        self._files = files
        self._store = store
        self._registry = registry
        self._claims = claims
        self._displays = displays
        self._pins = pins
        self._orders = orders
        self._routes = routes
        self._host = host
        self._publisher = publisher
        self._removal = removal
        self._copies = Apart[None]()

    async def create(self, wanted: InstanceCreate) -> Actor:
        """Make an instance of a blueprint."""
        name = naming.clean_name(wanted.name)
        hostname = naming.clean_hostname(wanted.hostname)
        group = self._claims.group_as_known(naming.clean_group(wanted.group), None)
        blueprint = await usable_blueprint(self._library, wanted.base_blueprint)
        gpu_ids = await self._pins.choose(wanted.gpu_ids)
        if wanted.persistent_mode:
            await self._displays.require(blueprint.header)
        script = blueprint.content.encode()
        async with self._registry.structure:
            row = self._claims.new_row(name, hostname, blueprint.id)
            choose(row, wanted)
            row.gpu_ids = gpu_ids
            row.group = group
            row.script_origin = script_version(script)
            actor = await self._settle(row, lambda: self._files.create(row.slug, script))
        return await self._open(actor)

    async def copy(self, source: Actor, wanted_name: str) -> Actor:
        """Clone an instance's choices and files under a new name; logs, environment and outputs stay behind.

        The clone has its source's position, so it is listed right behind it.
        """
        name = naming.clean_name(wanted_name)
        source.require_folder()
        async with self._registry.structure:
            self._registry.get(str(source.row.id))
            row = self._claims.new_row(name, "", source.row.base_blueprint)
            choose(row, source.row)
            row.autostart = False
            row.position = source.row.position
            row.script_origin = source.row.script_origin
            self._registry.coming.append(row)
            self._registry.copied.append(source)
        try:  # outside the lock: it may take long
            await self._copies.at(row.slug, partial(self._files.copy, source.row.slug, row.slug))
            async with self._registry.structure:
                actor = await self._settle(row, lambda: None)
        finally:
            self._registry.coming.remove(row)
            self._registry.copied.remove(source)
        return await self._open(actor)

    async def _settle(self, row: InstanceRow, fill: Callable[[], None]) -> Actor:
        """Make folder, row and actor of a new instance; undo all of it when one step fails."""
        await asyncio.to_thread(fill)
        try:
            await self._store.add(row)
        except BaseException:
            await asyncio.to_thread(self._files.discard, row.slug)
            raise
        await self._orders.learn_header(row)
        actor = self._host.make_actor(row)
        self._registry.add(actor)
        await self._store.write_card(row)
        return actor

    async def _open(self, actor: Actor) -> Actor:
        """Route a new instance and show it; undo its making when NGINX refuses.

        Outside the structure lock, so that instances made together share one reload.
        """
        try:
            await self._routes.apply()
        except ProxyError:
            async with self._registry.structure:
                self._registry.remove(actor)
                await self._store.delete({actor.row.id})
                await asyncio.to_thread(self._files.discard, actor.row.slug)
            await self._removal.tell(actor.row)
            raise
        actor.begin()
        self._publisher.changed(actor)
        return actor
