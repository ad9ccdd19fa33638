"""The `/api/events` socket: first a snapshot, then numbered changes; a slow client is resynchronised, never skipped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from aikore.auth.access import needs
from aikore.auth.identity import identity_in
from aikore.auth.permissions import Permission, Permissions
from aikore.errors import NotFoundError
from aikore.events import Bus, Event
from aikore.naming import localise

SEND_TIMEOUT = 30.0
"""Seconds a client may take to accept one message before it is let go."""

REASON_MOST = 120
"""Bytes of a closing frame's reason; the protocol allows 123."""

Snapshot = Callable[[], dict[str, Any]]
Show = Callable[[Any, Permissions], Any]
"""Returns data as somebody with these permissions may see them."""
InstanceId = Callable[[str], int]
NOT_FOUND = 4404
"""WebSocket close code: there is no such instance."""


def router(bus: Bus, snapshot: Snapshot, show: Show, instance_id: InstanceId) -> APIRouter:
    """Build the routes. ``snapshot`` returns the present whole, without waiting."""
    routes = APIRouter()

    async def serve(socket: WebSocket, whole: Snapshot, wanted: Callable[[Event], bool]) -> None:
        await until_one_ends(_send(socket, bus, whole, wanted, show), until_gone(socket))

    @routes.websocket("/api/events", dependencies=needs(Permission.INSTANCES_VIEW))
    async def events(socket: WebSocket) -> None:
        await socket.accept()
        await serve(socket, snapshot, lambda _: True)

    @routes.websocket("/api/instances/{id}/events", dependencies=needs(Permission.INSTANCES_VIEW))
    async def instance_events(socket: WebSocket, id: str) -> None:  # noqa: A002
        await socket.accept()
        try:
            number = instance_id(id)
        except NotFoundError as error:
            await close(socket, NOT_FOUND, error.message)
            return

        def whole() -> dict[str, Any]:
            return {"instances": [one for one in snapshot()["instances"] if one["id"] == number]}

        await serve(socket, whole, lambda event: event.topic.startswith("instance") and event.data["id"] == number)

    return routes


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


async def _send(socket: WebSocket, bus: Bus, snapshot: Snapshot, wanted: Callable[[Event], bool], show: Show) -> None:
    host = socket.headers.get("x-forwarded-host") or socket.headers.get("host", "")
    permissions = identity_in(socket.scope).permissions
    with bus.subscribe() as subscription:
        kind = "snapshot"
        while True:
            subscription.reset()
            await _text(socket, host, {"type": kind, "seq": bus.seq, "data": show(snapshot(), permissions)})
            while event := await subscription.next():
                if wanted(event):
                    data = show(event.data, permissions)
                    change = {"type": "change", "seq": event.seq, "topic": event.topic, "data": data}
                    await _text(socket, host, change)
            kind = "resync"


async def _text(socket: WebSocket, host: str, message: dict[str, Any]) -> None:
    text = localise(json.dumps(message, ensure_ascii=False, separators=(",", ":")), host)
    async with asyncio.timeout(SEND_TIMEOUT):
        await socket.send_text(text)
