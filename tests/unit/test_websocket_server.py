"""Several messages given at once: separate to the client, one write to the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, unix_connect

from aikore.base.websocket_server import TextsWebSocket, send_texts

TEXTS = ["", "one", "zwölf ☃", "x" * 70_000]
Serve = Callable[[WebSocket], Awaitable[None]]


class Counting(TextsWebSocket):
    writes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        write = self.transport.write

        def counted(data: Any) -> None:
            type(self).writes += 1
            write(data)

        self.transport.write = counted  # type: ignore[method-assign]


@asynccontextmanager
async def served(serve: Serve, path: Path, protocol: Any) -> AsyncIterator[ClientConnection]:
    """Serve sockets and be a client of one."""
    app = FastAPI()
    app.websocket("/")(serve)
    config = uvicorn.Config(
        app, uds=str(path), ws=protocol, log_config=None, lifespan="off", ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.sleep(0.001)
            async with unix_connect(str(path), "ws://localhost/") as client:
                yield client
    finally:
        server.should_exit = True
        await serving


async def several(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive()
    before = Counting.writes
    await send_texts(socket, TEXTS)
    await socket.send_text(str(Counting.writes - before))


async def test_texts_given_at_once_are_messages_of_their_own_and_one_write(tmp_path: Path) -> None:
    async with served(several, tmp_path / "s", Counting) as client:
        await client.send("go")
        assert [await client.recv() for _ in TEXTS] == TEXTS
        assert await client.recv() == "1"


async def test_a_server_without_the_ability_sends_them_one_by_one(tmp_path: Path) -> None:
    async with served(several, tmp_path / "s", "websockets-sansio") as client:
        await client.send("go")
        assert [await client.recv() for _ in TEXTS] == TEXTS


@pytest.mark.parametrize("abrupt", [True, False])
async def test_texts_for_a_client_that_has_gone_say_so(tmp_path: Path, abrupt: bool) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await send_texts(socket, TEXTS)
                await asyncio.sleep(0.001)
        except WebSocketDisconnect:
            ended.set_result("gone")

    async with served(serve, tmp_path / "s", TextsWebSocket) as client:
        await client.recv()
        if abrupt:
            client.transport.abort()
        else:
            await client.close()
        assert await asyncio.wait_for(ended, 10) == "gone"
