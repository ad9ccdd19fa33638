"""Launch scripts of instances: reading, comparing with the blueprint, saving without overwriting another's change."""

from __future__ import annotations

import asyncio
from typing import Any

from aikore.base.errors import ConflictError, InvalidBlueprintError, NotFoundError, StaleError, UnknownBlueprintError
from aikore.blueprints.header import parse_header
from aikore.blueprints.library import Blueprint, Library
from aikore.instances.actor import Actor
from aikore.instances.files import InstanceFiles, clean_script, script_version
from aikore.instances.orders import Orders
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.routes import Routes


async def usable_blueprint(library: Library, name: str) -> Blueprint:
    """Return a blueprint. Raises UnknownBlueprintError, and InvalidBlueprintError when its header is wrong."""
    blueprint = await asyncio.to_thread(library.get, name)
    if blueprint.error:
        raise InvalidBlueprintError(f"The blueprint {blueprint.id} cannot be used: {blueprint.error}")
    return blueprint


class Scripts:
    """Reads and saves launch scripts."""

    def __init__(
        self,
        library: Library,
        files: InstanceFiles,
        registry: Registry,
        orders: Orders,
        routes: Routes,
        publisher: Publisher,
    ) -> None:
        self._library = library
        self._files = files
        self._registry = registry
        self._orders = orders
        self._routes = routes
        self._publisher = publisher

    async def read(self, actor: Actor) -> tuple[str, str]:
        """Return the launch script and its version."""
        actor.require_folder()
        content = await asyncio.to_thread(self._files.read_script, actor.row.slug)
        return content.decode("utf-8", "replace"), script_version(content)

    async def compare(self, actor: Actor) -> dict[str, Any]:
        """Return the blueprint's present text and what changed since the script was taken from it."""
        try:
            blueprint = await asyncio.to_thread(self._library.get, actor.row.base_blueprint)
        except UnknownBlueprintError as error:
            raise NotFoundError(error.message) from error
        _, present = await self.read(actor)
        origin = actor.row.script_origin
        return {
            "content": blueprint.content,
            "version": blueprint.version,
            "edited": present != origin,
            "renewed": blueprint.version != origin,
        }

    async def save(self, actor: Actor, content: str, expected: str) -> str:
        """Save the launch script if it is still the ``expected`` version; return the new one."""
        script = clean_script(content)
        parse_header(script.decode())
        actor.require_folder()
        async with self._registry.structure:
            if expected != "*" and expected != (await self.read(actor))[1]:
                raise StaleError("The script was changed since you opened it. Load it again, then save.")
            await self.put(actor, script)
        if actor.state.harm:
            actor.look_again()
        self._publisher.changed(actor)
        return script_version(script)

    async def put(self, actor: Actor, script: bytes) -> None:
        """Replace the launch script and learn its header; re-address the instance where that asks for it."""
        await asyncio.to_thread(self._files.write_script, actor.row.slug, script)
        before = await self._orders.learn_header(actor.row)
        if before.base_path != self._registry.header(actor.row).base_path:
            await self._routes.apply()

    async def of_new_blueprint(self, actor: Actor, name: str | None, replace: bool | None) -> bytes | None:
        """Return the script that another blueprint brings; None when the present one stays."""
        if name is None or name == actor.row.base_blueprint:
            return None
        blueprint = await usable_blueprint(self._library, name)
        present = await asyncio.to_thread(self._files.read_script, actor.row.slug)
        edited = script_version(present) != actor.row.script_origin
        if edited and replace is None:
            raise ConflictError(
                "The launch script was edited. Say replace_script: true to take the new blueprint's script "
                "(a copy of the edited one is kept), or false to keep the edited one."
            )
        if edited and not replace:
            return None
        if edited:
            await asyncio.to_thread(self._files.keep_old_script, actor.row.slug)
        return blueprint.content.encode()
