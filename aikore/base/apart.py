"""Blocking work that may take long or never end, like a look at a network disk that is gone, which nothing calls back.

Each piece has a thread of its own: in the threads that all share, a few would keep everything waiting. The threads end
with the process, wherever they are then.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

AT_ONCE = 16
SLOW = 1.0
"""Seconds after which work no longer keeps other work from beginning."""


class Apart(Generic[T]):
    """Work of one kind, one piece at a time for a place: who asks for one that is at work gets its result."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def begin(self, place: Hashable, work: Callable[[], T]) -> Future[T]:
        """Return the work at a place, begun here unless it is under way. Any thread may ask. Raises OSError."""
        with self._lock:
            if place in self._pending:
                return self._pending[place]
            result: Future[T] = Future()
            result.set_running_or_notify_cancel()  # who no longer waits does not end it for others
            try:
                threading.Thread(target=self._do, args=(place, result, work), daemon=True).start()
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
            self._pending[place] = result
        return result

    async def at(self, place: Hashable, work: Callable[[], T]) -> T:
        """Return the result of work; some begins at once, the rest when that is done or found to be slow."""
        async with self._slots:
            result = asyncio.wrap_future(self.begin(place, work))
            await asyncio.wait({result}, timeout=SLOW)
        return await result

    def _do(self, place: Hashable, result: Future[T], work: Callable[[], T]) -> None:
        try:
            found = work()
        except BaseException as error:
            self._forget(place)
            result.set_exception(error)
        else:
            self._forget(place)
            result.set_result(found)

    def _forget(self, place: Hashable) -> None:
        with self._lock:
            del self._pending[place]
