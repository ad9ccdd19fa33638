"""What watching costs: 50 running instances, 8 stand-in GPUs, 20 viewers, against the same house that looks at nothing.

The stand-in driver opens a file for every figure, so the real one is cheaper on this side.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
import psutil

from tests.helpers.gpus import GIB, StandInGpus
from tests.helpers.server import AiKoreServer, free_range

INSTANCES, GPUS, VIEWERS, SECONDS, QUESTIONS = 50, 8, 20, 30, 300
PROGRAM = "sleep 100000 & exec sleep 100000"
NEVER = 86400


def cpu_share(process: psutil.Process, seconds: float) -> float:
    """Return percent of a core over a while."""
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began) * 100


def memory(process: psutil.Process) -> float:
    """Return private and shared memory of the manager, in MB."""
    return process.memory_full_info().pss / 2**20


def prepare(server: AiKoreServer, gpus: StandInGpus) -> None:
    server.blueprint("sleeps", PROGRAM, ready="process")

    def one(number: int) -> None:
        slug = server.create(f"One {number}", "sleeps", gpu_ids=[str(number % GPUS)])["slug"]
        server.start_and_wait(slug)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(INSTANCES)))
    pids = [(one["pid"], int(one["gpu_ids"][0])) for one in server.http.get("/api/instances").json()]
    for gpu in range(GPUS):
        gpus.processes(gpu, *((pid, GIB, 10) for pid, own in pids if own == gpu))


def view(server: AiKoreServer, ending: threading.Event) -> None:
    with server.socket("/api/system/stats/stream") as socket:
        while not ending.is_set():
            socket.recv(30)


def answer_times(server: AiKoreServer) -> list[float]:
    """Return how long each question takes at the manager itself, in ms."""
    transport = httpx.HTTPTransport(uds=str(server.home / "run" / "manager.sock"))
    times = []
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        for _ in range(QUESTIONS):
            began = time.perf_counter()
            client.get("/api/system/stats").raise_for_status()
            times.append((time.perf_counter() - began) * 1e3)
    return times


def watched(folder: Path, interval: float, viewers: int) -> tuple[float, float, list[float]]:
    """Return CPU share and memory of a manager, and the answer times."""
    gpus = StandInGpus(folder, GPUS)
    server = AiKoreServer(
        folder / "home", sample_interval=interval, sample_idle_interval=interval, instance_ports=free_range(80)
    )
    server.variables |= gpus.variables
    ending = threading.Event()
    try:
        server.start()
        prepare(server, gpus)
        with ThreadPoolExecutor(VIEWERS) as pool:
            for _ in range(viewers):
                pool.submit(view, server, ending)
            time.sleep(10)
            assert server.process
            process = psutil.Process(server.process.pid)
            share, used = cpu_share(process, SECONDS), memory(process)
            times = answer_times(server)
            ending.set()
    finally:
        ending.set()
        server.clean_up()
    return share, used, times


def main() -> None:
    os.environ.pop("AIKORE_HOME", None)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        idle_share, idle_memory, _ = watched(Path(first), NEVER, 0)
        share, used, times = watched(Path(second), 1.0, VIEWERS)
    print(f"looking at nothing: {idle_share:.2f}% of a core, {idle_memory:.0f} MB")
    print(f"{INSTANCES} instances, {GPUS} GPUs, {VIEWERS} viewers: {share:.2f}% of a core, {used:.0f} MB")
    print(f"watching costs {share - idle_share:.2f}% of a core (promised <= 3), {used - idle_memory:.0f} MB (<= 30)")
    print(f"GET /api/system/stats: median {statistics.median(times):.2f} ms (promised <= 5)")


if __name__ == "__main__":
    main()
