"""Who is there: the instances of the house by number and slug, in order, with what their scripts say of themselves.

Owns no rows and no statuses; whoever adds or removes an instance holds :attr:`Registry.structure`.
"""

from __future__ import annotations

import asyncio

from aikore.base import procfs
from aikore.base.errors import NotFoundError
from aikore.base.times import unix
from aikore.blueprints.header import Header
from aikore.config.instances import InstanceSettings
from aikore.instances.actor import Actor
from aikore.instances.files import InstanceFiles
from aikore.instances.rows import InstanceRow
from aikore.monitor.instances import MonitoredInstance


class Registry:
    """The actors of all instances."""

    def __init__(self, settings: InstanceSettings, files: InstanceFiles) -> None:
        self._settings = settings
        self._files = files
        self._actors: dict[int, Actor] = {}
        self._headers: dict[int, Header] = {}
        self.structure = asyncio.Lock()
        """Held while instances are made, changed or removed: one after the other."""
        self.coming: list[InstanceRow] = []
        """Rows of copies that are being made: their names, slugs and ports are taken."""
        self.copied: list[Actor] = []
        """Instances that are being copied."""

    # Coming and going ---------------------------------------------------------------------------------------

    def add(self, actor: Actor) -> None:
        self._actors[actor.row.id] = actor

    def remove(self, actor: Actor) -> None:
        del self._actors[actor.row.id]
        self._headers.pop(actor.row.id, None)

    def learn(self, row: InstanceRow, header: Header) -> Header:
        """Take what a launch script says of itself; return what it said before."""
        before = self.header(row)
        self._headers[row.id] = header
        return before

    def header(self, row: InstanceRow) -> Header:
        return self._headers.get(row.id, Header())

    # Looking up ---------------------------------------------------------------------------------------------

    def __contains__(self, actor: Actor) -> bool:
        return self._actors.get(actor.row.id) is actor

    def get(self, key: str) -> Actor:
        """Return the actor of an id or slug. Raises NotFoundError."""
        found = self.find(key)
        if found is None:
            raise NotFoundError(f"There is no instance {key[:100]!r}.")
        return found

    def find(self, key: str) -> Actor | None:
        """Return the actor of an id or slug."""
        if key.isascii() and key.isdigit():
            return self._actors.get(int(key[:18]))
        return next((actor for actor in self._actors.values() if actor.row.slug == key), None)

    def of(self, number: int) -> Actor | None:
        """Return the actor of a number."""
        return self._actors.get(number)

    def ids(self) -> set[int]:
        return set(self._actors)

    def all(self) -> list[Actor]:
        """Return all actors. Any thread may ask."""
        return list(self._actors.values())

    def ordered(self) -> list[Actor]:
        """Return all actors in the order in which they are listed."""
        return sorted(self._actors.values(), key=lambda actor: (actor.row.position, actor.row.id))

    def rows(self) -> list[InstanceRow]:
        """Return the rows whose names, slugs, ports and displays are taken."""
        return [*(actor.row for actor in self._actors.values()), *self.coming]

    # What other rooms ask -----------------------------------------------------------------------------------

    def instance_id(self, key: str) -> int:
        """Return the number of an id or slug. Raises NotFoundError."""
        return self.get(key).row.id

    def identify(self, key: str) -> tuple[int, str]:
        """Return number and slug of an id or slug. Raises NotFoundError."""
        row = self.get(key).row
        return row.id, row.slug

    def usable(self, key: str) -> tuple[int, str]:
        """Like :meth:`identify`, for what lies in the folder. Raises BrokenInstanceError when that is out of reach."""
        actor = self.get(key)
        actor.require_folder()
        return actor.row.id, actor.row.slug

    def access_of(self, slug: str) -> tuple[int, list[str]]:
        """Return the number of an instance and the networks that need no login for it. Raises NotFoundError."""
        row = self.get(slug).row
        return row.id, row.open_networks

    def is_routed_host(self, host: str) -> bool:
        """Say whether an instance answers under this host name."""
        slug, _, domain = host.lower().rstrip(".").partition(".")
        known = domain in ("localhost", self._settings.app_domain.lower() or "localhost")
        rows = [actor.row for actor in self._actors.values()]
        return any(row.hostname == host.lower() or (known and row.slug == slug) for row in rows)

    def monitored(self) -> list[MonitoredInstance]:
        """Return what the monitor must know of every instance. Any thread may ask."""
        return [self._monitored(actor) for actor in self.all()]

    def _monitored(self, actor: Actor) -> MonitoredInstance:
        row, state = actor.row, actor.state
        return MonitoredInstance(
            id=row.id,
            slug=row.slug,
            folder=self._files.folder(row.slug),
            status=str(state.status),
            root=actor.keeper_pid,
            gpu_ids=None if row.gpu_ids is None else tuple(row.gpu_ids),
            started_at=unix(actor.started_at),
            runs=state.run,
        )

    def name_of(self, pid: int) -> str | None:
        """Return the name of the instance that a process belongs to. Any thread may ask."""
        roots = {actor.keeper_pid: actor.row.name for actor in self.all()}
        ancestor: int | None = pid
        while ancestor and ancestor not in roots:
            ancestor = procfs.parent(ancestor)
        return roots.get(ancestor) if ancestor else None
