"""Slow work on the disk that nobody waits for: counting and removing what many files lie in."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from aikore.monitor.folders import be_gentle

log = logging.getLogger(__name__)


class Chores:
    """Does one thing after the other, gently, in a thread that ends with the process, wherever it is then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def add(self, work: Callable[[], None]) -> None:
        """Have something done in its turn."""
        self._waiting.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        be_gentle()
        while True:
            work = self._waiting.get()
            try:
                work()
            except Exception:
                log.exception("%s: a chore failed", self._name)
