"""Tells when something was mounted or unmounted, without looking again and again."""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import ExitStack, suppress

from aikore.base.disk import MOUNTS


class MountWatch:
    """Wakes at a change of the mounts: poll(2) on mountinfo tells of it by POLLPRI (proc_pid_mountinfo(5)).

    The descriptor is always readable, so it stands in an epoll of its own, which the event loop watches.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._open = ExitStack()
        with self._open as opening, suppress(OSError):  # without it only the slow look is left
            mounts = os.open(MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
            opening.callback(os.close, mounts)
            self._epoll = opening.enter_context(select.epoll())
            self._epoll.register(mounts, select.EPOLLPRI)
            loop = asyncio.get_running_loop()
            loop.add_reader(self._epoll.fileno(), self._seen)
            opening.callback(loop.remove_reader, self._epoll.fileno())
            self._open = opening.pop_all()

    def _seen(self) -> None:
        self._epoll.poll(0)
        self._changed.set()

    async def wait(self, seconds: float | None) -> bool:
        """Return True after a change, False when there was none within ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def close(self) -> None:
        self._open.close()
