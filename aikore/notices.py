"""What people are told without having asked: the newest of it, and its topic."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Literal

from typing_extensions import TypedDict

from aikore.auth.permissions import Permission
from aikore.base.events import Bus, Part, Topic
from aikore.base.rooms import Room

log = logging.getLogger(__name__)

KEPT = 100

Level = Literal["info", "warning", "error"]


class Notice(TypedDict):
    """One notice. ``at`` in Unix seconds."""

    level: Level
    message: str
    at: float


NOTICE = Topic[Notice]("notice", Notice, needs=Permission.SYSTEM_VIEW)


class Noticeboard:
    """Tells notices and keeps the newest for those who come later. Use from the event loop's thread only."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._newest: deque[Notice] = deque(maxlen=KEPT)

    def tell(self, level: Level, message: str) -> None:
        """Tell people something they did not ask for."""
        notice = Notice(level=level, message=message, at=round(time.time(), 3))
        self._newest.append(notice)
        self._bus.publish(NOTICE, notice)

    def report(self, level: Level, message: str) -> None:
        """Tell a notice and write it to the log."""
        log.log(logging.ERROR if level == "error" else logging.INFO, "%s", message)
        self.tell(level, message)

    def part(self) -> Part[Notice]:
        """Return what a page begins with: the newest notices, the oldest of them first."""
        return Part.each("notices", NOTICE, lambda: self._newest)


def make(board: Noticeboard) -> Room:
    """The newest notices, for pages that begin."""
    return Room(parts=[board.part()])
