"""How a tree is ended: the stop signal, a grace time, then SIGKILL until nothing is left."""

from __future__ import annotations

import os
import signal
import time

from aikore.launch.keeper.process import descendants

INTERVAL = 0.05
"""Seconds between two steps."""


class Ladder:
    """The steps by which a keeper ends all that descends from it, what is born meanwhile too."""

    def __init__(self, stop_signal: int) -> None:
        self.begun = False
        self._stop_signal = stop_signal
        self._kill_at = 0.0
        self._due = 0.0
        self._signalled: set[int] = set()

    def begin(self, grace: float) -> None:
        """Begin, or go on with another grace from now."""
        self.begun = True
        self._kill_at = time.monotonic() + grace
        self._due = 0.0

    def step(self) -> None:
        """Do what is due: every process gets the stop signal once, and after the grace it is killed."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + INTERVAL
        tree = descendants(os.getpid())
        if now >= self._kill_at:
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in tree:
                    _send(pid, number)
            return
        for pid in tree - self._signalled:
            _send(pid, self._stop_signal)
            _send(pid, signal.SIGCONT)
        self._signalled |= tree


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
