"""All instances of the house: makes, changes and removes them, and reconciles the routes.

Statuses are not its matter; it hands wishes to the actors. Structural changes run one after the other.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aikore import naming
from aikore.base import procfs
from aikore.base.disk import Reserve, remove_tree, storage
from aikore.base.errors import (
    AiKoreError,
    ConflictError,
    InvalidBlueprintError,
    InvalidError,
    InvalidNameError,
    NameTakenError,
    NotFoundError,
    ProxyError,
    StaleError,
    StorageError,
    UnknownBlueprintError,
)
from aikore.base.events import Bus
from aikore.base.home_identity import Original
from aikore.base.looks import Looks
from aikore.base.times import stamp, unix, utcnow
from aikore.blueprints.header import Header, parse_header
from aikore.blueprints.library import Library
from aikore.config import Settings, shipped_dir
from aikore.database.engine import Database
from aikore.instances import copied, lifecycle, oom, ports, views
from aikore.instances.actor import Actor, Readiness
from aikore.instances.cards import house_of, write_card
from aikore.instances.chores import Chores
from aikore.instances.examine import examine
from aikore.instances.files import InstanceFiles, clean_script, script_version
from aikore.instances.mounts import MountWatch
from aikore.instances.pins import Look, Pins
from aikore.instances.probe import Target
from aikore.instances.rows import HouseRow, InstanceRow
from aikore.instances.runs import Note, RunBook, forget_runs
from aikore.instances.schemas import InstanceChange, InstanceCreate
from aikore.instances.stored import Faults, read_rows
from aikore.instances.topics import INSTANCE, INSTANCE_REMOVED, TRASH, Removed
from aikore.instances.trash import Moves, Trash
from aikore.instances.unlisted import Unlisted, find_unlisted
from aikore.instances.warned import Warned, WarnedBook, look
from aikore.launch import desktop
from aikore.launch.environment import Place, launch_environment
from aikore.launch.keeper.process import machine_session
from aikore.launch.protocol import Launcher, RunSpec
from aikore.launch.stages import StageWatcher
from aikore.monitor.gpus import Inventory
from aikore.monitor.instances import Subject
from aikore.notices import Level, Noticeboard
from aikore.proxy.flags import Flags
from aikore.proxy.routes import Proxy, Route

log = logging.getLogger(__name__)

GPUS_KEY = "gpus"
"""House memory: the names of the GPUs that were seen."""

WARNED_KEY = "warnings"
"""House memory: the warnings in the logs of the present runs, and how far these were read."""
WARNED_EVERY = 1.0
"""Seconds between two looks for warnings."""

SESSION_KEY = "session"
"""House memory: the machine session in which instances were last started by autostart; empty after a clean end."""

ROUTED = ("hostname", "is_comfyui_active_slot", "app_port")
"""Fields whose change re-addresses an instance."""


BROKEN_LOOK = 2.0
"""Seconds between looks at broken instances: a folder that was moved back is told by nothing."""
LEFT_OUT = (
    "Row {} of the table `instances` in the database cannot be read, so that instance is not listed. "
    "Nothing of it was changed; restore the database from a backup to have it back."
)
MOUNT_PAUSE = 0.2
"""Seconds in which mounts that come together cost one look."""

CHOICES = (
    "gpu_ids", "autostart", "persistent_mode", "environment", "launch_args", "restart_policy", "open_networks",
    "group",
)  # fmt: skip
"""Fields that a person chooses and that a copy or a restored instance takes along."""


class Manager:
    """The workshop of the actors and the home of their rows."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        library: Library,
        launcher: Launcher,
        proxy: Proxy,
        bus: Bus,
        notices: Noticeboard,
        look_at_gpus: Look,
    ) -> None:
        self.settings = settings
        self.launcher = launcher
        self.stages = StageWatcher()
        self.flags = Flags(settings.flags_dir)
        self.files = InstanceFiles(settings)
        self._bin = Trash(settings)
        self._reserve = Reserve(settings.reserve_file)
        self.runs = RunBook(database)
        self._database = database
        self._library = library
        self._proxy = proxy
        self._bus = bus
        self._notices = notices
        self.pins = Pins(look_at_gpus)
        self._warned = WarnedBook()
        self._actors: dict[int, Actor] = {}
        self._headers: dict[int, Header] = {}
        self._looks = Looks[tuple[lifecycle.Examined, Header]]()
        self._oom = oom.OomWatch()
        self._faults: Faults = {}
        self.on_removed: list[Callable[[int], Awaitable[None]]] = []
        """What is awaited with the number of an instance that was removed."""
        self._house: dict[str, str] = {}
        """What cards say of this house."""
        self._loaded = False
        self._trash: list[dict[str, Any]] = []
        self._counting: set[str] = set()
        self._cards, self._counts, self._removals = Chores("cards"), Chores("trash sizes"), Chores("removals")
        self._coming: list[InstanceRow] = []
        """Rows of copies that are being made: their names, slugs and ports are taken."""
        self._copied: list[Actor] = []
        """Instances that are being copied."""
        self._structure = asyncio.Lock()
        self._dirty: set[int] = set()
        self._written: dict[int, tuple[str, int | None, int]] = {}
        """Status, PID and run of each instance as this manager last had them written."""
        self._tasks: set[asyncio.Task[None]] = set()

    # Start and end ------------------------------------------------------------------------------------------

    async def load(self, original: Original | None = None) -> None:
        """Read the rows and find out how every instance is. Nothing may be answered before this returns.

        ``original``: what this house is a copy of, at the first start after it was copied.
        """
        self._house = await asyncio.to_thread(house_of, self.settings.home)
        rows, self._faults = await self._database.run(read_rows)
        rows = await self._finish_interrupted(rows)
        if original is not None:
            await self._part_from(original, rows)
        await self._give_displays(rows)
        self.pins.remember(await self._database.run(lambda s: _recall(s, GPUS_KEY)))
        self._warned.remember(await self._database.run(lambda s: _recall(s, WARNED_KEY)))
        for number in self._faults.keys() - {row.id for row in rows}:
            self._notice("error", LEFT_OUT.format(number))
        self._headers = {row.id: Header() for row in rows}
        self._actors = {row.id: self._actor_of(row) for row in rows}
        await asyncio.gather(*(actor.adopt() for actor in self._actors.values()))
        alive = {actor.row.slug for actor in self._actors.values() if actor.state.status in lifecycle.ALIVE}
        await asyncio.to_thread(self.flags.keep, alive)
        for actor in self._actors.values():
            actor.begin()
        living = {row.id: row.slug for row in rows}
        self._remove(await asyncio.to_thread(self._bin.sweep, living))
        await self._trash_changed()
        for actor in self._actors.values():
            if not actor.state.harm:
                self._cards.add(partial(self._renew_card, actor))
        if lost := await self.unlisted():
            names = ", ".join(one["slug"] for one in lost[:5]) + (" and more" if len(lost) > 5 else "")
            self._notice(
                "warning",
                f"Folders in instances/ that belong to no instance: {names}. Take them in again in the trash's dialog.",
            )
        self._loaded = True
        self._background(self._follow_warnings())
        self._background(self._follow_disks())
        self._background(self._follow_oom())

    def _actor_of(self, row: InstanceRow) -> Actor:
        actor = Actor(row, self)
        actor.out_of_memory = self._oom.killed_lately
        return actor

    async def _follow_oom(self) -> None:
        while True:
            await asyncio.sleep(oom.LOOK_EVERY)
            await asyncio.to_thread(self._oom.look)

    async def _part_from(self, original: Original, rows: list[InstanceRow]) -> None:
        """Give this copy ports of its own where it needs them, and say so."""
        changes = await asyncio.to_thread(copied.readdress, rows, self.settings, original)
        before = {row.id: row.port for row in rows}
        for row in rows:
            if row.id in changes:
                await self._write_row(row, changes[row.id])
        moved = [(row.name, before[row.id], row.port) for row in rows if row.port != before[row.id]]
        shared = await asyncio.to_thread(copied.shared_folders, self.settings)
        self._notice("warning", copied.tell(original, moved, shared))
        if original.lives:  # what starts by itself runs there already
            await self._remember_session(machine_session())

    async def _give_displays(self, rows: list[InstanceRow]) -> None:
        """Give a display number to instances of an AiKore that had no desktops."""
        for row in rows:
            if row.vnc_display is None:
                try:
                    await self._write_row(row, {"vnc_display": self._free_display(rows)})
                except AiKoreError as error:
                    log.error("%s has no display number: %s", row.slug, error.message)

    def _free_display(self, rows: list[InstanceRow]) -> int:
        return desktop.choose_display(self.settings.home, (row.vnc_display for row in rows if row.vnc_display))

    async def _finish_interrupted(self, rows: list[InstanceRow]) -> list[InstanceRow]:
        """Complete deletions, and undo restorations, that a killed manager left between its row and its folder."""
        restoring = await self._database.run(_restorings)
        gone = await asyncio.to_thread(lambda: {row.id for row in rows if self._is_gone(row, restoring.get(row.id))})
        if gone or restoring:
            await self._database.run(lambda s: _delete_rows(s, gone, restoring))
        return [row for row in rows if row.id not in gone]

    def _is_gone(self, row: InstanceRow, restoring: str | None) -> bool:
        """Say whether a row without its folder is to go; what belongs to the decision is completed."""
        try:
            if os.path.lexists(self.files.folder(row.slug)):
                if restoring:
                    self._bin.complete_restoration(restoring, row.slug)
                return False
            if restoring is not None or self._bin.complete(row.id, row.slug, row.created_at):
                return True
        except Exception as error:
            log.error("%s: %s", row.slug, error)
        log.error("the folder of %s (instances/%s) is gone", row.name, row.slug)
        return False

    async def autostart(self) -> None:
        """Start what is to start by itself, once per start of the machine or of the house."""
        session = machine_session()
        if await self._remember_session(session) == session:
            return
        slots = asyncio.Semaphore(self.settings.autostart_parallel)
        for actor in self._actors.values():
            if actor.row.autostart:
                self._background(self._autostart_one(actor, slots))

    async def _remember_session(self, session: str) -> str:
        """Remember a machine session and return the one before; "" where a disk refuses, which stops no start."""
        if await self._database.run(lambda s: _recall(s, SESSION_KEY)) == session:
            return session
        async with self._with_reserve():
            try:
                return await self._database.run(lambda s: _remember(s, session))
            except StorageError as error:
                self._notice("error", error.message)
                return ""

    async def _autostart_one(self, actor: Actor, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                await actor.wish(lifecycle.Start())
            except AiKoreError as error:
                self._notice("error", f"{actor.row.name} did not start by itself: {error.message}")
                return
            with self._bus.subscribe() as changes:
                while actor.state.status is lifecycle.Status.STARTING:
                    await changes.next()
                    changes.reset()

    async def close_house(self) -> None:
        """End all instances side by side; return when nothing of them is left."""
        await self._remember_session("")
        for actor in self._actors.values():
            self._background(actor.wish(lifecycle.Stop()))
        with self._bus.subscribe() as changes:
            while any(actor.state.status in lifecycle.ALIVE for actor in self._actors.values()):
                await changes.next()
                changes.reset()

    async def detach(self) -> None:
        """Let go of everything without ending it."""
        for actor in self._actors.values():
            actor.close()
        for task in self._tasks:
            task.cancel()
        await self._write_statuses()
        await self._keep_warnings()
        self.stages.close()

    async def _follow_disks(self) -> None:
        """Have instances at rest looked at when something was mounted or unmounted, and often while one is broken."""
        mounts = MountWatch()
        try:
            while True:
                changed = await mounts.wait(BROKEN_LOOK)
                for actor in self._actors.values():
                    if changed or actor.state.harm:
                        actor.look_again()
                if changed:
                    await asyncio.sleep(MOUNT_PAUSE)
        finally:
            mounts.close()

    # Looking up ---------------------------------------------------------------------------------------------

    def actor(self, key: str) -> Actor:
        """Return the actor of an id or slug. Raises NotFoundError."""
        if key.isascii() and key.isdigit():
            found = self._actors.get(int(key[:18]))
        else:
            found = next((actor for actor in self._actors.values() if actor.row.slug == key), None)
        if found is None:
            raise NotFoundError(f"There is no instance {key[:100]!r}.")
        return found

    def known_ids(self) -> set[int]:
        """Return the numbers of all instances, those too whose rows cannot be read."""
        return self._actors.keys() | self._faults.keys()

    def instance_id(self, key: str) -> int:
        """Return the number of an id or slug. Raises NotFoundError."""
        return self.actor(key).row.id

    def identify(self, key: str) -> tuple[int, str]:
        """Return number and slug of an id or slug. Raises NotFoundError."""
        row = self.actor(key).row
        return row.id, row.slug

    def usable(self, key: str) -> tuple[int, str]:
        """Like :meth:`identify`, for what lies in the folder. Raises BrokenInstanceError when that is out of reach."""
        actor = self.actor(key)
        actor.require_folder()
        return actor.row.id, actor.row.slug

    def access_of(self, slug: str) -> tuple[int, list[str]]:
        """Return the number of an instance and the networks that need no login for it. Raises NotFoundError."""
        row = self.actor(slug).row
        return row.id, row.open_networks

    def is_routed_host(self, host: str) -> bool:
        """Say whether an instance answers under this host name."""
        slug, _, domain = host.lower().rstrip(".").partition(".")
        rows = [actor.row for actor in self._actors.values()]
        known = domain in ("localhost", self.settings.app_domain.lower() or "localhost")
        return any(row.hostname == host.lower() or (known and row.slug == slug) for row in rows)

    def view(self, actor: Actor) -> dict[str, Any]:
        header = self._headers.get(actor.row.id, Header())
        warnings = self._warned.view(actor.row.id, actor.state.run)
        shown = views.instance_view(actor, header, self.settings)
        return shown | self.pins.view(actor.row.gpu_ids) | {"warnings": warnings}

    def list_views(self) -> list[dict[str, Any]]:
        return [self.view(actor) for actor in self._ordered()]

    def _ordered(self) -> list[Actor]:
        return sorted(self._actors.values(), key=lambda actor: (actor.row.position, actor.row.id))

    def subjects(self) -> list[Subject]:
        """Return what the monitor must know of every instance. Any thread may ask."""
        return [self._subject(actor) for actor in list(self._actors.values())]

    def _subject(self, actor: Actor) -> Subject:
        row, state = actor.row, actor.state
        return Subject(
            id=row.id,
            slug=row.slug,
            folder=self.folder(row),
            status=str(state.status),
            root=actor.keeper_pid,
            gpu_ids=None if row.gpu_ids is None else tuple(row.gpu_ids),
            started_at=unix(actor.started_at),
            runs=state.run,
        )

    def trash(self) -> list[dict[str, Any]]:
        return self._trash

    def logs_folder(self, key: str) -> Path:
        """Return the logs folder of an id or slug. Raises NotFoundError, BrokenInstanceError."""
        return self.files.folder(self.usable(key)[1]) / "logs"

    # Making -------------------------------------------------------------------------------------------------

    async def create(self, wanted: InstanceCreate) -> Actor:
        """Make an instance. Refused before anything is made, or undone."""
        name = naming.clean_name(wanted.name)
        hostname = naming.clean_hostname(wanted.hostname)
        group = self._group_as_known(naming.clean_group(wanted.group), None)
        blueprint = await asyncio.to_thread(self._library.get, wanted.base_blueprint)
        if blueprint.error:
            raise InvalidBlueprintError(f"The blueprint {blueprint.id} cannot be used: {blueprint.error}")
        gpu_ids = await self.pins.choose(wanted.gpu_ids)
        if wanted.persistent_mode:
            await asyncio.to_thread(desktop.require, self._desktop_browser(blueprint.header))
        script = blueprint.content.encode()
        async with self._structure:
            row = self._new_row(name, hostname, blueprint.id)
            _choose(row, wanted)
            row.gpu_ids = gpu_ids
            row.group = group
            row.script_origin = script_version(script)
            actor = await self._settle(row, lambda: self.files.create(row.slug, script))
        return await self._open(actor)

    async def copy(self, source: Actor, wanted_name: str) -> Actor:
        """Clone an instance's choices and files under a new name; logs, environment and outputs stay behind.

        The clone has its source's position, so it is listed right behind it.
        """
        name = naming.clean_name(wanted_name)
        source.require_folder()
        async with self._structure:
            self.actor(str(source.row.id))
            row = self._new_row(name, "", source.row.base_blueprint)
            _choose(row, source.row)
            row.autostart = False
            row.position = source.row.position
            row.script_origin = source.row.script_origin
            self._coming.append(row)
            self._copied.append(source)
        try:  # outside the lock: it may take long
            await asyncio.to_thread(self.files.copy, source.row.slug, row.slug)
            async with self._structure:
                actor = await self._settle(row, lambda: None)
        finally:
            self._coming.remove(row)
            self._copied.remove(source)
        return await self._open(actor)

    def _rows(self) -> list[InstanceRow]:
        """Return the rows whose names, slugs and ports are taken."""
        return [*(actor.row for actor in self._actors.values()), *self._coming]

    def _new_row(self, name: str, hostname: str, blueprint: str) -> InstanceRow:
        self._check_name(name, None)
        self._check_hostname(hostname, None)
        rows = self._rows()
        slugs = {row.slug for row in rows}
        slug = naming.make_slug(name, lambda s: s in slugs or self.files.slug_in_use(s))
        return InstanceRow(
            name=name,
            name_key=naming.name_key(name),
            slug=slug,
            base_blueprint=blueprint,
            hostname=hostname,
            autostart=False,
            persistent_mode=False,
            is_comfyui_active_slot=False,
            status="stopped",
            environment={},
            launch_args="",
            restart_policy="never",
            open_networks=[],
            script_origin="",
            rebuild_pending=False,
            last_run=0,
            position=max((row.position for row in rows), default=0) + 1,
            group="",
            port=ports.choose_instance_port(self.settings.instance_port_pool, (row.port for row in rows)),
            app_port=ports.choose_app_port(
                self.settings.app_port_pool, (row.app_port for row in rows if row.app_port), self.settings.host
            ),
            vnc_display=self._free_display(rows),
            created_at=utcnow(),
            updated_at=utcnow(),
        )

    async def _settle(self, row: InstanceRow, fill: Callable[[], None]) -> Actor:
        """Make folder, row and actor of a new instance; undo all of it when one step fails."""
        await asyncio.to_thread(fill)
        try:
            await self._database.run(lambda s: s.add(row))
        except BaseException:
            await asyncio.to_thread(self.files.discard, row.slug)
            raise
        self._headers[row.id] = await asyncio.to_thread(self._read_header, row)
        actor = self._actors[row.id] = self._actor_of(row)
        await self._write_card(row)
        return actor

    def _renew_card(self, actor: Actor) -> None:
        """Bring the card of an instance up to date, unless it is gone meanwhile. Blocking; any thread may ask."""
        if self._actors.get(actor.row.id) is actor:
            write_card(self.files.folder(actor.row.slug), self._card(actor.row))

    async def _write_card(self, row: InstanceRow) -> None:
        """Lay what the row says into the instance's folder, so that it can be taken in again without the row."""
        await asyncio.to_thread(write_card, self.files.folder(row.slug), self._card(row))

    async def _open(self, actor: Actor) -> Actor:
        """Route a new instance and show it; undo its making when NGINX refuses.

        Outside the structure lock, so that instances made together share one reload.
        """
        try:
            await self._reroute()
        except ProxyError:
            async with self._structure:
                del self._actors[actor.row.id], self._headers[actor.row.id]
                await self._database.run(lambda s: _delete_rows(s, {actor.row.id}))
                await asyncio.to_thread(self.files.discard, actor.row.slug)
            await self._tell_removed(actor.row)
            raise
        actor.begin()
        self.changed(actor)
        return actor

    # Changing -----------------------------------------------------------------------------------------------

    async def change(self, actor: Actor, wanted: InstanceChange) -> None:
        """Change what is given. Settings of the program take effect at its next start.

        What stood for values that could not be read is written with it: whoever edits has seen it.
        """
        actor.require_folder()
        given = wanted.model_dump(exclude_unset=True)
        replace_script = given.pop("replace_script", None)
        changes = {key: value for key, value in given.items() if value is not None or key == "gpu_ids"}
        async with self._structure:
            faulty = {field: getattr(actor.row, field) for field in self._faults.get(actor.row.id, ())}
            changes = faulty | changes
            await self._check_change(actor, changes)
            script = await self._script_for(actor, changes.get("base_blueprint"), replace_script)
            if script is not None:
                changes["script_origin"] = script_version(script)
            await self._save(actor, changes)
            self._faults.pop(actor.row.id, None)
            if script is not None:
                await self._put_script(actor, script)
        if actor.state.harm:
            actor.look_again()
        self.changed(actor)

    async def _check_change(self, actor: Actor, changes: dict[str, Any]) -> None:
        if "name" in changes:
            changes["name"] = naming.clean_name(changes["name"])
            if changes["name"] != actor.row.name:
                changes["name_key"] = naming.name_key(changes["name"])
                self._check_name(changes["name"], actor.row.id)
        if "hostname" in changes:
            changes["hostname"] = naming.clean_hostname(changes["hostname"])
            self._check_hostname(changes["hostname"], actor.row.id)
        if "group" in changes:
            changes["group"] = self._group_as_known(naming.clean_group(changes["group"]), actor.row.id)
        if "gpu_ids" in changes:
            changes["gpu_ids"] = await self.pins.choose(changes["gpu_ids"], actor.row.gpu_ids)
        if changes.get("persistent_mode") and not actor.row.persistent_mode:
            await asyncio.to_thread(desktop.require, self._desktop_browser(self._headers[actor.row.id]))

    async def arrange(self, ids: list[int]) -> None:
        """List the instances in this order; those left out follow in the order they have."""
        if len(set(ids)) < len(ids):
            raise InvalidError("An instance is named twice in the order.")
        async with self._structure:
            named = [self.actor(str(number)) for number in ids]
            left_out = [actor for actor in self._ordered() if actor.row.id not in set(ids)]
            moved = {
                actor: position
                for position, actor in enumerate((*named, *left_out), 1)
                if actor.row.position != position
            }
            await self._database.run(lambda s: _place(s, {actor.row.id: at for actor, at in moved.items()}))
            for actor, position in moved.items():
                actor.row.position = position
        for actor in moved:
            self.changed(actor)

    async def _script_for(self, actor: Actor, blueprint_name: str | None, replace: bool | None) -> bytes | None:
        """Return the script a new blueprint brings; None when the present one stays."""
        if blueprint_name is None or blueprint_name == actor.row.base_blueprint:
            return None
        blueprint = await asyncio.to_thread(self._library.get, blueprint_name)
        if blueprint.error:
            raise InvalidBlueprintError(f"The blueprint {blueprint.id} cannot be used: {blueprint.error}")
        present = await asyncio.to_thread(self.files.read_script, actor.row.slug)
        edited = script_version(present) != actor.row.script_origin
        if edited and replace is None:
            raise ConflictError(
                "The launch script was edited. Say replace_script: true to take the new blueprint's script "
                "(a copy of the edited one is kept), or false to keep the edited one."
            )
        if edited and not replace:
            return None
        if edited:
            await asyncio.to_thread(self.files.keep_old_script, actor.row.slug)
        return blueprint.content.encode()

    async def _save(self, actor: Actor, changes: dict[str, Any]) -> None:
        """Write changes to the row and re-address the instance where they ask for it; all of it or nothing."""
        before = {key: getattr(actor.row, key) for key in changes}
        await self._write_row(actor.row, changes)
        if any(before.get(key) != changes.get(key) for key in ROUTED):
            try:
                await self._reroute()
            except ProxyError:
                await self._write_row(actor.row, before)
                raise

    async def _write_row(self, row: InstanceRow, changes: dict[str, Any]) -> None:
        values = changes | {"updated_at": utcnow()}

        def work(session: Session) -> None:
            fields = {getattr(InstanceRow, key): value for key, value in values.items()}
            session.execute(update(InstanceRow).where(InstanceRow.id == row.id).values(fields))

        await self._database.run(work)
        for key, value in values.items():
            setattr(row, key, value)
        if changes.keys() & self._card(row).keys():
            await self._write_card(row)

    async def read_script(self, actor: Actor) -> tuple[str, str]:
        """Return the launch script and its version."""
        actor.require_folder()
        content = await asyncio.to_thread(self.files.read_script, actor.row.slug)
        return content.decode("utf-8", "replace"), script_version(content)

    async def compare_script(self, actor: Actor) -> dict[str, Any]:
        """Return the blueprint's present text and what changed since the script was taken from it."""
        try:
            blueprint = await asyncio.to_thread(self._library.get, actor.row.base_blueprint)
        except UnknownBlueprintError as error:
            raise NotFoundError(error.message) from error
        _, present = await self.read_script(actor)
        origin = actor.row.script_origin
        return {
            "content": blueprint.content,
            "version": blueprint.version,
            "edited": present != origin,
            "renewed": blueprint.version != origin,
        }

    async def save_script(self, actor: Actor, content: str, expected: str) -> str:
        """Save the launch script if it is still the ``expected`` version; return the new one."""
        script = clean_script(content)
        parse_header(script.decode())
        actor.require_folder()
        async with self._structure:
            if expected != "*" and expected != (await self.read_script(actor))[1]:
                raise StaleError("The script was changed since you opened it. Load it again, then save.")
            await self._put_script(actor, script)
        if actor.state.harm:
            actor.look_again()
        self.changed(actor)
        return script_version(script)

    async def _put_script(self, actor: Actor, script: bytes) -> None:
        before = self._headers[actor.row.id]
        await asyncio.to_thread(self.files.write_script, actor.row.slug, script)
        after = self._headers[actor.row.id] = await asyncio.to_thread(self._read_header, actor.row)
        if before.base_path != after.base_path:
            await self._reroute()

    async def rebuild(self, actor: Actor) -> None:
        """Have the environment rebuilt at the next start."""
        await self._write_row(actor.row, {"rebuild_pending": True})
        self.changed(actor)

    async def activate(self, actor: Actor) -> None:
        """Give the active slot to an instance that provides ComfyUI; whoever had it loses it."""
        if "comfyui" not in self._headers[actor.row.id].provides:
            raise ConflictError(f"{actor.row.name} does not provide ComfyUI, so it cannot take the active slot.")
        async with self._structure:
            holders = [a for a in self._actors.values() if a.row.is_comfyui_active_slot and a is not actor]
            for holder in holders:
                await self._write_row(holder.row, {"is_comfyui_active_slot": False})
            await self._save(actor, {"is_comfyui_active_slot": True})
        for changed in (*holders, actor):
            self.changed(changed)

    # Removing -----------------------------------------------------------------------------------------------

    async def delete(self, actor: Actor, permanent: bool, force: bool) -> None:
        """Move an instance to the trash, or past it. With ``force`` it is stopped first."""
        if force:
            await self._stop_and_wait(actor)
        async with self._with_reserve():
            async with self._structure:
                if actor in self._copied:
                    raise ConflictError(f"{actor.row.name} is being copied. Delete it when that is done.")
                await actor.retire()
                try:
                    moves = await self._throw_out(actor, permanent)
                except BaseException:
                    actor.unretire()
                    raise
                await self._forget(actor)
                if permanent:
                    self._remove([target for _, target in moves.done])
            await self._tell_removed(actor.row)
            await self._trash_changed()
            await self._reroute_or_notice(actor)

    @asynccontextmanager
    async def _with_reserve(self) -> AsyncIterator[None]:
        """Do something for which the disk is never too full, as far as its reserve goes."""
        await asyncio.to_thread(self._reserve.lend)
        try:
            yield
        finally:
            await asyncio.to_thread(self._reserve.refill)

    async def _throw_out(self, actor: Actor, permanent: bool) -> Moves:
        """Move the folders out of the house and delete the row; all of it or nothing."""
        row = actor.row
        if permanent:
            moves = await asyncio.to_thread(self._bin.doom, row.slug)
        else:
            card = self._card(row) | {"runs": await self.runs.of(row.id)}
            moves = await asyncio.to_thread(self._bin.throw_away, row.slug, card)
        try:
            await self._database.run(lambda s: _delete_rows(s, {row.id}))
        except BaseException:
            await asyncio.to_thread(moves.undo)
            raise
        return moves

    def _remove(self, doomed: Iterable[Path]) -> None:
        """Remove for good, in the background, what belongs to nobody any more."""
        loop = asyncio.get_running_loop()
        for path in doomed:
            self._removals.add(partial(self._remove_one, path, loop))

    def _remove_one(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with storage(f"Removing {path}"):
                remove_tree(path)
        except AiKoreError as error:
            loop.call_soon_threadsafe(self._notice, "error", error.message)
        self._reserve.refill()

    async def _stop_and_wait(self, actor: Actor) -> None:
        with self._bus.subscribe() as changes:
            await actor.wish(lifecycle.Stop())
            while actor.state.status in lifecycle.ALIVE:
                await changes.next()
                changes.reset()

    def _card(self, row: InstanceRow) -> dict[str, Any]:
        kept = {"id": row.id, "slug": row.slug, "port": row.port, "script_origin": row.script_origin}
        kept |= {"created_at": stamp(row.created_at), "house": self._house}
        return kept | {"last_run": row.last_run, "position": row.position} | views.configuration(row)

    async def _forget(self, actor: Actor) -> None:
        actor.close()
        del self._actors[actor.row.id], self._headers[actor.row.id]
        self._dirty.discard(actor.row.id)
        self._written.pop(actor.row.id, None)
        self.runs.drop(actor.row.id)
        self._faults.pop(actor.row.id, None)
        self._bus.publish(INSTANCE_REMOVED, Removed(id=actor.row.id))

    async def _tell_removed(self, row: InstanceRow) -> None:
        """End what belonged to an instance elsewhere in the house. What fails is told and holds nothing else up."""
        for result in await asyncio.gather(*(hook(row.id) for hook in self.on_removed), return_exceptions=True):
            if isinstance(result, Exception):
                log.error("something of %s was not ended with it", row.slug, exc_info=result)
                self._notice(
                    "error", f"{row.name} is deleted, but not all that belonged to it could be ended: {result}"
                )

    async def _reroute_or_notice(self, actor: Actor) -> None:
        try:
            await self._reroute()
        except ProxyError as error:
            self._notice("error", f"The route of {actor.row.name} could not be changed yet: {error.message}")

    async def restore(self, entry_id: str) -> Actor:
        """Bring an instance back from the trash, under its old slug and name where they are free."""
        async with self._structure, self._with_reserve():
            entry = await asyncio.to_thread(self._bin.entry, entry_id)
            card = entry.card
            old_slug = str(card["slug"])
            row = self._row_of(card)
            taken = {row.slug for row in self._rows()}
            if naming.SLUG.fullmatch(old_slug) and old_slug not in taken and not self.files.slug_in_use(old_slug):
                row.slug = old_slug
            row.rebuild_pending = row.slug != old_slug
            actor = await self._settle_restored(row, entry_id)
            self.runs.take_over(row.id, card.get("runs", []))
        await self._trash_changed()
        await self._reroute_or_notice(actor)
        return actor

    def _row_of(self, card: dict[str, Any]) -> InstanceRow:
        """Return a new row with what a card says, as far as that can be had and makes sense."""
        row = self._new_row(self._free_name(str(card["name"])), "", str(card["base_blueprint"]))
        wanted = {"name": row.name, "base_blueprint": row.base_blueprint or "custom"}
        try:
            chosen = InstanceCreate.model_validate(wanted | {field: card[field] for field in CHOICES if field in card})
        except ValidationError as error:
            log.warning("the card of %s holds nonsense: %s", row.slug, error)
            chosen = InstanceCreate.model_validate(wanted)
        _choose(row, chosen)
        row.script_origin = str(card.get("script_origin", ""))[:64]
        row.last_run = _number(card.get("last_run"), 0)
        row.position = _number(card.get("position"), row.position)
        hostname = str(card.get("hostname", ""))
        with suppress(InvalidNameError):
            row.hostname = "" if self._hostname_taken(hostname, None) else naming.clean_hostname(hostname)
        return row

    async def unlisted(self) -> list[dict[str, str]]:
        """Return the folders in ``instances/`` that belong to no instance."""
        return [one.view() for one in await self._find_unlisted()]

    async def _find_unlisted(self) -> list[Unlisted]:
        stored = await self._database.run(lambda s: set(s.scalars(select(InstanceRow.slug))))  # also what is left out
        known = stored | {row.slug for row in self._rows()}
        return await asyncio.to_thread(lambda: find_unlisted(self.settings.instances_dir, known, self._library.list()))

    async def take_in(self, slug: str) -> Actor:
        """Make an instance of a folder without one, as it lies there; what runs in it is adopted."""
        async with self._structure:
            found = {one.slug: one for one in await self._find_unlisted()}
            if slug not in found:
                raise NotFoundError(f"There is no folder {slug[:80]!r} without an instance.")
            card = found[slug].card
            row = self._row_of(card)
            row.slug = slug
            if card.get("port") in set(self.settings.instance_port_pool) - {other.port for other in self._rows()}:
                row.port = card["port"]  # what runs there listens on it
            await asyncio.to_thread(self.files.complete, slug)
            await self._database.run(lambda s: s.add(row))
            self._headers[row.id] = await asyncio.to_thread(self._read_header, row)
            actor = self._actors[row.id] = self._actor_of(row)
            await actor.adopt()
            actor.begin()
            await self._write_card(row)
        self.changed(actor)
        await self._reroute_or_notice(actor)
        return actor

    async def _settle_restored(self, row: InstanceRow, entry_id: str) -> Actor:
        await self._database.run(lambda s: _add_restoring(s, row, entry_id))
        try:
            moves = await asyncio.to_thread(self._bin.restore, entry_id, row.slug)
            try:
                await self._database.run(lambda s: _end_restoring(s, row.id))
            except BaseException:
                await asyncio.to_thread(moves.undo)
                raise
        except BaseException:
            await self._database.run(lambda s: _delete_rows(s, {row.id}))
            raise
        self._remove(await asyncio.to_thread(self._bin.drop, entry_id))
        self._headers[row.id] = await asyncio.to_thread(self._read_header, row)
        actor = self._actors[row.id] = self._actor_of(row)
        await self._write_card(row)
        actor.begin()
        self._take_over_pins(actor)
        self.changed(actor)
        return actor

    async def remove_from_trash(self, entry_id: str) -> None:
        """Delete a trash entry for good."""
        async with self._structure:
            self._remove(await asyncio.to_thread(self._bin.purge, entry_id))
        await self._trash_changed()

    async def _trash_changed(self) -> None:
        self._trash = [views.trash_view(entry) for entry in await asyncio.to_thread(self._bin.entries)]
        self._bus.publish(TRASH, self._trash)
        loop = asyncio.get_running_loop()
        for entry in self._trash:
            if entry["size"] is None and entry["id"] not in self._counting:
                self._counting.add(entry["id"])
                self._counts.add(partial(self._count, entry["id"], loop))

    def _count(self, entry_id: str, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._counted, entry_id, self._bin.count(entry_id))

    def _counted(self, entry_id: str, size: int) -> None:
        self._counting.discard(entry_id)
        self._trash = [entry | {"size": size} if entry["id"] == entry_id else entry for entry in self._trash]
        self._bus.publish(TRASH, self._trash)

    # Rules --------------------------------------------------------------------------------------------------

    def _check_name(self, name: str, own_id: int | None) -> None:
        if self._name_taken(name, own_id):
            raise NameTakenError(f"There is already an instance called {name!r}. Choose another name.")

    def _name_taken(self, name: str, own_id: int | None) -> bool:
        key = naming.name_key(name)
        return any(row.name_key == key and (own_id is None or row.id != own_id) for row in self._rows())

    def _group_as_known(self, group: str, own_id: int | None) -> str:
        """Return a group as other instances that are in it write it, where only characters without a shape differ."""
        known = (actor.row.group for actor in self._actors.values() if actor.row.id != own_id)
        return next((name for name in known if naming.look(name) == naming.look(group)), group)

    def _free_name(self, name: str) -> str:
        number, free = 2, name
        while self._name_taken(free, None):
            suffix = f" ({number})"
            free, number = name[: naming.NAME_MAX - len(suffix)] + suffix, number + 1
        return free

    def _check_hostname(self, hostname: str, own_id: int | None) -> None:
        if self._hostname_taken(hostname, own_id):
            raise NameTakenError(f"The host name {hostname} already belongs to an instance or to AiKore itself.")

    def _hostname_taken(self, hostname: str, own_id: int | None) -> bool:
        if not hostname:
            return False
        own = {"localhost", self.settings.host, self.settings.app_domain, *self.settings.allowed_hosts}
        others = (actor.row.hostname for actor in self._actors.values() if actor.row.id != own_id)
        return hostname in own or hostname in others

    # Warnings -----------------------------------------------------------------------------------------------

    async def _follow_warnings(self) -> None:
        """Go along the logs of the runs whose blueprints name words to warn of."""
        while True:
            await asyncio.sleep(WARNED_EVERY)
            due = [one for actor in self._actors.values() if (one := self._due_for_warnings(actor))]
            found = await asyncio.to_thread(_look_all, [one for _, one in due]) if due else []
            more = [
                actor
                for (actor, (_, _, before, last)), seen in zip(due, found, strict=True)
                if self._warned.take(actor.row.id, before, seen, last)
            ]
            if more:
                await self._keep_warnings()
            for actor in more:
                self.changed(actor)

    def _due_for_warnings(self, actor: Actor) -> tuple[Actor, _Look] | None:
        """Return what a look needs; None for an instance without words, or whose run was read to its end."""
        header, handle = self._headers.get(actor.row.id), actor.handle
        if header is None or not header.warn or handle is None or handle.record.run != actor.state.run:
            return None
        at = self._warned.at(actor.row.id, handle.record.run, handle.record.log_offset)
        ended = actor.state.status not in lifecycle.ALIVE
        return None if at is None else (actor, (self.folder(actor.row) / "logs", header.warn, at, ended))

    async def _keep_warnings(self) -> None:
        self._warned.forget(set(self._actors))
        memory = self._warned.memory()
        with suppress(AiKoreError):
            await self._database.run(lambda s: _keep(s, WARNED_KEY, memory))

    # GPUs ---------------------------------------------------------------------------------------------------

    def gpus_changed(self, inventory: Inventory) -> None:
        """Take the GPUs as they now are, and show the instances that are chosen for one of them anew."""
        pinned = [actor for actor in self._actors.values() if actor.row.gpu_ids]
        before = [self.pins.view(actor.row.gpu_ids) for actor in pinned]
        if self.pins.see(inventory):
            memory = self.pins.memory()
            self._background(self._database.run(lambda s: _keep(s, GPUS_KEY, memory)))
        for actor, shown in zip(pinned, before, strict=True):
            self._take_over_pins(actor)
            if self.pins.view(actor.row.gpu_ids) != shown:
                self.changed(actor)

    def _take_over_pins(self, actor: Actor) -> None:
        """Let a choice that an older AiKore made by index mean the cards that now bear it."""
        keys = self.pins.taken_over(actor.row.gpu_ids)
        if keys is not None:
            log.info("%s: the GPUs %s are %s from now on", actor.row.slug, actor.row.gpu_ids, keys)
            actor.row.gpu_ids = keys
            self._background(self._write_row(actor.row, {"gpu_ids": keys}))

    async def check_gpus(self, row: InstanceRow) -> None:
        await self.pins.require(row.gpu_ids)

    # The workshop of the actors -----------------------------------------------------------------------------

    def folder(self, row: InstanceRow) -> Path:
        return self.files.folder(row.slug)

    async def examine(self, row: InstanceRow) -> lifecycle.Examined:
        """Look whether an instance can be used, and learn its header anew."""
        found, header = await self._looks.at(row.id, partial(self._examine, row))
        before, self._headers[row.id] = self._headers[row.id], header
        if before.base_path != header.base_path and row.id in self._actors and self._loaded:
            self._background(self._reroute_or_notice(self._actors[row.id]))
        if found.harm is lifecycle.Harm.ALL and (running := await self.launcher.running(self.folder(row))):
            return replace(found, reason=f"{found.reason} Of it still runs: {', '.join(running)}.")
        return found

    def _examine(self, row: InstanceRow) -> tuple[lifecycle.Examined, Header]:
        found = examine(self.files, row.slug)
        if found.harm:
            return found, self._headers[row.id]
        faults = sorted(self._faults.get(row.id, set()) & InstanceChange.model_fields.keys())
        if faults:
            reason = f"What the database holds as its {', '.join(faults)} cannot be read. Edit and save the instance."
            found = lifecycle.Examined(lifecycle.Harm.START, reason)
        return found, self._read_header(row)

    def readiness(self, row: InstanceRow) -> Readiness:
        header = self._headers[row.id]
        target = None
        if header.ready.kind == "http":
            target = Target(row.port, self._prefix(row, header) + header.ready.path)
        window = desktop.window_mark(self.folder(row)) if header.ready.kind == "window" else None
        timeout = header.ready.timeout or self.settings.ready_timeout
        return Readiness(target, window, timeout, self.settings.health_interval, self.settings.health_timeout)

    def _prefix(self, row: InstanceRow, header: Header) -> str:
        """Return what stands before an app's own paths, without a slash at the end."""
        return naming.path_url(row.slug, self.settings.root_path).rstrip("/") if header.base_path == "keep" else ""

    async def prepare(self, row: InstanceRow, run: int) -> RunSpec:
        """Build the orders of a run from the instance as it now is."""
        await self.check_gpus(row)
        if row.persistent_mode:
            await self._settle_display(row)
        return await asyncio.to_thread(self._orders, row, run)

    async def _settle_display(self, row: InstanceRow) -> None:
        """Give the instance another display number when somebody else has its own."""
        tried: set[int] = set()
        while not await self._has_display(row):
            tried.add(row.vnc_display or 0)
            row.vnc_display = desktop.choose_display(self.settings.home, self._other_displays(row) | tried)
            log.warning("%s gets the display :%d, its own is taken", row.slug, row.vnc_display)
            await self._write_row(row, {"vnc_display": row.vnc_display})

    async def _has_display(self, row: InstanceRow) -> bool:
        """Say whether the instance's display number is its own; what a dead display server left of it is removed."""
        free = row.vnc_display not in self._other_displays(row)
        return free and await asyncio.to_thread(desktop.clear, self.desktop_of(row))

    def _other_displays(self, row: InstanceRow) -> set[int]:
        return {other.vnc_display or 0 for other in self._rows() if other is not row}

    def _orders(self, row: InstanceRow, run: int) -> RunSpec:
        self._headers[row.id] = header = self._read_header(row)
        command, leftovers = self._command(row, header)
        return RunSpec(
            slug=row.slug,
            run=run,
            folder=self.files.folder(row.slug),
            command=command,
            leftovers=(*leftovers, self.flags.path(row.slug)),
            environment=self.environment(row),
            stop_signal=header.stop_signal,
            stop_grace=self.settings.stop_grace,
            rotate_bytes=self.settings.log_rotate_bytes,
            keep=self.settings.log_keep,
        )

    def _command(self, row: InstanceRow, header: Header) -> tuple[tuple[str, ...], tuple[Path, ...]]:
        """Return what a run executes, on its desktop where it has one, and the files that end with it."""
        script = ("bash", "launch.sh")
        kind = header.ready.kind
        if kind == "window" and not row.persistent_mode:
            raise ConflictError("This program opens a window, so it needs a desktop. Edit the instance and tick it.")
        if not row.persistent_mode:
            return script, ()
        browser = self._desktop_browser(header)
        desktop.require(browser)
        place = self.desktop_of(row)
        desktop.lay_keyboard(place)
        page = None if browser is None else desktop.Page(row.port, self._prefix(row, header) + "/", browser)
        return desktop.command(script, place, page, window=kind == "window"), desktop.leftovers(place)

    def _desktop_browser(self, header: Header) -> str | None:
        """Return which browser a desktop needs, empty for any; None where the program has no page."""
        return self.settings.desktop_browser if header.ready.kind == "http" else None

    def name_of(self, pid: int) -> str | None:
        """Return the name of the instance that a process belongs to. Any thread may ask."""
        roots = {actor.keeper_pid: actor.row.name for actor in list(self._actors.values())}
        ancestor: int | None = pid
        while ancestor and ancestor not in roots:
            ancestor = procfs.parent(ancestor)
        return roots.get(ancestor) if ancestor else None

    def vnc_socket(self, key: str) -> Path:
        """Return the socket of an instance's desktop by id or slug. Raises NotFoundError where it has none."""
        row = self.actor(key).row
        if not row.persistent_mode:
            raise NotFoundError(f"{row.name} has no desktop. Edit it and tick the desktop.")
        return self.desktop_of(row).vnc_socket

    def desktop_of(self, row: InstanceRow) -> desktop.Place:
        assert row.vnc_display is not None, "every row gets one when it is made or loaded"
        return desktop.Place(row.vnc_display, self.settings.vnc_socket(row.vnc_display), self.folder(row))

    def environment(self, row: InstanceRow) -> dict[str, str]:
        """Return the whole environment of an instance's programs."""
        place = Place(
            name=row.name,
            slug=row.slug,
            blueprint=row.base_blueprint,
            folder=self.files.folder(row.slug),
            outputs=self.files.outputs(row.slug),
            models=self.settings.models_dir,
            cache=self.settings.cache_dir,
            functions=shipped_dir() / "functions.sh",
            port=row.port,
            subfolder=naming.path_url(row.slug, self.settings.root_path),
        )
        gpus = self.pins.devices(row.gpu_ids)
        return launch_environment(place, row.environment, row.launch_args, gpus, row.rebuild_pending, os.environ)

    def _read_header(self, row: InstanceRow) -> Header:
        try:
            return parse_header(self.files.read_script(row.slug).decode("utf-8", "replace"))
        except AiKoreError as error:
            log.warning("%s: %s", row.slug, error.message)
            return parse_header("")

    def changed(self, actor: Actor) -> None:
        if actor.row.id in self._actors:
            self._bus.publish(INSTANCE, self.view(actor))
            if not self._dirty:
                self._background(self._write_statuses())
            self._dirty.add(actor.row.id)

    def note_run(self, actor: Actor, number: int, note: Note) -> None:
        """Take down what became known of a run; it is written with the status."""
        self.runs.note(actor.row.id, number, note)

    def became_ready(self, actor: Actor) -> None:
        if actor.row.rebuild_pending:
            self._background(self._write_row(actor.row, {"rebuild_pending": False}))

    async def _write_statuses(self) -> None:
        """Write the statuses that changed: many changes, one transaction."""
        await asyncio.sleep(0)
        seen = [
            (actor.row, str(actor.state.status), actor.pid, actor.state.run)
            for actor_id in self._dirty
            if (actor := self._actors.get(actor_id))
        ]
        self._dirty.clear()
        seen = [one for one in seen if self._written.get(one[0].id) != one[1:]]  # a new detail alone costs no disk

        def work(session: Session) -> None:
            for row, status, pid, run in seen:
                told = {"status": status, "pid": pid, "last_run": run}
                session.execute(update(InstanceRow).where(InstanceRow.id == row.id).values(told))

        for row, status, pid, run in seen:
            row.status, row.pid, row.last_run = self._written[row.id] = status, pid, run
        try:
            if seen:
                await self._database.run(work)
            await self.runs.write()
        except AiKoreError as error:
            for row, *_ in seen:
                self._written.pop(row.id, None)
            self._notice("error", error.message)

    def _notice(self, level: Level, message: str) -> None:
        log.log(logging.ERROR if level == "error" else logging.INFO, "%s", message)
        self._notices.tell(level, message)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a background task failed", exc_info=error)

    # Routes -------------------------------------------------------------------------------------------------

    def routes(self) -> list[Route]:
        """Return the routes as the rows want them."""
        return [
            Route(
                slug=actor.row.slug,
                port=actor.row.port,
                base_path=self._headers[actor.row.id].base_path,
                public_port=actor.row.app_port,
                hostname=actor.row.hostname,
                active=actor.row.is_comfyui_active_slot,
            )
            for actor in self._actors.values()
        ]

    async def _reroute(self) -> None:
        await self._proxy.apply(self.routes())


def _number(value: object, instead: int) -> int:
    """Return a number of a card, where it is one."""
    return value if isinstance(value, int) and 0 <= value < 2**31 else instead


_Look = tuple[Path, tuple[str, ...], Warned, bool]
"""The arguments of :func:`aikore.instances.warned.look`."""


def _look_all(looks: list[_Look]) -> list[Warned]:
    return [look(*one) for one in looks]


def _restoring(number: int) -> str:
    """Return the house's note that an instance is on its way back from the trash."""
    return f"restoring {number}"


def _add_restoring(session: Session, row: InstanceRow, entry_id: str) -> None:
    session.add(row)
    session.flush()
    session.add(HouseRow(key=_restoring(row.id), value=entry_id))


def _end_restoring(session: Session, number: int) -> None:
    session.execute(delete(HouseRow).where(HouseRow.key == _restoring(number)))


def _restorings(session: Session) -> dict[int, str]:
    """Return the instances on their way back and the entries they come from."""
    rows = session.scalars(select(HouseRow).where(HouseRow.key.startswith("restoring ")))
    return {int(row.key.rpartition(" ")[2]): row.value for row in rows}


def _delete_rows(session: Session, ids: set[int], restored: Iterable[int] = ()) -> None:
    """Delete instances and what the database knows of them; those ``restored`` are no longer on their way."""
    session.execute(delete(InstanceRow).where(InstanceRow.id.in_(ids)))
    session.execute(delete(HouseRow).where(HouseRow.key.in_([_restoring(number) for number in {*ids, *restored}])))
    forget_runs(session, ids)


def _place(session: Session, positions: dict[int, int]) -> None:
    for number, position in positions.items():
        session.execute(update(InstanceRow).where(InstanceRow.id == number).values(position=position))


def _choose(row: InstanceRow, source: InstanceCreate | InstanceRow) -> None:
    for field in CHOICES:
        setattr(row, field, getattr(source, field))


def _remember(session: Session, value: str) -> str:
    """Store the machine session and return the one stored before."""
    before = _recall(session, SESSION_KEY)
    _keep(session, SESSION_KEY, value)
    return before


def _recall(session: Session, key: str) -> str:
    """Return a memory of the house; empty where there is none."""
    row = session.get(HouseRow, key)
    return row.value if row else ""


def _keep(session: Session, key: str, value: str) -> None:
    session.merge(HouseRow(key=key, value=value))
