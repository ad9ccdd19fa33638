"""All terminals of the house: opens, finds and ends them, and those that nobody comes back to."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from aikore.base.errors import ConflictError, NotFoundError, StorageError
from aikore.config.terminals import TerminalSettings
from aikore.terminal.session import Session
from aikore.terminal.shell import Shell

log = logging.getLogger(__name__)

LOOK_EVERY = 30.0
"""Seconds between looks for terminals that were left, at most."""


class Terminals:
    """Terminals by id."""

    def __init__(self, settings: TerminalSettings, changed: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._changed = changed
        self._all: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None

    async def open(self, shell: Shell, size: tuple[int, int]) -> Session:
        """Open a terminal. Raises ConflictError when there are too many, StorageError when it cannot be started."""
        if len(self._all) >= self._settings.terminals:
            raise ConflictError(f"There are {len(self._all)} terminals already. Close some, or raise AIKORE_TERMINALS.")
        session = Session(secrets.token_hex(8), shell, self._settings.terminal_scrollback)
        self._all[session.id] = session
        try:
            await session.start(size)
        except OSError as error:
            del self._all[session.id]
            raise StorageError(f"The shell could not be started: {error.strerror}.") from error
        self._background(self._forget_when_ended(session))
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap())
        return session

    async def _forget_when_ended(self, session: Session) -> None:
        await session.ended.wait()
        self._all.pop(session.id, None)
        self._changed()

    def get(self, number: str) -> Session:
        """Return a terminal. Raises NotFoundError."""
        if number not in self._all:
            raise NotFoundError("There is no such terminal; its shell may have ended.")
        return self._all[number]

    def all(self) -> list[Session]:
        """Return the open terminals, oldest first."""
        return [one for one in self._all.values() if not one.ended.is_set()]

    async def end_of(self, instance: int) -> None:
        """End the terminals of an instance that is removed."""
        await self._end([one for one in self.all() if one.shell.instance == instance])

    async def close(self) -> None:
        """End all terminals."""
        if self._reaper is not None:
            self._reaper.cancel()
        await self._end(self.all())
        for task in self._tasks:
            task.cancel()

    async def _end(self, sessions: list[Session]) -> None:
        await asyncio.gather(*(session.end() for session in sessions))

    async def _reap(self) -> None:
        """End terminals that nobody looked at for the settable time."""
        idle = self._settings.terminal_idle
        while True:
            await asyncio.sleep(min(LOOK_EVERY, idle / 2))
            now = asyncio.get_running_loop().time()
            left = [one for one in self.all() if one.left_at is not None and now - one.left_at >= idle]
            for one in left:
                log.info("terminal %s is ended: nobody looked at it for %.0f s", one.id, idle)
            await self._end(left)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
