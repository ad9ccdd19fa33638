"""Serving WebSockets and ending them: with their client, with their instance, with a reason that fits the frame."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

NOT_FOUND, NOT_NOW, BAD_CONTROL, OVER, TRY_LATER = 4404, 4409, 4400, 4410, 1013
"""Close codes: no such instance or terminal; not possible now; no such control; the program ended; try again later
(RFC 6455's registry)."""

REASON_MOST = 120
"""Bytes of a closing frame's reason; the protocol allows 123."""

Removed = Callable[[str], Awaitable[None]]
"""Returns when the instance of this id or slug is removed."""


class Removals:
    """Ends the sockets of an instance with it."""

    def __init__(self) -> None:
        self._waiting: dict[int, set[asyncio.Event]] = {}

    async def of(self, instance: int) -> None:
        """Return when the instance is removed."""
        event = asyncio.Event()
        self._waiting.setdefault(instance, set()).add(event)
        try:
            await event.wait()
        finally:
            if waiting := self._waiting.get(instance):
                waiting.discard(event)
                if not waiting:
                    del self._waiting[instance]

    async def tell(self, instance: int) -> None:
        """Say that an instance was removed."""
        for event in self._waiting.get(instance, ()):
            event.set()


async def never(_: str) -> None:
    """Stand for the removal of an instance that is never removed."""
    await asyncio.Event().wait()


async def close_when(removal: Awaitable[None], socket: WebSocket) -> None:
    """Close a socket when its instance is removed."""
    await removal
    await close(socket, NOT_FOUND, "the instance was removed")


async def until_one_ends(*sides: Coroutine[Any, Any, None]) -> None:
    """Serve the sides of a socket, such as sending and receiving, until one of them ends; end the others with it."""
    tasks = [asyncio.create_task(side) for side in sides]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_quietly(*tasks)


async def close(socket: WebSocket, code: int, reason: str) -> None:
    """Close a socket and say why, as far as the reason fits into a closing frame (RFC 6455, 5.5)."""
    await socket.close(code, reason.encode()[:REASON_MOST].decode(errors="ignore"))


async def until_gone(socket: WebSocket) -> None:
    """Return when the client of a socket that only sends has gone."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def end_quietly(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks of a socket and wait for them; that the client has gone is no error."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, OSError | WebSocketDisconnect | RuntimeError):
            raise result
