"""What the login costs at the door: requests, their 99th percentile, the WebSocket round trip.

Two AiKores run side by side, one with a login and one without, each with the same app: a Node server that does next to
nothing, else a Starlette one. Every figure is the ratio of the two in the same run, medians of alternating pairs.
"""

from __future__ import annotations

import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import time

from websockets.sync.client import connect

from bench.door import CONNECTIONS, NODE_APP, PAIRS, ROUND_TRIPS, SECONDS
from tests.helpers.access import set_up
from tests.helpers.server import AiKoreServer

NODE = shutil.which("node")
APP = (
    f'exec {NODE} -e {shlex.quote(NODE_APP)} -- "$WEBUI_PORT"'
    if NODE
    else f'exec {sys.executable} {Path(__file__).parent / "door.py"} starlette "$WEBUI_PORT"'
)
ECHO = f'exec {sys.executable} {Path(__file__).parent / "door.py"} echo "$WEBUI_PORT"'


def serve(server: AiKoreServer) -> str:
    """Start an AiKore with the apps; return the cookie that opens it."""
    server.start()
    cookie = ""
    if server.settings["auth"] == "on":
        owner = set_up(server)
        cookie = "; ".join(f"{name}={value}" for name, value in owner.cookies.items())
    server.blueprint("small", APP)
    server.blueprint("echo", ECHO, ready="process")
    for name in ("small", "echo"):
        server.create(name, name)
        server.post(name, "start")
        server.wait_status(name, "started")
    return cookie


def load(server: AiKoreServer, cookie: str) -> tuple[float, float]:
    """Return requests per second and the 99th percentile of their time in ms."""
    url = f"{server.url}/app/small/x"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", f"Cookie: {cookie}", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    speed, slowest = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text)
    assert speed and slowest, text
    return float(speed[1]), float(slowest[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]]


def round_trip(server: AiKoreServer, cookie: str) -> float:
    """Return the median round trip of a short message, in µs."""
    times = []
    url = f"ws://127.0.0.1:{server.port}/app/echo/ws"
    with connect(url, additional_headers={"Cookie": cookie}, proxy=None, compression=None) as socket:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            socket.send("x" * 64)
            socket.recv()
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def measure(door: tuple[AiKoreServer, str], free: tuple[AiKoreServer, str]) -> None:
    speeds: dict[int, list[float]] = {0: [], 1: []}
    slowest: dict[int, list[float]] = {0: [], 1: []}
    trips: dict[int, list[float]] = {0: [], 1: []}
    for number in range(PAIRS):
        for which in (0, 1) if number % 2 else (1, 0):
            speed, slow = load(*(free, door)[which])
            speeds[which].append(speed)
            slowest[which].append(slow)
            trips[which].append(round_trip(*(free, door)[which]))
    line("requests per second", speeds, ">= 0.85")
    line("99th percentile, ms", slowest, "<= 3")
    line("WebSocket round trip, us", trips, "unchanged")


def line(name: str, figures: dict[int, list[float]], promise: str) -> None:
    ratio = statistics.median(on / off for on, off in zip(figures[1], figures[0], strict=True))
    off, on = (statistics.median(figures[which]) for which in (0, 1))
    print(f"{name:28} login off {off:9.1f}  login on {on:9.1f}  ratio {ratio:5.2f}  promised {promise}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = [AiKoreServer(Path(folder) / auth, auth=auth) for auth in ("on", "off")]
        try:
            door, free = ((server, serve(server)) for server in servers)
            measure(door, free)
        finally:
            for server in servers:
                server.clean_up()


if __name__ == "__main__":
    main()
