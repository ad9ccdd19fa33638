"""What the room of instances adds to the house."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aikore.base.home_identity import Original
from aikore.base.rooms import Room
from aikore.instances import api, topics
from aikore.instances.manager import Manager
from aikore.proxy.routes import Proxy

Settle = Callable[[set[int]], Awaitable[None]]
"""Awaited with the numbers of all instances, when they are known and before the door opens."""


def make(manager: Manager, proxy: Proxy, settle: Settle, original: Original | None) -> Room:
    """Instances and their trash. The door opens with this room, for its routes are those of the instances.

    ``original``: what the data folder was copied from, where it is a copy that was never opened before.
    """

    async def open_instances() -> None:
        await manager.load(original)
        await settle(manager.known_ids())
        await proxy.start(manager.routes.wanted())

    async def let_go(handing_over: bool) -> None:
        await manager.detach()
        if handing_over:
            proxy.detach()
        else:
            await proxy.stop()

    return Room(
        routes=api.router(manager).routes,
        parts=topics.parts(manager.publisher.list_views, manager.trashcan.entries),
        start=open_instances,
        stop=let_go,
    )
