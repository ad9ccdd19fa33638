"""An app that answers with what it saw: request line, headers, length of the body. Echoes WebSocket messages.

Paths that end in a word below do more: see ``SPECIAL``. Runs inside a test's loop, or alone: ``echo_app.py PORT``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

from websockets.frames import Opcode
from websockets.server import ServerProtocol

SPECIAL: dict[str, tuple[int, list[tuple[str, str]]]] = {
    "teapot": (418, []),
    "broken": (502, []),
    "cookies": (
        200,
        [
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2; Path=/app/other/x"),
            ("Set-Cookie", "c=3; Path=/app/echo/y"),
        ],
    ),
    "accel": (
        200,
        [
            ("X-Accel-Redirect", "/api/health"),
            ("Service-Worker-Allowed", "/"),
            ("Clear-Site-Data", '"*"'),
            ("Strict-Transport-Security", "max-age=9"),
        ],
    ),
    "moved": (302, [("Location", "/login?next=%2F")]),
}


class EchoApp:
    """The app on a TCP port or a Unix socket."""

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.requests: list[str] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, where: int | str) -> EchoApp:
        if isinstance(where, int):
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", where, limit=2**20)
        else:
            self._server = await asyncio.start_unix_server(self._serve, where, limit=2**20)
        return self

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").strip().split("\r\n")
        self.requests.append(line)
        headers = dict(tuple(field.split(": ", 1)) if ": " in field else (field[:-1], "") for field in fields)
        lower = {key.lower(): value for key, value in headers.items()}
        if lower.get("upgrade", "").lower() == "websocket":
            await self._echo(head, reader, writer)
            return False
        length = await _body_length(reader, lower)
        word = line.split(" ")[1].partition("?")[0].rpartition("/")[2]
        status, more = SPECIAL.get(word, (200, []))
        body = json.dumps({"app": self.name, "line": line, "headers": lower, "length": length}).encode()
        extra = "".join(f"{key}: {value}\r\n" for key, value in more)
        top = f"HTTP/1.1 {status} Echo\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        writer.write(top.encode() + (b"" if line.startswith("HEAD") else body))
        await writer.drain()
        return True

    async def _echo(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol(max_size=None)
        protocol.receive_data(head)
        for event in protocol.events_received():
            protocol.send_response(protocol.accept(event))  # type: ignore[arg-type]
        while True:
            for data in protocol.data_to_send():
                writer.write(data) if data else writer.write_eof()
            await writer.drain()
            data = await reader.read(65536)
            if not data:
                return
            protocol.receive_data(data)
            for event in protocol.events_received():
                if event.opcode is Opcode.TEXT:  # type: ignore[union-attr]
                    protocol.send_text(event.data)  # type: ignore[union-attr]


async def _body_length(reader: asyncio.StreamReader, headers: dict[str, str]) -> int:
    if headers.get("transfer-encoding") == "chunked":
        total = 0
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
            total += size
        await reader.readline()
        return total
    left = total = int(headers.get("content-length", "0"))
    while left:
        left -= len(await reader.readexactly(min(left, 65536)))
    return total


async def _main(port: int) -> None:
    await EchoApp().start(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
