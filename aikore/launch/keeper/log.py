"""The log of one run: what a program prints is stored, and what it redraws is shown live until it is final."""

from __future__ import annotations

import json
import os

from aikore.launch.keeper.files import open_plain
from aikore.launch.keeper.redraw import Fold
from aikore.launch.keeper.segments import Segments
from aikore.launch.layout import LIVE_NAME

LIVE_SIZE = 16384
LIVE_LINE = 1000
LIVE_INTERVAL = 0.2


class Log(Segments):
    """Segments that take the program's output. ``output.live`` has what is drawn now and not stored yet."""

    def __init__(self, folder: str, rotate_bytes: int, keep: int) -> None:
        super().__init__(folder, rotate_bytes, keep)
        self.fold = Fold(self)
        self.live_due = 0.0
        self.live_shown = b""
        self.live_fd = open_plain(os.path.join(folder, LIVE_NAME), os.O_WRONLY, 0o644)
        self._show_live(b"")
        self.end_open_line()

    @property
    def held(self) -> bytearray | None:
        """A line that is being redrawn, as it came."""
        return self.fold.held

    def write(self, data: bytes) -> None:
        """Take the program's output. What is redrawn is held back and stored once, as last drawn."""
        end = self.offset
        self.fold.feed(data)
        if self.live_shown and (self.offset != end or not self.fold.busy):
            self._show_live(self.fold.picture() if self.fold.busy else b"")

    def tick(self, now: float) -> float | None:
        """Show what is held if it is due; return seconds until the next call, None when nothing waits for it."""
        wait = self.fold.tick(now)
        if not self.fold.busy:
            if self.live_shown:
                self._show_live(b"")
            return wait
        if now < self.live_due:
            live: float | None = self.live_due - now
        elif (drawn := self.fold.picture()) != self.live_shown:
            self._show_live(drawn)
            self.live_due = now + LIVE_INTERVAL
            live = LIVE_INTERVAL
        else:
            live = None
        return min((one for one in (wait, live) if one is not None), default=None)

    def finish(self) -> None:
        """Store what is held; the last line stays as it was drawn."""
        self.fold.finish()
        self._show_live(b"")

    def _show_live(self, drawn: bytes) -> None:
        try:
            os.pwrite(self.live_fd, _live_record(self.offset, drawn), 0)
        except OSError:
            pass
        self.live_shown = drawn


def _live_record(offset: int, drawn: bytes) -> bytes:
    """Return the content of ``output.live``: the lines that are drawn now, the last ones when they are too many."""
    lines = [line[:LIVE_LINE].decode("utf-8", "replace") for line in drawn.split(b"\n")]
    while True:
        record = json.dumps({"offset": offset, "text": "\n".join(lines)}, ensure_ascii=False).encode()
        if len(record) < LIVE_SIZE:
            return record.ljust(LIVE_SIZE - 1) + b"\n"
        del lines[: max(1, len(lines) // 8)]
