"""How fast the door is: requests, WebSocket round trip, a large download with an event stream beside it.

Every figure is a ratio against the same thing sent straight to the app's port in the same run: medians of
alternating pairs. The app is one process, as most WebUIs are; where `wrk` is missing an asyncio client sends the load.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from websockets.sync.client import connect

from aikore.config import Settings
from aikore.proxy.nginx import NginxProxy
from aikore.proxy.routes import Route
from tests.apps.echo_app import EchoApp
from tests.helpers.server import free_ports, wait_until

PAIRS = 9
CONNECTIONS = 16
SECONDS = 2
ROUND_TRIPS = 1000
DOWNLOAD = 256 * 2**20
CHUNK = bytes(2**20)
SMALL = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


class SmallApp(asyncio.Protocol):
    """Answers small requests, streams a download at `/big` and events with their time of sending at `/events`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.room = asyncio.Event()
        self.room.set()

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1]
        if path == b"/big":
            self.task = asyncio.create_task(self.download())
        elif path == b"/events":
            self.task = asyncio.create_task(self.events())
        else:
            self.transport.write(SMALL * data.count(b"\r\n\r\n"))

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    async def download(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % DOWNLOAD)
        for _ in range(DOWNLOAD // len(CHUNK)):
            self.transport.write(CHUNK)
            await self.room.wait()

    async def events(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        while not self.transport.is_closing():
            self.transport.write(b"data: %.6f\n\n" % time.time())
            await asyncio.sleep(0.01)


async def app(small: int, stream: int, echo: int) -> None:
    """Run what this process is told: ports of 0 are left out."""
    loop = asyncio.get_running_loop()
    for port in (small, stream):
        if port:
            await loop.create_server(SmallApp, "127.0.0.1", port)
    if echo:
        await EchoApp().start(echo)
    await asyncio.Event().wait()


def requests_per_second(port: int, path: str) -> float:
    if not shutil.which("wrk"):
        return asyncio.run(own_load(port, path))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{port}{path}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found, text
    return float(found[1])


async def own_load(port: int, path: str) -> float:
    end, count = time.perf_counter() + SECONDS, 0

    async def client() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await reader.readuntil(b"}")
            count += 1
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return count / SECONDS


def round_trip(port: int, path: str) -> float:
    """Return the median round trip of a short message, in µs."""
    times = []
    with connect(f"ws://127.0.0.1:{port}{path}", proxy=None, compression=None) as websocket:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            websocket.send("x" * 64)
            websocket.recv()
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def get(port: int, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return connection


def download(port: int, path: str) -> float:
    """Return the speed of the download in GB/s."""
    buffer, got = bytearray(2**20), 0
    began = time.perf_counter()
    with get(port, path) as connection:
        while got < DOWNLOAD and (count := connection.recv_into(buffer)):
            got += count
    assert got >= DOWNLOAD
    return got / (time.perf_counter() - began) / 1e9


class EventDelays(threading.Thread):
    """Listens to an event stream and notes how late each event comes, in ms."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self.connection = get(port, path)
        self.delays: list[float] = []
        self.start()

    def run(self) -> None:
        while data := self.connection.recv(4096):
            now = time.time()
            self.delays += [(now - float(found)) * 1e3 for found in re.findall(rb"data: ([\d.]+)\n", data)]


def pairs(measure: Callable[[int, str], float], direct: tuple[int, str], door: tuple[int, str]) -> tuple[float, ...]:
    """Return medians: direct, through the door, of the ratios. Which goes first alternates."""
    results: dict[tuple[int, str], list[float]] = {direct: [], door: []}
    for number in range(PAIRS):
        for target in (direct, door) if number % 2 else (door, direct):
            results[target].append(measure(*target))
    ratios = [through / straight for through, straight in zip(results[door], results[direct], strict=True)]
    return (*(statistics.median(values) for values in results.values()), statistics.median(ratios))


def line(name: str, unit: str, figures: tuple[float, ...], promise: str) -> None:
    direct, door, ratio = figures
    print(f"{name:32} direct {direct:9.1f} {unit:5} door {door:9.1f} {unit:5} ratio {ratio:5.2f}  promised {promise}")


def measure(port: int, small: int, stream: int, echo: int) -> None:
    figures = pairs(requests_per_second, (small, "/x"), (port, "/app/small/x"))
    line(f"requests ({CONNECTIONS} connections)", "1/s", figures, ">= 0.85")
    line("WebSocket round trip", "us", pairs(round_trip, (echo, "/ws"), (port, "/app/echo/ws")), "<= 1.5")
    delays = EventDelays(port, "/app/stream/events")
    quiet = pairs(download, (small, "/big"), (port, "/app/small/big"))
    line("download of 256 MB", "GB/s", quiet, ">= 0.4")
    late = sorted(delays.delays)
    print(
        f"events during it: {len(late)}, median {statistics.median(late):.1f} ms, "
        f"99% {late[len(late) * 99 // 100]:.1f} ms, worst {late[-1]:.1f} ms  promised <= 20"
    )


async def main() -> None:
    port, small, stream, echo = free_ports(4)
    apps = [
        subprocess.Popen([sys.executable, __file__, *map(str, ports)])
        for ports in ((small, 0, 0), (0, stream, 0), (0, 0, echo))
    ]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), port=port, nginx_path=sys.argv[1] if len(sys.argv) == 2 else "")
        proxy = NginxProxy(settings)
        try:
            await proxy.start([Route("small", small), Route("stream", stream), Route("echo", echo)])
            for app_port in (small, stream, echo):
                await asyncio.to_thread(wait_until, lambda number=app_port: _listens(number), 10)
            await asyncio.to_thread(measure, port, small, stream, echo)
        finally:
            await proxy.stop()
            for process in apps:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(app(*map(int, sys.argv[1:])))
    else:
        asyncio.run(main())
