"""The `/api/events` socket: first a snapshot, then numbered changes; a slow client is resynchronised, never skipped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from aikore.events import Bus
from aikore.naming import localise

SEND_TIMEOUT = 30.0
"""Seconds a client may take to accept one message before it is let go."""

Snapshot = Callable[[], dict[str, Any]]


def router(bus: Bus, snapshot: Snapshot) -> APIRouter:
    """Build the route. ``snapshot`` returns the present whole, without waiting."""
    routes = APIRouter()

    @routes.websocket("/api/events")
    async def events(socket: WebSocket) -> None:
        await socket.accept()
        sender = asyncio.create_task(_send(socket, bus, snapshot))
        reader = asyncio.create_task(_until_gone(socket))
        try:
            await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_quietly(sender, reader)

    return routes


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def end_quietly(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks of a socket and wait for them; that the client has gone is no error."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, OSError | WebSocketDisconnect | RuntimeError):
            raise result


async def _send(socket: WebSocket, bus: Bus, snapshot: Snapshot) -> None:
    host = socket.headers.get("host", "")
    with bus.subscribe() as subscription:
        kind = "snapshot"
        while True:
            subscription.reset()
            await _text(socket, host, {"type": kind, "seq": bus.seq, "data": snapshot()})
            while event := await subscription.next():
                change = {"type": "change", "seq": event.seq, "topic": event.topic, "data": event.data}
                await _text(socket, host, change)
            kind = "resync"


async def _text(socket: WebSocket, host: str, message: dict[str, Any]) -> None:
    text = localise(json.dumps(message, ensure_ascii=False, separators=(",", ":")), host)
    async with asyncio.timeout(SEND_TIMEOUT):
        await socket.send_text(text)
