"""What telling costs: 10 viewers of three roles, 10 instances, 200 changes a second, over real sockets.

Two managers take turns in the same run: this code and an older commit (an argument; by default the last one that
encoded every change for every viewer). Each is the whole application without instances that run: their changes are
made by hand and not written to disk, so all CPU that is counted goes into views, bus, encoding and sockets.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, unix_connect

ROOT = Path(__file__).parent.parent
BEFORE = "34c3983"
INSTANCES, RATE, CHANGES, ROUNDS = 10, 200, 400, 7
ROLES = ("admin",) * 4 + ("operator",) * 3 + ("viewer",) * 3
PROMISED = 0.5


# The manager, a process of its own with the code that PYTHONPATH names -------------------------------------------


def make_actors(manager: Any) -> list[Any]:
    """Give a manager instances that it may tell of."""
    from aikore.blueprints.header import Header
    from aikore.instances.actor import Actor
    from aikore.instances.rows import InstanceRow

    old = not hasattr(manager, "registry")
    make = getattr(manager, "_actor_of", lambda row: Actor(row, manager)) if old else manager.host.make_actor
    actors = manager._actors if old else manager.registry._actors
    headers = manager._headers if old else manager.registry._headers
    now = datetime.now()
    for number in range(1, INSTANCES + 1):
        row = InstanceRow(
            id=number, name=f"Slow {number}", name_key=f"slow {number}", slug=f"slow-{number}", base_blueprint="web",
            gpu_ids=["0"], autostart=False, persistent_mode=False, is_comfyui_active_slot=False, status="starting",
            environment={"HF_TOKEN": "hf_secret"}, launch_args="", restart_policy="never", hostname="",
            open_networks=[], script_origin="", rebuild_pending=False, last_run=1, position=number, group="",
            port=9000 + number, app_port=7000 + number, vnc_display=number, created_at=now, updated_at=now,
        )  # fmt: skip
        headers[number] = Header()
        actors[number] = make(row)
    return list(actors.values())


async def manage(home: Path) -> None:
    """Serve; for each line of standard input, make the changes and print the CPU they cost, in seconds."""
    import uvicorn

    from aikore.auth.identity import Identity
    from aikore.config import Settings
    from aikore.main import House, create_app

    try:
        from aikore.auth.permissions import role_of
    except ImportError:
        from aikore.auth.roles import role_of  # type: ignore[import-not-found, no-redef]
    settings = Settings(home=home, nginx="off")  # type: ignore[arg-type]
    house: Any = House(settings)
    roles = itertools.cycle(ROLES)
    house.gate.identify = lambda presented: Identity("somebody", role_of(next(roles)), "session")
    if hasattr(house.manager, "background"):
        house.manager.background.run = lambda work: work.close()
    else:
        house.manager._background = lambda work: work.close()
    actors = make_actors(house.manager)
    config = uvicorn.Config(
        create_app(settings, house), uds=str(home / "socket"), log_config=None, lifespan="off",
        access_log=False, ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        bare = await spent(lambda number: None)
        print(await spent(partial(change, house.manager, actors)) - bare, flush=True)
    server.should_exit = True
    await serving


def change(manager: Any, actors: list[Any], number: int) -> None:
    actor = actors[number % INSTANCES]
    actor.state = replace(actor.state, detail=f"stage {number:06}")
    getattr(manager, "publisher", manager).changed(actor)


async def spent(do: Callable[[int], None]) -> float:
    """Do something at the rate; return the CPU it costs in seconds, the waking up for it included."""
    before, began = time.process_time(), time.monotonic()
    for number in range(1, CHANGES + 1):
        do(number)
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
    await asyncio.sleep(0.1)
    return time.process_time() - before


# Those who watch ------------------------------------------------------------------------------------------------


class Side:
    """One manager and what it spent on each change, in microseconds."""

    def __init__(self, code: Path, home: Path) -> None:
        home.mkdir()
        self.path = str(home / "socket")
        self.costs: list[float] = []
        self.messages: list[int] = []
        self.process = subprocess.Popen(
            [sys.executable, __file__, "manage", str(home)],
            env={**os.environ, "PYTHONPATH": str(code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    async def round(self) -> None:
        assert self.process.stdin
        async with watching(self.path) as viewers:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.costs.append(float(await asyncio.to_thread(self._answer)) / CHANGES * 1e6)
            self.messages = [await asyncio.wait_for(viewer, 30) for viewer in viewers]


@asynccontextmanager
async def watching(path: str) -> AsyncIterator[list[asyncio.Task[int]]]:
    """Have everybody watch; each task returns how many messages it took to learn the newest."""
    sockets = [await unix_connect(path, "ws://localhost/api/events", max_size=None) for _ in ROLES]
    tasks = [asyncio.create_task(view(socket, int(json.loads(await socket.recv())["seq"]))) for socket in sockets]
    try:
        yield tasks
    finally:
        for task, socket in zip(tasks, sockets, strict=True):
            task.cancel()
            await socket.close()


async def view(socket: ClientConnection, seq: int) -> int:
    for count in itertools.count(1):
        message = json.loads(await socket.recv())
        seq += 1
        assert message["seq"] == seq, "the numbers have no gap"
        if message["data"]["status_detail"] == f"stage {CHANGES:06}":
            return count
    raise AssertionError


def unpack(revision: str, folder: Path) -> Path:
    """Put the code of a commit into a folder."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", revision], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


async def compare(revision: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = Side(unpack(revision, Path(folder) / "code"), Path(folder) / "before")
        now = Side(ROOT, Path(folder) / "now")
        try:
            for _ in range(ROUNDS):
                await before.round()
                await now.round()
        finally:
            for side in (before, now):
                side.process.kill()
                side.process.wait()
    for name, side in ((revision, before), ("now", now)):
        messages = statistics.mean(side.messages) / CHANGES
        cost = statistics.median(side.costs)
        share = cost * RATE / 1e4
        print(f"{name}: {cost:.0f} µs a change, {share:.1f}% of a core; {messages:.2f} messages a change at a viewer")
    ratio = statistics.median(now.costs) / statistics.median(before.costs)
    print(f"telling {len(ROLES)} viewers {RATE} changes a second: {ratio:.2f} × {revision} (promised <= {PROMISED})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["manage"]:
        asyncio.run(manage(Path(sys.argv[2])))
    else:
        asyncio.run(compare(sys.argv[1] if len(sys.argv) > 1 else BEFORE))
