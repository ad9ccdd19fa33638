"""What the actors need of the house, by the protocol :class:`aikore.instances.actor.ActorHost`. Makes the actors."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

from aikore.base.apart import Apart
from aikore.blueprints.header import Header
from aikore.instances import oom
from aikore.instances.actor import Actor, Readiness
from aikore.instances.background import Background
from aikore.instances.examine import examine
from aikore.instances.files import InstanceFiles
from aikore.instances.lifecycle import Examined, Harm
from aikore.instances.orders import Orders
from aikore.instances.pins import Pins
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.instances.routes import Routes
from aikore.instances.rows import InstanceRow
from aikore.instances.runs import Note, RunBook
from aikore.instances.schemas import InstanceChange
from aikore.instances.store import Store
from aikore.launch.protocol import Launcher, RunSpec
from aikore.launch.stages import StageWatcher
from aikore.proxy.flags import Flags


class Host:
    """Passes what actors ask and tell to the trade it belongs to."""

    def __init__(
        self,
        launcher: Launcher,
        flags: Flags,
        files: InstanceFiles,
        store: Store,
        registry: Registry,
        pins: Pins,
        orders: Orders,
        routes: Routes,
        runs: RunBook,
        publisher: Publisher,
        background: Background,
    ) -> None:
        self.launcher = launcher
        self.stages = StageWatcher()
        self.flags = flags
        self._files = files
        self._store = store
        self._registry = registry
        self._pins = pins
        self._orders = orders
        self._routes = routes
        self._runs = runs
        self._publisher = publisher
        self._background = background
        self._looks = Apart[tuple[Examined, Header]]()
        self._oom = oom.OomWatch()
        self.opened = False
        """Whether all instances are known, so that routes may be applied."""

    def make_actor(self, row: InstanceRow) -> Actor:
        """Return the actor of a row; it does nothing before it is told to begin or to adopt."""
        actor = Actor(row, self)
        actor.out_of_memory = self._oom.killed_lately
        return actor

    async def follow_oom(self) -> None:
        """Go along the kernel's count of kills for want of memory."""
        while True:
            await asyncio.sleep(oom.LOOK_EVERY)
            await asyncio.to_thread(self._oom.look)

    # Asked --------------------------------------------------------------------------------------------------

    def folder(self, row: InstanceRow) -> Path:
        return self._files.folder(row.slug)

    async def examine(self, row: InstanceRow) -> Examined:
        """Look whether an instance can be used, and learn its header anew."""
        found, header = await self._looks.at(row.id, partial(self._examine, row))
        before = self._registry.learn(row, header)
        actor = self._registry.of(row.id)
        if before.base_path != header.base_path and actor is not None and self.opened:
            self._background.run(self._routes.apply_or_notice(actor))
        if found.harm is Harm.ALL and (running := await self.launcher.running(self.folder(row))):
            return replace(found, reason=f"{found.reason} Of it still runs: {', '.join(running)}.")
        return found

    def _examine(self, row: InstanceRow) -> tuple[Examined, Header]:
        found = examine(self._files, row.slug)
        if found.harm:
            return found, self._registry.header(row)
        faults = sorted(self._store.faults.get(row.id, set()) & InstanceChange.model_fields.keys())
        if faults:
            reason = f"What the database holds as its {', '.join(faults)} cannot be read. Edit and save the instance."
            found = Examined(Harm.START, reason)
        return found, self._orders.read_header(row)

    def readiness(self, row: InstanceRow) -> Readiness:
        return self._orders.readiness(row)

    async def check_gpus(self, row: InstanceRow) -> None:
        await self._pins.require(row.gpu_ids)

    def name_of(self, pid: int) -> str | None:
        return self._registry.name_of(pid)

    async def prepare(self, row: InstanceRow, run: int) -> RunSpec:
        return await self._orders.prepare(row, run)

    # Told ---------------------------------------------------------------------------------------------------

    def changed(self, actor: Actor) -> None:
        self._publisher.changed(actor)

    def became_ready(self, actor: Actor) -> None:
        if actor.row.rebuild_pending:
            self._background.run(self._store.write(actor.row, {"rebuild_pending": False}))

    def note_run(self, actor: Actor, number: int, note: Note) -> None:
        """Take down what became known of a run; it is written with the status."""
        self._runs.note(actor.row.id, number, note)
