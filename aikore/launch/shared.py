"""Work whose result many want at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Blocking work whose result many want at once: it is done once for all who asked before it began.

    ``begin`` is called in the loop when it begins and returns what a thread does.
    """

    def __init__(self, begin: Callable[[], Callable[[], T]]) -> None:
        self._begin = begin
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return a result of work that began after this was asked."""
        if self._next is None:
            self._next = asyncio.create_task(self._do())
        return await asyncio.shield(self._next)

    async def _do(self) -> T:
        await asyncio.sleep(0)
        self._next = None
        return await asyncio.to_thread(self._begin())
