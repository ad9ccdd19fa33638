"""Opens and closes the house of instances: puts its trades together, adopts what runs, lets go of it.

What happens to instances in between is the matter of the trades, one module each; statuses are the actors'.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from pathlib import Path

from aikore.base.disk import Reserve
from aikore.base.errors import AiKoreError, NotFoundError, StorageError
from aikore.base.events import Bus
from aikore.base.home_identity import Original
from aikore.blueprints.library import Library
from aikore.config.instances import InstanceSettings
from aikore.database.engine import Database
from aikore.instances import copied, lifecycle
from aikore.instances.actor import Actor
from aikore.instances.background import Background
from aikore.instances.changes import Changes
from aikore.instances.chores import Chores
from aikore.instances.claims import Claims
from aikore.instances.creation import Creation
from aikore.instances.directory import Directory
from aikore.instances.displays import Displays
from aikore.instances.files import InstanceFiles
from aikore.instances.host import Host
from aikore.instances.mounts import MountWatch
from aikore.instances.orders import Orders
from aikore.instances.pinned import Pinned
from aikore.instances.pins import Look, Pins
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.removal import Removal
from aikore.instances.restoration import Restoration
from aikore.instances.routes import Routes
from aikore.instances.rows import InstanceRow
from aikore.instances.runs import RunBook
from aikore.instances.scripts import Scripts
from aikore.instances.store import Store
from aikore.instances.trash import Trash
from aikore.instances.trashcan import Trashcan
from aikore.instances.warned import WarnedBook
from aikore.instances.warnings import Warnings
from aikore.launch.keeper.process import machine_session
from aikore.launch.layout import LOGS_NAME
from aikore.launch.protocol import Launcher
from aikore.notices import Noticeboard
from aikore.proxy.flags import Flags
from aikore.proxy.routes import Proxy

log = logging.getLogger(__name__)

SESSION_KEY = "session"
"""House memory: the machine session in which instances were last started by autostart; empty after a clean end."""

BROKEN_LOOK = 2.0
"""Seconds between looks at broken instances: a folder that was moved back is told by nothing."""
MOUNT_PAUSE = 0.2
"""Seconds in which mounts that come together cost one look."""

LEFT_OUT = (
    "Row {} of the table `instances` in the database cannot be read, so that instance is not listed. "
    "Nothing of it was changed; restore the database from a backup to have it back."
)


class Manager:
    """All trades of the room, put together."""

    def __init__(
        self,
        settings: InstanceSettings,
        database: Database,
        library: Library,
        launcher: Launcher,
        proxy: Proxy,
        bus: Bus,
        notices: Noticeboard,
        look_at_gpus: Look,
    ) -> None:
        self._settings = settings
        self._notices = notices
        self.background = background = Background()
        self._cards = Chores("cards")
        self.files = files = InstanceFiles(settings)
        self.flags = flags = Flags(settings.flags_dir)
        self.pins = pins = Pins(look_at_gpus)
        self.runs = runs = RunBook(database)
        self.store = store = Store(database, files)
        self.registry = registry = Registry(settings, files)
        trash, warned = Trash(settings), WarnedBook()
        self.displays = displays = Displays(settings, files, registry, store)
        self.routes = routes = Routes(registry, proxy, notices)
        self.publisher = publisher = Publisher(settings, registry, store, runs, pins, warned, bus, notices, background)
        self.warnings = Warnings(warned, store, registry, publisher)
        self.pinned = pinned = Pinned(pins, store, registry, publisher, background)
        self.orders = orders = Orders(settings, files, registry, displays, pins, flags)
        self.host = host = Host(
            launcher, flags, files, store, registry, pins, orders, routes, runs, publisher, background
        )
        self.trashcan = trashcan = Trashcan(trash, Reserve(settings.reserve_file), bus, notices)
        self.removal = removal = Removal(store, registry, runs, trash, trashcan, routes, publisher, notices)
        self.directory = Directory(registry, publisher, pins, removal.on_removed)
        claims = Claims(settings, files, registry, displays)
        self.scripts = scripts = Scripts(library, files, registry, orders, routes, publisher)
        self.changes = Changes(store, registry, claims, displays, pins, scripts, routes, publisher)
        self.creation = Creation(
            library, files, store, registry, claims, displays, pins, orders, routes, host, publisher, removal
        )
        self.restoration = Restoration(
            library, files, store, registry, claims, runs, trash, trashcan, orders, pinned, routes, host, publisher
        )

    # Opening ------------------------------------------------------------------------------------------------

    async def load(self, original: Original | None = None) -> None:
        """Read the rows and find out how every instance is. Nothing may be answered before this returns.

        ``original``: what this house is a copy of, at the first start after it was copied.
        """
        rows = await self._load_rows(original)
        for row in rows:
            self.registry.add(self.host.make_actor(row))
        actors = self.registry.all()
        await asyncio.gather(*(actor.adopt() for actor in actors))
        alive = {actor.row.slug for actor in actors if actor.state.status in lifecycle.ALIVE}
        await asyncio.to_thread(self.flags.keep, alive)
        for actor in actors:
            actor.begin()
        await self.trashcan.sweep({row.id: row.slug for row in rows})
        for actor in actors:
            if not actor.state.harm:
                self._cards.add(partial(self._renew_card, actor))
        await self._tell_unlisted()
        self.host.opened = True
        self.background.run(self.warnings.follow())
        self.background.run(self._follow_disks())
        self.background.run(self.host.follow_oom())

    async def _load_rows(self, original: Original | None) -> list[InstanceRow]:
        """Read the rows and what is remembered beside them; mend what a killed or an older manager left."""
        rows = await self.restoration.finish_interrupted(await self.store.load())
        if original is not None:
            await self._part_from(original, rows)
        await self.displays.give(rows)
        await self.pinned.load()
        await self.warnings.load()
        for number in self.store.faults.keys() - {row.id for row in rows}:
            self._notices.report("error", LEFT_OUT.format(number))
        return rows

    async def _part_from(self, original: Original, rows: list[InstanceRow]) -> None:
        """Give this copy ports of its own where it needs them, and say so."""
        changes = await asyncio.to_thread(copied.readdress, rows, self._settings, original)
        before = {row.id: row.port for row in rows}
        for row in rows:
            if row.id in changes:
                await self.store.write(row, changes[row.id])
        moved = [(row.name, before[row.id], row.port) for row in rows if row.port != before[row.id]]
        shared = await asyncio.to_thread(copied.shared_folders, self._settings)
        self._notices.report("warning", copied.tell(original, moved, shared))
        if original.lives:  # what starts by itself runs there already
            await self._remember_session(machine_session())

    def _renew_card(self, actor: Actor) -> None:
        """Bring the card of an instance up to date, unless it is gone meanwhile. Blocking; any thread may ask."""
        if actor in self.registry:
            self.store.lay_card(actor.row)

    async def _tell_unlisted(self) -> None:
        if lost := await self.restoration.unlisted():
            names = ", ".join(one["slug"] for one in lost[:5]) + (" and more" if len(lost) > 5 else "")
            self._notices.report(
                "warning",
                f"Folders in instances/ that belong to no instance: {names}. Take them in again in the trash's dialog.",
            )

    async def _follow_disks(self) -> None:
        """Have instances at rest looked at when something was mounted or unmounted, and often while one is broken."""
        mounts = MountWatch()
        try:
            while True:
                changed = await mounts.wait(BROKEN_LOOK)
                for actor in self.registry.all():
                    if changed or actor.state.harm:
                        actor.look_again()
                if changed:
                    await asyncio.sleep(MOUNT_PAUSE)
        finally:
            mounts.close()

    # What other rooms ask -----------------------------------------------------------------------------------

    def known_ids(self) -> set[int]:
        """Return the numbers of all instances, those too whose rows cannot be read."""
        return self.registry.ids() | self.store.faults.keys()

    def logs_folder(self, key: str) -> Path:
        """Return the logs folder of an id or slug. Raises NotFoundError, BrokenInstanceError."""
        return self.files.folder(self.registry.usable(key)[1]) / LOGS_NAME

    # Starting and ending all --------------------------------------------------------------------------------

    async def autostart(self) -> None:
        """Start what is to start by itself, once per start of the machine or of the house."""
        session = machine_session()
        if await self._remember_session(session) == session:
            return
        slots = asyncio.Semaphore(self._settings.autostart_parallel)
        for actor in self.registry.all():
            if actor.row.autostart:
                self.background.run(self._autostart_one(actor, slots))

    async def _remember_session(self, session: str) -> str:
        """Remember a machine session and return the one before; "" where a disk refuses, which stops no start."""
        if await self.store.recall(SESSION_KEY) == session:
            return session
        async with self.trashcan.with_reserve():
            try:
                return await self.store.keep(SESSION_KEY, session)
            except StorageError as error:
                self._notices.report("error", error.message)
                return ""

    async def _autostart_one(self, actor: Actor, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                await actor.wish(lifecycle.Start())
                await actor.until(lambda state: state.status is not lifecycle.Status.STARTING)
            except AiKoreError as error:
                self._notices.report("error", f"{actor.row.name} did not start by itself: {error.message}")

    async def close_house(self) -> None:
        """End all instances side by side; return when nothing of them is left."""
        await self._remember_session("")
        await asyncio.gather(*(self._end(actor) for actor in self.registry.all()))

    async def _end(self, actor: Actor) -> None:
        try:
            await actor.wish(lifecycle.Stop())
        except Exception:
            log.exception("%s was not told to end", actor.row.slug)
        with suppress(NotFoundError):  # it was removed meanwhile
            await actor.until(lifecycle.is_over)

    async def detach(self) -> None:
        """Let go of everything without ending it."""
        for actor in self.registry.all():
            actor.close()
        self.background.cancel()
        await self.publisher.write_statuses()
        await self.warnings.keep()
        self.host.stages.close()
