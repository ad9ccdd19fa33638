"""WebSockets that take several messages at once. Owns how they reach the kernel; knows no message.

Whoever has several messages ready, as the events to a page, gives them in one ASGI message (:func:`send_texts`). They
are separate messages to the client, but pass the layers of the application once and are one write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

EXTENSION = "aikore.texts"
"""Names the ability in a socket's scope; another server that lacks it gets the messages one by one."""


async def send_texts(socket: WebSocket, texts: Sequence[str]) -> None:
    """Send text messages, at least one, in their order."""
    if EXTENSION in socket.scope.get("extensions", {}):
        await socket.send({"type": "websocket.send", "texts": texts})
        return
    for text in texts:
        await socket.send_text(text)


class TextsWebSocket(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, with that ability."""

    async def run_asgi(self) -> None:
        self.scope.setdefault("extensions", {})[EXTENSION] = {}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        if "texts" not in message:
            await super().send(message)
            return
        await self.writable.wait()
        *before, last = message["texts"]
        if self.conn.state is State.OPEN:  # else the last one tells
            for text in before:
                self.conn.send_text(text.encode())
        await super().send({"type": "websocket.send", "text": last})
