"""Calls that may never return, such as those of a GPU driver: made in threads of their own, awaited with a deadline.

The threads are daemons, so a call that hangs keeps neither the caller nor the end of the program waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """Does one piece of work at a time. Use from one thread only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: Callable[[], T] | None = None
        self._given = threading.Event()
        self._done = threading.Event()
        self._outcome: T | Exception | None = None
        self._thread: threading.Thread | None = None
        self.busy_since: float | None = None
        """When the work that is not yet done was given (monotonic)."""

    def submit(self, work: Callable[[], T]) -> None:
        """Begin a piece of work; the one before must be done."""
        if self.busy_since is not None:
            raise RuntimeError(f"{self._name} is still busy")
        self._done.clear()
        self._work, self.busy_since = work, time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._given.set()

    def outcome(self, wait: float = 0.0) -> T | Exception | None:
        """Return the result or the error of the work, once; None while it is not done after ``wait`` seconds."""
        if self.busy_since is None or not self._done.wait(wait):
            return None
        self.busy_since = None
        outcome, self._outcome = self._outcome, None
        return outcome

    def abandon(self) -> None:
        """Let the thread end as soon as its present work does; this worker is of no more use."""
        self._work = None
        self._given.set()

    def _run(self) -> None:
        while True:
            self._given.wait()
            self._given.clear()
            work = self._work
            if work is None:
                return
            try:
                self._outcome = work()
            except Exception as error:
                self._outcome = error
            del work
            self._done.set()
