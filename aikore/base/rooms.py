"""What a room adds to the house. A room says it itself, in its own ``make``; ``aikore.main.house`` lists the rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute

from aikore.base.events import Part


async def _nothing(*_: object) -> None:
    """Stand for what a room has no need to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one room adds. All of it may be left out."""

    routes: Sequence[BaseRoute] = ()
    parts: Sequence[Part[Any]] = ()
    """What of its topics a page begins with."""
    on_removed: Sequence[Callable[[int], Awaitable[None]]] = ()
    """What is awaited with the number of an instance that was removed."""
    start: Callable[[], Awaitable[None]] = _nothing
    """Opens the room. Those listed before it are open by then; nothing is answered before all are."""
    stop: Callable[[bool], Awaitable[None]] = _nothing
    """Closes the room, before those listed ahead of it. True: another manager goes on with what runs."""
