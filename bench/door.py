"""How fast the door is: requests, WebSocket round trip, a large download with an event stream beside it.

Every figure is a ratio against the same thing sent straight to the app's port in the same run: medians of alternating
rounds. Requests are measured with two apps: a Starlette route under uvicorn, as most Python WebUIs are, and a Node
server that does next to nothing, which shows where the door itself ends. Where Node and npm are, JupyterHub's
configurable-http-proxy serves the same apps for comparison. Where `wrk` is missing an asyncio client sends the load.
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

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route as StarletteRoute
from websockets.sync.client import connect

from aikore.base.disk import private_folder
from aikore.config import Settings
from aikore.proxy.flags import Flags
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
CHP = "configurable-http-proxy@5.3.0"
NODE_APP = """
require("http").createServer((_, answer) => {
  answer.setHeader("Content-Type", "application/json");
  answer.end('{"ok":true}');
}).listen(+process.argv[1], "127.0.0.1");
"""


def web_app(port: int) -> None:
    """Serve one small route as most Python WebUIs do (Gradio and FastAPI stand on Starlette)."""

    async def small(_: Request) -> JSONResponse:
        return JSONResponse({"ok": True})

    uvicorn.run(Starlette(routes=[StarletteRoute("/x", small)]), port=port, access_log=False, log_level="error")


class StreamApp(asyncio.Protocol):
    """Streams a download at `/big` and events with their time of sending at `/events`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.room = asyncio.Event()
        self.room.set()

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1]
        if path == b"/big":
            self.task = asyncio.create_task(self.download())
        else:
            self.task = asyncio.create_task(self.events())

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


async def stream_app(port: int) -> None:
    await asyncio.get_running_loop().create_server(StreamApp, "127.0.0.1", port)
    await asyncio.Event().wait()


async def echo_app(port: int) -> None:
    await EchoApp().start(port)
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


Target = tuple[int, str]


def rounds(measure: Callable[[int, str], float], direct: Target, *others: Target) -> list[tuple[float, float]]:
    """Return per target the median and the median of its ratios to the first one. The order turns every round."""
    targets = [direct, *others]
    results: dict[Target, list[float]] = {target: [] for target in targets}
    for number in range(PAIRS):
        for target in targets if number % 2 else reversed(targets):
            results[target].append(measure(*target))
    straight = results[direct]
    return [
        (statistics.median(found), statistics.median(one / base for one, base in zip(found, straight, strict=True)))
        for found in results.values()
    ]


def line(name: str, unit: str, figures: list[tuple[float, float]], promise: str) -> None:
    (direct, _), (door, ratio), *chp = figures
    print(f"{name:32} direct {direct:9.1f} {unit:5} door {door:9.1f} {unit:5} ratio {ratio:5.2f}  promised {promise}")
    for speed, of_direct in chp:
        print(
            f"{'':32} configurable-http-proxy {speed:9.1f} {unit:5} ratio {of_direct:5.2f}; "
            f"the door is {ratio / of_direct:.1f} times as fast  promised >= 3"
        )


def measure(port: int, apps: dict[str, int], chp: int) -> None:
    for name in ("starlette", "node"):
        if name in apps:
            others = [(port, f"/app/{name}/x"), *([(chp, f"/{name}/x")] if chp else [])]
            figures = rounds(requests_per_second, (apps[name], "/x"), *others)
            line(f"requests, {name} ({CONNECTIONS} connections)", "1/s", figures, ">= 0.85")
    line("WebSocket round trip", "us", rounds(round_trip, (apps["echo"], "/ws"), (port, "/app/echo/ws")), "<= 1.5")
    delays = EventDelays(port, "/app/events/events")
    line("download of 256 MB", "GB/s", rounds(download, (apps["big"], "/big"), (port, "/app/big/big")), ">= 0.4")
    late = sorted(delays.delays)
    print(
        f"events during it: {len(late)}, median {statistics.median(late):.1f} ms, "
        f"99% {late[len(late) * 99 // 100]:.1f} ms, worst {late[-1]:.1f} ms  promised <= 20"
    )


def start_chp(folder: Path, port: int, apps: dict[str, int]) -> subprocess.Popen[bytes] | None:
    """Start configurable-http-proxy with the apps' routes; None where npm is missing."""
    if not shutil.which("npm"):
        return None
    subprocess.run(["npm", "install", "--silent", "--prefix", str(folder), CHP], check=True)
    (api,) = free_ports(1)
    command = [str(folder / "node_modules/.bin/configurable-http-proxy"), "--log-level=error", "--no-include-prefix"]
    process = subprocess.Popen([*command, f"--port={port}", "--ip=127.0.0.1", f"--api-port={api}"])
    wait_until(lambda: _listens(api), 20)
    for name, target in apps.items():
        body = {"target": f"http://127.0.0.1:{target}"}
        httpx.post(f"http://127.0.0.1:{api}/api/routes/{name}", json=body).raise_for_status()
    return process


def start_apps() -> tuple[dict[str, int], list[subprocess.Popen[bytes]]]:
    names = ["starlette", "big", "events", "echo"]
    apps = dict(zip(names, free_ports(len(names)), strict=True))
    processes = [subprocess.Popen([sys.executable, __file__, name, str(port)]) for name, port in apps.items()]
    if node := shutil.which("node"):
        (apps["node"],) = free_ports(1)
        processes.append(subprocess.Popen([node, "-e", NODE_APP, "--", str(apps["node"])]))
    for port in apps.values():
        wait_until(lambda port=port: _listens(port), 20)
    return apps, processes


async def main() -> None:
    port, chp_port = free_ports(2)
    apps, processes = start_apps()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), port=port, nginx_path=sys.argv[1] if len(sys.argv) == 2 else "")
        private_folder(settings.run_dir)
        proxy = NginxProxy(settings)
        try:
            for name in apps:
                Flags(settings.flags_dir).of(name).up(1)
            await proxy.start([Route(name, app_port) for name, app_port in apps.items()])
            if chp := start_chp(Path(folder) / "chp", chp_port, apps):
                processes.append(chp)
            await asyncio.to_thread(measure, port, apps, chp_port if chp else 0)
        finally:
            await proxy.stop()
            for process in processes:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run_app(name: str, port: int) -> None:
    if name == "starlette":
        web_app(port)
    else:
        asyncio.run(echo_app(port) if name == "echo" else stream_app(port))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        run_app(sys.argv[1], int(sys.argv[2]))
    else:
        asyncio.run(main())
