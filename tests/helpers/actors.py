"""An actor and a house of its own without processes: what the actor asks and does is taken down, and fails if told to.

The house promises what :class:`aikore.instances.actor.ActorHost` does; mypy compares the two.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aikore.instances.actor import Actor, ActorHost, Readiness
from aikore.instances.lifecycle import Examined, Input, Status
from aikore.instances.rows import InstanceRow
from aikore.launch.protocol import RunExit, RunRecord, RunSpec
from aikore.proxy.flags import Flags
from tests.helpers.server import free_ports

AT_ONCE = Readiness(None, None, 1, 1, 1)
"""Ready as soon as it runs."""


class Run:
    """A handle without a process."""

    def __init__(self, number: int, host: Host) -> None:
        self.record = RunRecord(number, "u", "s", 2, 1, 4000000 + number, "running", 1.0)
        self.exit: asyncio.Future[RunExit] = asyncio.get_running_loop().create_future()
        self._host = host

    async def wait(self) -> RunExit:
        return await self.exit

    def stop(self) -> None:
        self._host.did.append(f"end {self.record.run}")
        if not self._host.stubborn:
            self.end(RunExit(code=0, requested=True))

    def end(self, how: RunExit) -> None:
        self.exit.set_result(how)

    kill = stop

    def pids(self) -> set[int]:
        return set()


class Quiet:
    """Stages that nobody says."""

    async def watch(self, *_: object) -> None: ...
    def forget(self, *_: object) -> None: ...


class Host:
    """A house that fails where it is told to."""

    stages: Any = Quiet()

    def __init__(self, folder: Path) -> None:
        self.launcher: Any = self
        self.failing: dict[str, Exception] = {}
        self.did: list[str] = []
        """What was done to runs: ``start <number>``, ``end <number>``."""
        self.seen: list[tuple[Status, int | None]] = []
        self.ready = AT_ONCE
        self.stubborn = False
        """Whether a run that is stopped lives on."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.flags = Flags(folder)
        self._folder = folder

    def fail(self, place: str) -> None:
        if error := self.failing.pop(place, None):
            raise error

    def folder(self, row: InstanceRow) -> Path:
        return self._folder

    async def examine(self, row: InstanceRow) -> Examined:
        return Examined()

    async def check_gpus(self, row: InstanceRow) -> None:
        self.fail("gpus")

    def name_of(self, pid: int) -> str | None:
        return None

    def readiness(self, row: InstanceRow) -> Readiness:
        self.fail("readiness")
        return self.ready

    async def prepare(self, row: InstanceRow, run: int) -> RunSpec:
        self.fail("prepare")
        return RunSpec("x", run, self._folder, ("true",), {})

    async def start(self, spec: RunSpec) -> Run:
        await self.gate.wait()
        self.did.append(f"start {spec.run}")
        self.fail("start")
        return Run(spec.run, self)

    def changed(self, actor: Actor) -> None:
        self.seen.append((actor.state.status, actor.pid))
        self.fail(f"changed {actor.state.status}")

    def became_ready(self, actor: Actor) -> None:
        self.fail("ready")

    def note_run(self, *_: object) -> None:
        self.fail("note")


class Stage:
    """An actor and its house."""

    def __init__(self, folder: Path, policy: str = "never") -> None:
        self.house = Host(folder)
        host: ActorHost = self.house
        row = InstanceRow(
            id=1, slug="x", name="X", port=free_ports(1)[0], last_run=0, restart_policy=policy, status="stopped"
        )
        self.actor = Actor(row, host)
        self.actor.begin()

    async def until(self, *wanted: Status) -> None:
        async with asyncio.timeout(5):
            await self.actor.until(lambda state: state.status in wanted)

    async def wish(self, given: Input) -> None:
        await asyncio.wait_for(self.actor.wish(given), 5)

    async def ensure_ready(self) -> None:
        await asyncio.wait_for(self.actor.ensure_ready("a test"), 5)

    def end(self, code: int = 1) -> None:
        """Let the present run end by itself."""
        run: Any = self.actor.handle
        run.end(RunExit(code=code))
