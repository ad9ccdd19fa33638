"""Blocking looks at places that may never answer, like a network disk that is gone, which nothing can call back.

Each is a thread of its own, one at a time for a place: in the threads that all share, a few would stop everything.
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
"""Seconds after which a look no longer keeps others from beginning."""


class Looks(Generic[T]):
    """Looks of one kind. Who asks for a place that is being looked at gets the result of that look."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, Future[T]] = {}
        self._lock = threading.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def begin(self, place: Hashable, work: Callable[[], T]) -> Future[T]:
        """Return the look at a place, begun here unless one is under way. Any thread may ask. Raises OSError."""
        with self._lock:
            if place in self._pending:
                return self._pending[place]
            look: Future[T] = Future()
            look.set_running_or_notify_cancel()  # who no longer waits does not end it for others
            try:
                threading.Thread(target=self._do, args=(place, look, work), daemon=True).start()
            except RuntimeError as error:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
            self._pending[place] = look
        return look

    async def at(self, place: Hashable, work: Callable[[], T]) -> T:
        """Return the result of a look; some begin at once, the others when these are done or found to be slow."""
        async with self._slots:
            look = asyncio.wrap_future(self.begin(place, work))
            await asyncio.wait({look}, timeout=SLOW)
        return await look

    def _do(self, place: Hashable, look: Future[T], work: Callable[[], T]) -> None:
        try:
            result = work()
        except BaseException as error:
            self._forget(place)
            look.set_exception(error)
        else:
            self._forget(place)
            look.set_result(result)

    def _forget(self, place: Hashable) -> None:
        with self._lock:
            del self._pending[place]
