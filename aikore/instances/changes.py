"""Changes instances: what people choose for them, their order, the active slot. All of a change or nothing."""

from __future__ import annotations

from typing import Any

from aikore import naming
from aikore.base.errors import ConflictError, InvalidError, ProxyError
from aikore.instances.actor import Actor
from aikore.instances.claims import Claims
from aikore.instances.displays import Displays
from aikore.instances.files import script_version
from aikore.instances.pins import Pins
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.routes import ROUTED, Routes
from aikore.instances.schemas import InstanceChange
from aikore.instances.scripts import Scripts
from aikore.instances.store import Store


class Changes:
    """Checks changes and carries them out."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        claims: Claims,
        displays: Displays,
        pins: Pins,
        scripts: Scripts,
        routes: Routes,
        publisher: Publisher,
    ) -> None:
        self._store = store
        self._registry = registry
        self._claims = claims
        self._displays = displays
        self._pins = pins
        self._scripts = scripts
        self._routes = routes
        self._publisher = publisher

    async def change(self, actor: Actor, wanted: InstanceChange) -> None:
        """Change what is given. Settings of the program take effect at its next start.

        What stood for values that could not be read is written with it: whoever edits has seen it.
        """
        actor.require_folder()
        given = wanted.model_dump(exclude_unset=True)
        replace_script = given.pop("replace_script", None)
        changes = {key: value for key, value in given.items() if value is not None or key == "gpu_ids"}
        async with self._registry.structure:
            faulty = {field: getattr(actor.row, field) for field in self._store.faults.get(actor.row.id, ())}
            changes = faulty | changes
            await self._check(actor, changes)
            script = await self._scripts.of_new_blueprint(actor, changes.get("base_blueprint"), replace_script)
            if script is not None:
                changes["script_origin"] = script_version(script)
            await self._save(actor, changes)
            self._store.faults.pop(actor.row.id, None)
            if script is not None:
                await self._scripts.put(actor, script)
        if actor.state.harm:
            actor.look_again()
        self._publisher.changed(actor)

    async def _check(self, actor: Actor, changes: dict[str, Any]) -> None:
        """Bring changes into the form in which they are stored. Raises what is wrong with them."""
        number = actor.row.id
        if "name" in changes:
            changes["name"] = naming.clean_name(changes["name"])
            if changes["name"] != actor.row.name:
                changes["name_key"] = naming.name_key(changes["name"])
                self._claims.check_name(changes["name"], number)
        if "hostname" in changes:
            changes["hostname"] = naming.clean_hostname(changes["hostname"])
            self._claims.check_hostname(changes["hostname"], number)
        if "group" in changes:
            changes["group"] = self._claims.group_as_known(naming.clean_group(changes["group"]), number)
        if "gpu_ids" in changes:
            changes["gpu_ids"] = await self._pins.choose(changes["gpu_ids"], actor.row.gpu_ids)
        if changes.get("persistent_mode") and not actor.row.persistent_mode:
            await self._displays.require(self._registry.header(actor.row))

    async def _save(self, actor: Actor, changes: dict[str, Any]) -> None:
        """Write changes to the row and re-address the instance where they ask for it; all of it or nothing."""
        before = {key: getattr(actor.row, key) for key in changes}
        await self._store.write(actor.row, changes)
        if any(before.get(key) != changes.get(key) for key in ROUTED):
            try:
                await self._routes.apply()
            except ProxyError:
                await self._store.write(actor.row, before)
                raise

    async def arrange(self, ids: list[int]) -> None:
        """List the instances in this order; those left out follow in the order they have."""
        if len(set(ids)) < len(ids):
            raise InvalidError("An instance is named twice in the order.")
        async with self._registry.structure:
            named = [self._registry.get(str(number)) for number in ids]
            left_out = [actor for actor in self._registry.ordered() if actor.row.id not in set(ids)]
            moved = {
                actor: position
                for position, actor in enumerate((*named, *left_out), 1)
                if actor.row.position != position
            }
            await self._store.arrange({actor.row: position for actor, position in moved.items()})
        for actor in moved:
            self._publisher.changed(actor)

    async def rebuild(self, actor: Actor) -> None:
        """Have the environment rebuilt at the next start."""
        await self._store.write(actor.row, {"rebuild_pending": True})
        self._publisher.changed(actor)

    async def activate(self, actor: Actor) -> None:
        """Give the active slot to an instance that provides ComfyUI; whoever had it loses it."""
        if "comfyui" not in self._registry.header(actor.row).provides:
            raise ConflictError(f"{actor.row.name} does not provide ComfyUI, so it cannot take the active slot.")
        async with self._registry.structure:
            holders = [one for one in self._registry.all() if one.row.is_comfyui_active_slot and one is not actor]
            for holder in holders:
                await self._store.write(holder.row, {"is_comfyui_active_slot": False})
            await self._save(actor, {"is_comfyui_active_slot": True})
        for changed in (*holders, actor):
            self._publisher.changed(changed)
