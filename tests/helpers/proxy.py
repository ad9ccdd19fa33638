"""A door with echo apps behind it, and a client that sends requests exactly as written."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aikore.config import Settings
from aikore.proxy.flags import Flags
from aikore.proxy.nginx import NginxProxy
from aikore.proxy.routes import Route
from tests.apps.echo_app import EchoApp
from tests.helpers.server import free_ports


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


async def ask(
    port: int,
    target: str,
    method: str = "GET",
    host: str = "",
    body: bytes | None = None,
    chunked: bool = False,
    **headers: str,
) -> Answer:
    """Send one request whose target is passed byte for byte; underscores in header names become hyphens."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'localhost:{port}'}", "Connection: close"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif body is not None:
        lines.append(f"Content-Length: {len(body)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if chunked:
            writer.write(f"{len(body or b''):x}\r\n".encode() + (body or b"") + b"\r\n0\r\n\r\n")
        elif body is not None:
            writer.write(body)
        async with asyncio.timeout(20):
            await writer.drain()
            raw = await reader.read()
    finally:
        writer.close()
    head, _, content = raw.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    pairs = [(key, value) for key, _, value in (field.partition(": ") for field in fields)]
    return Answer(int(first.split(" ")[1]), pairs, content)


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 5.0) -> Any:
    """Return the condition's first true value; fail when the deadline passes."""
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.01)
    return value


class Door:
    """NGINX on a home and a port of its own, an app that runs, one that does not, and a manager that echoes."""

    def __init__(self, home: Path, **settings: Any) -> None:
        ports = free_ports(6)
        self.port, self.app_port, self.down_port, self.keep_port, self.public, self.public_keep = ports
        self.settings = Settings(home=home, port=self.port, nginx_workers=2, **settings)
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        self.flags = Flags(self.settings.flags_dir)
        self.proxy = NginxProxy(self.settings)
        self.echo, self.keep, self.manager = EchoApp("echo"), EchoApp("keep"), EchoApp("manager")
        self.routes = [
            Route("echo", self.app_port, public_port=self.public, hostname="echo.example.org"),
            Route("keep", self.keep_port, base_path="keep", public_port=self.public_keep),
            Route("down", self.down_port),
        ]

    async def open(self) -> Door:
        await self.echo.start(self.app_port)
        await self.keep.start(self.keep_port)
        await self.manager.start(str(self.settings.manager_socket))
        for route in self.routes:
            self.flags.of(route.slug).up(1)
        await self.proxy.start(self.routes)
        return self

    async def close(self) -> None:
        await self.proxy.stop()
        for app in (self.echo, self.keep, self.manager):
            await app.stop()

    async def ask(self, target: str, method: str = "GET", **more: Any) -> Answer:
        return await ask(self.port, target, method, **more)

    def url(self, path: str) -> str:
        return f"ws://localhost:{self.port}{path}"
