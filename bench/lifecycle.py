"""How promptly the truth is told: listen → `started`, kill → `error`, POST start → the script's first line.

The reference of the same run is the bare machine: spawning `bash -c true` and one round trip to the manager.
Figures are medians in milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from tests.helpers.server import AiKoreServer

ROUNDS = 15

APP = """
date +%s.%N > began
exec python3 -c '
import os, time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["WEBUI_PORT"])), SimpleHTTPRequestHandler)
open("listening", "w").write(repr(time.time()))
server.serve_forever()'
"""


def await_status(events: object, status: str) -> float:
    """Return when the client received the status."""
    while True:
        message = json.loads(events.recv(30))  # type: ignore[attr-defined]
        if message.get("topic") == "instance" and message["data"]["status"] == status:
            return time.time()


def spawn_time() -> float:
    spawn = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(["bash", "-c", "true"], check=True)
        spawn.append(time.perf_counter() - began)
    return statistics.median(spawn)


def imports_time() -> float:
    """Return how long Python takes to import what the manager is made of: the reference of its start."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import aikore.main"], check=True)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = AiKoreServer(Path(folder) / "home")
        try:
            server.start()
            server.blueprint("app", APP)
            server.create("app", "app")
            measure(server)
        finally:
            server.clean_up()


def measure(server: AiKoreServer) -> None:
    first_line, ready, died, trip = [], [], [], []
    instance = server.home / "instances" / "app"
    with server.events() as events:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            server.http.get("/api/health")
            trip.append(time.perf_counter() - began)
            posted = time.time()
            server.post("app", "start")
            seen = await_status(events, "started")
            first_line.append(float((instance / "began").read_text()) - posted)
            ready.append(seen - float((instance / "listening").read_text()))
            killed = time.time()
            os.kill(server.get("app")["pid"], signal.SIGKILL)
            died.append(await_status(events, "error") - killed)
    first = [first_answer(server) for _ in range(5)]
    spawn = spawn_time()
    unit = statistics.median(trip)
    print(f"reference: spawn bash {spawn * 1000:.1f} ms, GET /api/health through NGINX {unit * 1000:.1f} ms")
    report("POST start → first line of the script", first_line, 200, spawn)
    report("app listens → `started` at a client", ready, 100, unit)
    report("app killed → `error` at a client", died, 100, unit)
    report("manager killed → first answer of the next one", first, 2000, imports_time())


def first_answer(server: AiKoreServer) -> float:
    """Kill the manager and return how long its successor takes, from its start, until the API tells the instances."""
    server.kill()
    began = time.time()
    server.launch()
    while True:
        with suppress(httpx.TransportError):
            if server.http.get("/api/instances").status_code == 200:
                return time.time() - began
        time.sleep(0.01)


def report(what: str, seconds: list[float], limit: float, unit: float) -> None:
    median = statistics.median(seconds)
    verdict = "ok" if median * 1000 <= limit else "TOO SLOW"
    print(f"{what}: {median * 1000:.1f} ms = {median / unit:.1f} × the reference (limit {limit:.0f} ms: {verdict})")


if __name__ == "__main__":
    main()
