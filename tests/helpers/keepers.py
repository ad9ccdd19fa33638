"""A folder with keepers of its own, without a house around it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from aikore.base import procfs
from aikore.launch import orphans
from aikore.launch.local import LocalHandle, LocalLauncher
from aikore.launch.protocol import RunSpec
from tests.helpers.server import wait_until


class Bench:
    """Starts scripts below keepers in one folder."""

    def __init__(self, folder: Path, launcher: LocalLauncher | None = None) -> None:
        self.folder = folder
        self.launcher = launcher or LocalLauncher()
        self.handles: list[LocalHandle] = []
        self.runs = 0

    async def run(self, script: str, **spec: object) -> LocalHandle:
        """Start a script; names in capitals are variables of its environment, others fields of its orders."""
        self.runs += 1
        variables = {name: str(spec.pop(name)) for name in list(spec) if name.isupper()}
        (self.folder / "launch.sh").write_text(script)
        given = RunSpec(
            slug="x",
            run=self.runs,
            folder=self.folder,
            command=("bash", "launch.sh"),
            environment={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **variables},
            **{"stop_grace": 1.0, **spec},  # type: ignore[arg-type]
        )
        handle = await self.launcher.start(given)
        self.handles.append(handle)
        return handle

    def log(self) -> str:
        return (self.folder / "logs" / "output.log").read_text()

    async def wait_for(self, condition: Callable[[], object], what: str = "") -> None:
        await asyncio.to_thread(wait_until, condition, 15, what)

    async def gone(self, handle: LocalHandle) -> None:
        """Assert that nothing of the run is left."""
        await self.wait_for(lambda: not orphans.marked(handle.record.uuid), "no process is left")

    def pipe_holders(self, handle: LocalHandle) -> list[int]:
        """Return the processes that hold the pipe of a run's log."""
        link = f"pipe:[{handle.record.pipe}]"
        return [pid for pid in procfs.pids() if link in procfs.descriptors(pid)]

    def clean_up(self) -> None:
        """End all runs the hard way."""
        for handle in self.handles:
            handle.kill()
            handle.close()
            orphans.kill_marked(handle.record.uuid)


async def ended(handle: LocalHandle, seconds: float = 15) -> tuple[int | None, str | None]:
    async with asyncio.timeout(seconds):
        result = await handle.wait()
    return result.code, result.signal
