"""The house: a list of rooms, opened in its order and closed in the opposite one. Nothing else is wired by hand.

What several rooms stand on is made first; every room is handed what it needs of it and says itself what it adds.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator

from aikore import apidocs, live, notices, system
from aikore.auth import room as auth
from aikore.auth.gate import Gate
from aikore.base import limits, privileges
from aikore.base.abilities import on_network
from aikore.base.disk import Reserve
from aikore.base.events import Bus
from aikore.base.home_identity import Original
from aikore.base.rooms import Room
from aikore.base.shipped import shipped_dir
from aikore.base.websockets import Removals
from aikore.blueprints import room as blueprints
from aikore.blueprints.library import Library
from aikore.config import Settings
from aikore.config.mistakes import unknown
from aikore.config.proxy import NginxMode
from aikore.database.engine import Database
from aikore.database.migrate import migrate
from aikore.database.wings import AIKORE, STUDIO
from aikore.desktop import room as desktop
from aikore.files import room as files
from aikore.instances import room as instances
from aikore.instances.manager import Manager
from aikore.launch.local import LocalLauncher
from aikore.logs import room as logs
from aikore.monitor import room as monitor
from aikore.monitor.notices import Notices
from aikore.monitor.sampler import Sampler
from aikore.notices import Noticeboard
from aikore.proxy.nginx import NginxProxy, NoProxy
from aikore.proxy.routes import Login, Proxy
from aikore.stats import room as stats
from aikore.stats.watch import Watch
from aikore.terminal import room as terminal
from aikore.terminal.terminals import Terminals

log = logging.getLogger(__name__)

ROOT_WARNING = "AiKore runs as root, and so does every app. Start it as an ordinary user, or name one by AIKORE_USER."


class House:
    """All rooms of one AiKore. :meth:`start` opens them, :meth:`stop` closes them."""

    def __init__(self, settings: Settings, original: Original | None = None) -> None:
        """``original``: what the data folder was copied from, where it is a copy that was never opened before."""
        self.settings = settings
        self.bus = Bus()
        self.notices = Noticeboard(self.bus)
        self.database = Database(settings.home, AIKORE)
        self.studio_database = Database(settings.home, STUDIO)
        self.library = Library(shipped_dir() / "blueprints", settings.custom_blueprints_dir)
        self.gate = Gate(settings, self.database)
        self.proxy: Proxy = NoProxy() if settings.nginx is NginxMode.OFF else NginxProxy(settings, self._login())
        self.sampler = Sampler(settings, lambda: self.manager.registry.monitored())
        self.manager = Manager(
            settings,
            self.database,
            self.library,
            LocalLauncher(),
            self.proxy,
            self.bus,
            self.notices,
            self.sampler.look_at_gpus,
        )
        self.watch = Watch(self.bus, self.notices, self.sampler, Notices(settings), self.manager.publisher.list_views)
        self.terminals = Terminals(settings)
        self.removals = Removals()
        self.restart_wish = asyncio.Event()
        self.rooms = self._make_rooms(original)
        for room in self.rooms:
            self.manager.directory.on_removed += room.on_removed

    def _make_rooms(self, original: Original | None) -> tuple[Room, ...]:
        """Return all rooms, each behind those it stands on."""
        settings, bus, manager, gate = self.settings, self.bus, self.manager, self.gate
        gpus_changed, restart = manager.pinned.gpus_changed, self.restart_wish.set
        rooms = (
            monitor.make(self.sampler),
            Room(start=self._migrate, stop=self._close_databases),
            auth.make(settings, gate, manager.registry),
            instances.make(manager, self.proxy, gate.tokens.keep_of_instances, original),
            blueprints.make(self.library, bus),
            notices.make(self.notices),
            system.make(settings, bus, self.proxy, self.sampler, gpus_changed, restart),
            stats.make(self.sampler, self.watch, manager, self.proxy),
            logs.make(manager, self.removed),
            files.make(settings, manager),
            terminal.make(self.terminals, manager, settings.home),
            desktop.make(manager, self.removed),
            apidocs.make(),
        )
        parts = [part for room in rooms for part in room.parts]
        return *rooms, live.make(bus, parts, manager.registry.instance_id, self.removals)

    def _login(self) -> Callable[[], Login] | None:
        if not self.gate.on:
            return None
        return lambda: Login(self.gate.cookie_name, self.gate.secrets.get("probe"))

    async def start(self) -> None:
        """Open all rooms; say what whoever started AiKore should mend."""
        for room in self.rooms:
            await room.start()
        for warning in _warnings():
            self.warn(warning)
        if shared := await asyncio.to_thread(on_network, self.database.path, self.studio_database.path):
            self.warn(shared)
        await asyncio.to_thread(Reserve(self.settings.reserve_file).refill)

    async def stop(self, handing_over: bool) -> None:
        """Close all rooms. ``handing_over``: the next manager adopts instances and NGINX; else all have ended."""
        for room in reversed(self.rooms):
            await room.stop(handing_over)

    def warn(self, message: str) -> None:
        """Tell people, and the log."""
        log.warning("%s", message)
        self.notices.tell("warning", message)

    async def removed(self, key: str) -> None:
        """Return when an instance is removed. Raises NotFoundError."""
        await self.removals.of(self.manager.registry.instance_id(key))

    async def _migrate(self) -> None:
        await asyncio.to_thread(migrate, self.database, self.studio_database)

    async def _close_databases(self, _: bool) -> None:
        self.database.close()
        self.studio_database.close()


def _warnings() -> Iterator[str]:
    """Yield what whoever starts AiKore should mend, although it works as it is."""
    if privileges.is_root():
        yield ROOT_WARNING
    if few := limits.too_few(limits.open_files()):
        yield few
    yield from unknown(os.environ)
