"""One terminal with its viewers. It goes on when they leave.

The fastest viewer paces the program; a slower one reads from the scrollback at its own pace and is sent on when what it
missed is gone. With nobody there the program runs free.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aikore.database.times import stamp, utcnow
from aikore.terminal.pty import Pty
from aikore.terminal.scrollback import Scrollback
from aikore.terminal.shell import Shell

WINDOW = 512 * 1024
"""Bytes the program may be ahead of its fastest viewer."""
CHUNK = 65536
SMALLEST, LARGEST = 2, 1000
"""Columns and rows a terminal may have."""


@dataclass(eq=False)
class Viewer:
    """Somebody who looks: where they are, how large their window is."""

    offset: int
    """The next byte to send."""
    acked: int | None = None
    """What the viewer said it has shown; None: it says nothing, and being sent counts."""
    size: tuple[int, int] | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    """Controls that are to be sent before the next output."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def position(self) -> int:
        return self.offset if self.acked is None else self.acked

    def may_send(self) -> bool:
        """Say whether the viewer keeps up: what is on its way to it is bounded."""
        return self.acked is None or self.offset - self.acked < WINDOW


class Session:
    """A terminal: its program, scrollback, viewers and name."""

    def __init__(self, number: str, shell: Shell, scrollback: int) -> None:
        self.id = number
        self.shell = shell
        self.name = ""
        self.title = ""
        self.size = (80, 24)
        self.created_at: datetime = utcnow()
        self.left_at: float | None = asyncio.get_running_loop().time()
        """When the last viewer left (loop time); None while somebody looks."""
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self._scrollback = Scrollback(scrollback)
        self._viewers: set[Viewer] = set()
        self._pty: Pty | None = None

    async def start(self, size: tuple[int, int]) -> None:
        """Start the program. Raises OSError."""
        self.size = _bounded(size)
        self._pty = await Pty.start(self.shell, self.id, self.size, self._printed, self._exited)

    @property
    def pty(self) -> Pty:
        assert self._pty is not None
        return self._pty

    def view(self) -> dict[str, Any]:
        """Return the JSON of this session. Asks the kernel for the foreground command."""
        return {
            "id": self.id,
            "instance": self.shell.instance,
            "name": self.name,
            "title": self.title,
            "columns": self.size[0],
            "rows": self.size[1],
            "viewers": len(self._viewers),
            "command": "" if self.ended.is_set() else self.pty.foreground(),
            "created_at": stamp(self.created_at),
        }

    # Output ---------------------------------------------------------------------------------------------------

    def _printed(self, data: bytes) -> None:
        self._scrollback.append(data)
        for viewer in self._viewers:
            viewer.wake.set()
        self._pace()

    def _pace(self) -> None:
        """Let the program run as far ahead of the fastest viewer as the window allows."""
        if self._viewers and self._scrollback.end - max(v.position for v in self._viewers) > WINDOW:
            self.pty.pause()
        else:
            self.pty.resume()

    def _exited(self, code: int) -> None:
        self.exit_code = code
        self.ended.set()
        for viewer in self._viewers:
            viewer.wake.set()

    # Viewers --------------------------------------------------------------------------------------------------

    def attach(self, offset: int | None) -> Viewer:
        """Let somebody look, from ``offset`` on where that is still kept, else from what is."""
        kept = self._scrollback
        known = offset is not None and kept.start <= offset <= kept.end
        viewer = Viewer(offset if known and offset is not None else kept.resume())
        place = {"offset": viewer.offset, "end": kept.end, "reset": not known}
        viewer.told.append({"type": "session", **self.view(), **place})
        self._viewers.add(viewer)
        self.left_at = None
        self._pace()
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """Somebody leaves; the terminal goes on."""
        self._viewers.discard(viewer)
        if not self._viewers:
            self.left_at = asyncio.get_running_loop().time()
        self._fit()
        if not self.ended.is_set():
            self._pace()

    async def next(self, viewer: Viewer) -> dict[str, Any] | bytes | None:
        """Return what the viewer is to be sent next: a control, output, or None when the terminal has ended."""
        while True:
            if viewer.told:
                return viewer.told.pop(0)
            if viewer.offset < self._scrollback.start:
                viewer.offset = self._scrollback.resume()
                viewer.acked = viewer.acked and viewer.offset
                return {"type": "reset", "offset": viewer.offset}
            if viewer.offset < self._scrollback.end and viewer.may_send():
                return self._scrollback.read(viewer.offset, CHUNK)
            if self.ended.is_set() and viewer.offset >= self._scrollback.end:
                return None
            viewer.wake.clear()
            await viewer.wake.wait()

    def sent(self, viewer: Viewer, count: int) -> None:
        """Output has gone out to the viewer."""
        viewer.offset += count
        if not self.ended.is_set():
            self._pace()

    def acknowledged(self, viewer: Viewer, offset: int) -> None:
        """The viewer has shown everything before ``offset``."""
        viewer.acked = min(max(offset, viewer.acked or 0), viewer.offset)
        viewer.wake.set()
        if not self.ended.is_set():
            self._pace()

    def resize(self, viewer: Viewer, size: tuple[int, int]) -> None:
        """The viewer's window has this size; the smallest of all is the terminal's."""
        viewer.size = _bounded(size)
        self._fit()

    def _fit(self) -> None:
        sizes = [viewer.size for viewer in self._viewers if viewer.size]
        if not sizes or self.ended.is_set():
            return
        size = min(s[0] for s in sizes), min(s[1] for s in sizes)
        if size != self.size:
            self.size = size
            self.pty.resize(*size)
            self._tell({"type": "resize", "columns": size[0], "rows": size[1]})

    def retitle(self, title: str) -> None:
        """The program set its title, says a viewer that understands its output."""
        if title != self.title:
            self.title = title
            self._tell({"type": "title", "title": title})

    def _tell(self, control: dict[str, Any]) -> None:
        for viewer in self._viewers:
            viewer.told.append(control)
            viewer.wake.set()

    async def end(self) -> None:
        """End the terminal with all its programs."""
        await self.pty.end()
        if not self.ended.is_set():
            await self.ended.wait()


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    columns, rows = (min(max(side, SMALLEST), LARGEST) for side in size)
    return columns, rows
