"""What the room of blueprints adds to the house."""

from __future__ import annotations

from aikore.base.events import Bus
from aikore.base.rooms import Room
from aikore.blueprints import api, topics
from aikore.blueprints.library import Library


def make(library: Library, bus: Bus) -> Room:
    """The stock and the custom library, and the check of scripts."""

    async def tell() -> None:
        await api.tell(library, bus)

    routes = [*api.router(library, bus).routes, *api.scripts_router().routes]
    return Room(routes=routes, parts=[topics.part(bus)], start=tell)
