"""What a launcher is to the rest of the house: plain data and two small protocols.

A launcher starts the program of an instance and hands back a handle; the handle outlives the manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything a run needs. ``stop_grace`` is in seconds, ``rotate_bytes`` in bytes."""

    slug: str
    run: int
    folder: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_signal: str = "SIGTERM"
    stop_grace: float = 10.0
    rotate_bytes: int = 64 * 2**20
    keep: int = 16
    leftovers: tuple[Path, ...] = ()
    """Files outside its folder that the keeper removes when nothing of the run is left."""


@dataclass(frozen=True, slots=True)
class RunExit:
    """How a run ended. ``lost`` means its keeper was killed, so nobody saw the exit.

    ``left`` names the processes of a lost run that are, or may be, still there.
    """

    code: int | None = None
    signal: str | None = None
    lost: bool = False
    requested: bool = False
    ended_at: float | None = None
    left: tuple[str, ...] = ()
    words_end: int | None = None
    """The log's offset from which on was only drawn and redrawn, such as progress bars."""

    @property
    def clean(self) -> bool:
        return self.code == 0 and not self.lost


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What ``run.json`` says. Times are Unix seconds; ``*_start`` are kernel start times in clock ticks.

    ``folder_id`` is the folder it belongs to, by device and inode: a copy has the same record. ``pipe`` is the inode of
    the pipe that the log came through.
    """

    run: int
    uuid: str
    session: str
    keeper_pid: int
    keeper_start: int
    pid: int | None
    state: str
    started_at: float
    log_offset: int = 0
    folder_id: tuple[int, int] | None = None
    script_start: int | None = None
    pipe: int | None = None
    port: int | None = None
    exit: RunExit = field(default_factory=RunExit)

    @property
    def ended(self) -> bool:
        return self.state == "exited"


class Handle(Protocol):
    """One running program."""

    @property
    def record(self) -> RunRecord: ...

    async def wait(self) -> RunExit:
        """Return when nothing of the program's tree is left."""
        ...

    def stop(self) -> None:
        """Ask the keeper to end the tree: stop signal, grace, SIGKILL. Returns at once; :meth:`wait` tells the end."""
        ...

    def kill(self) -> None:
        """Like :meth:`stop` without the grace."""
        ...

    def pids(self) -> set[int]:
        """The processes of the tree as they are now."""
        ...


class Launcher(Protocol):
    """Starts programs and finds those that an earlier manager started."""

    async def start(self, spec: RunSpec) -> Handle: ...

    async def adopt(self, folder: Path) -> Handle | RunRecord | None:
        """Return the handle of a living run, the record of an ended one, or None when there never was one."""
        ...

    async def running(self, folder: Path) -> tuple[str, ...]:
        """Name the living processes of a run that was started in ``folder``, also when that is out of reach."""
        ...
