"""What the room of terminals adds to the house."""

from __future__ import annotations

from pathlib import Path

from aikore.base.rooms import Room
from aikore.instances.manager import Manager
from aikore.terminal import api
from aikore.terminal.shell import Shell
from aikore.terminal.terminals import Terminals


def shell_of(manager: Manager, key: str) -> Shell:
    """Return the shell of an instance by id or slug. Raises NotFoundError, BrokenInstanceError."""
    manager.registry.usable(key)
    row = manager.registry.get(key).row
    return Shell(manager.files.folder(row.slug), row.id, manager.orders.environment(row))


def make(terminals: Terminals, manager: Manager, home: Path) -> Room:
    """Shells of instances, and of AiKore itself in its data folder. They end with the manager."""

    async def close(_: bool) -> None:
        await terminals.close()

    routes = api.router(terminals, lambda key: shell_of(manager, key), Shell(home)).routes
    return Room(routes=routes, on_removed=[terminals.end_of], stop=close)
