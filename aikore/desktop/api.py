"""The route of desktops: a WebSocket that carries the RFB protocol of the instance's display server, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, WebSocket

from aikore.auth.access import needs
from aikore.auth.permissions import Permission
from aikore.base.errors import AiKoreError
from aikore.base.websockets import NOT_FOUND, NOT_NOW, Removed, close, close_when, never, until_one_ends

CHUNK = 65536
SEND_TIMEOUT = 60.0
"""Seconds a viewer may take to accept one frame before it is let go."""
"""WebSocket close codes: no such instance or no desktop, nothing shows it now."""

SocketOf = Callable[[str], Path]
"""Returns the VNC socket of an instance by id or slug; raises NotFoundError."""


def router(socket_of: SocketOf, removed: Removed = never) -> APIRouter:
    """Build the route. ``removed`` returns when an instance is removed."""
    routes = APIRouter(tags=["desktop"])

    @routes.websocket("/api/instances/{id}/desktop", dependencies=needs(Permission.DESKTOPS))
    async def desktop(socket: WebSocket, id: str) -> None:  # noqa: A002
        await socket.accept("binary" if "binary" in socket.scope.get("subprotocols", ()) else None)
        try:
            reader, writer = await asyncio.open_unix_connection(socket_of(id), limit=CHUNK)
        except AiKoreError as error:
            await close(socket, NOT_FOUND, error.message)
        except OSError:
            await close(socket, NOT_NOW, "the desktop is not up")
        else:
            await _carry(socket, reader, writer, removed(id))

    return routes


async def _carry(
    socket: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, removal: Awaitable[None]
) -> None:
    """Carry bytes both ways until one side ends. A slow viewer slows the display server's sending to it alone."""
    try:
        await until_one_ends(_send(socket, reader), _receive(socket, writer), close_when(removal, socket))
    finally:
        writer.close()


async def _send(socket: WebSocket, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(CHUNK):
        async with asyncio.timeout(SEND_TIMEOUT):
            await socket.send_bytes(data)
    await close(socket, NOT_NOW, "the desktop ended")


async def _receive(socket: WebSocket, writer: asyncio.StreamWriter) -> None:
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        if data := message.get("bytes"):
            writer.write(data)
            await writer.drain()
