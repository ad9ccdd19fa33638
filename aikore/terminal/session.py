"""One terminal with its viewers. It goes on when they leave.

The fastest viewer paces the program; a slower one reads from the scrollback at its own pace and is sent on when what it
missed is gone. With nobody there the program runs free. One viewer at a time answers what the program asks of its
terminal (device attributes, the cursor's place, colours): ``answers`` says from which byte on, or up to which.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aikore.base.times import stamp, utcnow
from aikore.terminal.modes import Modes
from aikore.terminal.pty import Pty
from aikore.terminal.scrollback import Scrollback
from aikore.terminal.shell import Shell

WINDOW = 512 * 1024
"""Bytes the program may be ahead of its fastest viewer."""
CHUNK = 131072
FLOOD = 4000
"""Bytes at once that are no keystroke's echo: the kernel hands out 4 KiB at most, and a flood fills them."""
GATHER = 0.003
"""Seconds a flood is gathered for fewer, larger frames. What comes after a pause goes at once."""
SMALLEST, LARGEST = 2, 1000
"""Columns and rows a terminal may have."""
NUDGE_MOST, NUDGE_AFTER = 1.0, 0.05
"""Seconds a nudged program has another size: until it drew something, and at most."""


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

    def tell(self, control: dict[str, Any]) -> None:
        self.told.append(control)
        self.wake.set()

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
        self._modes = Modes()
        self._viewers: dict[Viewer, None] = {}
        """In the order in which they came."""
        self._answering: Viewer | None = None
        self._nudged: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._spread_at = 0.0
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
        self._modes.feed(data, self._scrollback.end)
        if self._nudged and self._nudged.when() - asyncio.get_running_loop().time() > NUDGE_AFTER:
            self._end_nudge_in(NUDGE_AFTER)
        self._spread(len(data))
        self._pace()

    def _spread(self, count: int) -> None:
        """Wake the viewers, in a flood some milliseconds later."""
        if self._gathering:
            return
        now = asyncio.get_running_loop().time()
        if count < FLOOD or now - self._spread_at > GATHER:
            self._wake_viewers()
        else:
            self._gathering = asyncio.get_running_loop().call_at(self._spread_at + GATHER, self._wake_viewers)

    def _wake_viewers(self) -> None:
        self._gathering = None
        self._spread_at = asyncio.get_running_loop().time()
        for viewer in self._viewers:
            viewer.wake.set()

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
        viewer = Viewer(0)
        place: dict[str, Any] = {"offset": offset} if known else self._begin_anew(arrived=True)
        viewer.offset = place["offset"]
        viewer.told.append({"type": "session", **self.view(), **place, "end": kept.end, "reset": not known})
        self._viewers[viewer] = None
        if self._answering is None:
            self._answer(viewer, kept.end)
        self.left_at = None
        self._pace()
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """Somebody leaves; the terminal goes on."""
        self._viewers.pop(viewer, None)
        if self._answering is viewer:
            self._answering = None
            if self._viewers:
                self._answer(next(iter(self._viewers)), viewer.position)
        if not self._viewers:
            self.left_at = asyncio.get_running_loop().time()
        self._fit()
        if not self.ended.is_set():
            self._pace()

    def _begin_anew(self, arrived: bool = False) -> dict[str, Any]:
        """Return where a fresh emulator begins and what brings it into the program's state.

        A full-screen program whose beginning is gone draws itself anew; what it drew since would be half a picture.
        Some draw on the ordinary screen: they are asked to when somebody has ``arrived``.
        """
        kept, modes = self._scrollback, self._modes
        start = kept.resume()
        missed = modes.entered is not None and modes.entered < start
        if modes.alternate and missed:
            self._nudge()
            return {"offset": kept.end, "restore": modes.restore(alternate=True)}
        if missed and modes.left is not None and modes.left > start:
            start = modes.left
        elif arrived and start > 0 and not self.ended.is_set() and self.pty.has_a_program:
            self._nudge()
        return {"offset": start, "restore": modes.restore(alternate=False)}

    def _nudge(self) -> None:
        """Make the program draw all of its screen: it gets another size for a moment, which viewers do not see."""
        if self.ended.is_set() or self._nudged:
            return
        columns, rows = self.size
        self.pty.resize(columns, rows - 1 if rows > SMALLEST else rows + 1)
        self._end_nudge_in(NUDGE_MOST)

    def _end_nudge_in(self, seconds: float) -> None:
        if self._nudged:
            self._nudged.cancel()
        self._nudged = asyncio.get_running_loop().call_later(seconds, self._end_nudge)

    def _end_nudge(self) -> None:
        self._nudged = None
        if not self.ended.is_set():
            self.pty.resize(*self.size)

    def answer(self, viewer: Viewer) -> None:
        """A person turned to this viewer: it answers what the program asks from now on."""
        if viewer in self._viewers and viewer is not self._answering:
            self._answer(viewer, self._scrollback.end)

    def _answer(self, viewer: Viewer, start: int) -> None:
        if self._answering:
            self._answering.tell({"type": "answers", "until": start})
        self._answering = viewer
        viewer.tell({"type": "answers", "from": start})

    async def next(self, viewer: Viewer) -> dict[str, Any] | bytes | None:
        """Return what the viewer is to be sent next: a control, output, or None when the terminal has ended."""
        while True:
            if viewer.told:
                return viewer.told.pop(0)
            if viewer.offset < self._scrollback.start:
                place = self._begin_anew()
                viewer.offset = place["offset"]
                viewer.acked = viewer.acked and viewer.offset
                return {"type": "reset", **place}
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
            if self._nudged:
                self._nudged.cancel()
                self._nudged = None
            self.pty.resize(*size)
            self._tell({"type": "resize", "columns": size[0], "rows": size[1]})

    def retitle(self, title: str) -> None:
        """The program set its title, says a viewer that understands its output."""
        if title != self.title:
            self.title = title
            self._tell({"type": "title", "title": title})

    def _tell(self, control: dict[str, Any]) -> None:
        for viewer in self._viewers:
            viewer.tell(control)

    async def end(self) -> None:
        """End the terminal with all its programs."""
        await self.pty.end()
        if not self.ended.is_set():
            await self.ended.wait()


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    columns, rows = (min(max(side, SMALLEST), LARGEST) for side in size)
    return columns, rows
