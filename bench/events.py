"""What telling costs: 10 viewers of three roles, 10 starting instances, 200 changes a second.

Two managers take turns in the same run: this code and an older commit (an argument; by default the last one that
encoded every change for every viewer). Counted is the manager's CPU with viewers less that without, per change.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from websockets.asyncio.client import unix_connect

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.helpers.access import make_token, set_up
from tests.helpers.server import AiKoreServer, free_range, wait_until

ROOT = Path(__file__).parent.parent
BEFORE = "34c3983"
INSTANCES, RATE, SECONDS, ROUNDS, TRIES = 10, 200, 3, 9, 18
SCOPES = ("admin",) * 4 + ("operate",) * 3 + ("read",) * 3
PROMISED = 0.5
KEPT_UP = 0.9
"""Messages per change at a viewer; with fewer, changes were overtaken before they were told."""


def unpack(revision: str, folder: Path) -> Path:
    """Put the code of a commit into a folder."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", revision], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class Side:
    """One manager with instances that go on starting, and what it spent."""

    def __init__(self, server: AiKoreServer) -> None:
        self.server = server
        self.watched: list[float] = []
        self.alone: list[float] = []
        self.tokens: list[str] = []
        self._stages: list[int] = []

    def prepare(self) -> None:
        self.server.start()
        owner = set_up(self.server)
        self.tokens = [make_token(owner, scope=scope)["token"] for scope in SCOPES]
        self.server.blueprint("slow", "exec sleep 100000", ready={"timeout": 86400})
        for number in range(INSTANCES):
            slug = self.server.create(f"Slow {number}", "slow", environment={"HF_TOKEN": "hf_secret"})["slug"]
            self.server.post(slug, "start")
            stage = self.server.home / "instances" / slug / "stage"
            wait_until(stage.exists, what="the instance is starting")
            self._stages.append(os.open(stage, os.O_WRONLY))

    def round(self) -> None:
        """Measure once. A round in which the machine was too busy for this rate does not count."""
        alone = self._cost(b"alone")
        with viewers(self.server, self.tokens) as seen:
            watched = self._cost(b"watched")
            newest = f"watched {RATE * SECONDS - 1:06}"
            wait_until(lambda: all(one.detail == newest for one in seen), what="everybody sees the newest")
        received = statistics.mean(one.messages for one in seen) / (RATE * SECONDS)
        if received >= KEPT_UP:
            self.alone.append(alone)
            self.watched.append(watched)

    def _cost(self, word: bytes) -> float:
        """Return the manager's CPU per change in microseconds."""
        assert self.server.process
        manager = psutil.Process(self.server.process.pid)
        before, began = sum(manager.cpu_times()[:2]), time.monotonic()
        for number in range(RATE * SECONDS):
            os.pwrite(self._stages[number % INSTANCES], b"%s %06d" % (word, number), 0)
            time.sleep(max(0.0, began + (number + 1) / RATE - time.monotonic()))
        return (sum(manager.cpu_times()[:2]) - before) / (RATE * SECONDS) * 1e6

    @property
    def events(self) -> float:
        """The price of ten viewers, per change, in microseconds."""
        return statistics.median(w - a for w, a in zip(self.watched, self.alone, strict=True))


class Seen:
    """What one viewer saw."""

    def __init__(self) -> None:
        self.messages = -1
        self.detail = ""
        self.seq: int | None = None

    def take(self, text: str) -> None:
        message = json.loads(text)
        assert self.seq is None or message["seq"] == self.seq + 1, "the numbers have no gap"
        self.seq = message["seq"]
        self.messages += 1
        if message["type"] == "change" and message["topic"] == "instance":
            self.detail = max(self.detail, message["data"]["status_detail"])


@contextmanager
def viewers(server: AiKoreServer, tokens: list[str]) -> Iterator[list[Seen]]:
    """Have one viewer per token watch, in a thread of theirs."""
    seen = [Seen() for _ in tokens]
    loop = asyncio.new_event_loop()

    async def view(token: str, one: Seen) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        path = str(server.home / "run" / "manager.sock")
        async with unix_connect(path, "ws://localhost/api/events", additional_headers=headers, max_size=None) as socket:
            async for text in socket:
                one.take(str(text))

    tasks = [loop.create_task(view(token, one)) for token, one in zip(tokens, seen, strict=True)]

    async def all_end() -> None:
        await asyncio.wait(tasks)

    thread = threading.Thread(target=loop.run_until_complete, args=(all_end(),))
    thread.start()
    try:
        wait_until(lambda: all(one.messages >= 0 for one in seen), what="everybody has the snapshot")
        yield seen
        failed = [task for task in tasks if task.done()]
        assert not failed, failed
    finally:
        for task in tasks:
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def main() -> None:
    revision = sys.argv[1] if len(sys.argv) > 1 else BEFORE
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        codes = {"before": unpack(revision, Path(folder) / "code"), "now": ROOT}
        sides = {}
        for name, code in codes.items():
            server = AiKoreServer(Path(folder) / name, auth="on", instance_ports=free_range(2 * INSTANCES))
            server.variables["PYTHONPATH"] = str(code)
            stack.callback(server.clean_up)
            sides[name] = side = Side(server)
            side.prepare()
        for _ in range(TRIES):
            for side in sides.values():
                side.round()
            if all(len(side.watched) >= ROUNDS for side in sides.values()):
                break
        else:
            sys.exit(f"This machine is too busy for {RATE} changes a second; try again when it is not.")
    for name, side in sides.items():
        alone, watched = statistics.median(side.alone), statistics.median(side.watched)
        print(f"{name}: {side.events:.0f} µs per change for {len(SCOPES)} viewers ({alone:.0f} to {watched:.0f})")
    whole = statistics.median(sides["now"].watched) / statistics.median(sides["before"].watched)
    print(f"all that the manager does then, looking whether the apps answer among it: {whole:.2f} × {revision}")
    ratio = sides["now"].events / sides["before"].events
    print(f"telling {RATE} changes a second costs {ratio:.2f} × {revision} (promised <= {PROMISED})")


if __name__ == "__main__":
    main()
