"""A database as the rooms use it: one thread writes, several read. Owns the bases of all tables, no table itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, exc
from sqlalchemy.orm import DeclarativeBase, Session

from aikore.base.errors import StorageError
from aikore.database.refusals import MISTAKES, OWN_WRITE, code, reason
from aikore.database.sqlite import checkpoint, make_reader, make_writer
from aikore.database.wings import Wing

T = TypeVar("T")

READERS = 4
"""Reads at a time; further ones wait for one of these, never for a write."""

REST = 1.0
"""Seconds after a transaction until what it wrote is moved from SQLite's WAL into the database itself."""


class Base(DeclarativeBase):
    """Base of every table of ``aikore.db``."""


class StudioBase(DeclarativeBase):
    """Base of every table of ``studio.db``."""


class Database:
    """Runs functions of a session in threads of its own, so database work is never on the event loop.

    Writes go one after the other in one thread. Reads see what was committed before they began.
    """

    def __init__(self, folder: Path, wing: Wing) -> None:
        self.path = folder / wing.file
        self.wing = wing
        self.engine = make_writer(self.path, wing.pragmas)
        self._reading = make_reader(self.path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"{wing.name}-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix=f"{wing.name}-read")
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in one transaction and return what it returns. Raises StorageError when the disk refuses."""
        self._rest_later()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self.run_now, work)

    async def read(self, work: Callable[[Session], T]) -> T:
        """Like :meth:`run` for what only reads: waits for no write and sees nothing of one that has not ended."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    def run_now(self, work: Callable[[Session], T]) -> T:
        """Like :meth:`run`, blocking; for start-up."""
        return self._transact(self.engine, work)

    def read_now(self, work: Callable[[Session], T]) -> T:
        """Like :meth:`read`, blocking."""
        return self._transact(self._reading, work)

    def _transact(self, engine: Engine, work: Callable[[Session], T]) -> T:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                return work(session)
        except (exc.DBAPIError, sqlite3.Error) as error:
            if isinstance(error, MISTAKES) or (engine is self._reading and code(error) == OWN_WRITE):
                raise
            raise StorageError(
                f"The database {self.path.name} could not be used: {reason(error)}. Nothing was changed."
            ) from error

    def _rest_later(self) -> None:
        if self._resting is None and not self._closed:
            self._resting = asyncio.get_running_loop().call_later(REST, self._rest)

    def _rest(self) -> None:
        self._resting = None
        with suppress(RuntimeError):  # closed meanwhile
            emptied = asyncio.wrap_future(self._writer.submit(checkpoint, self.path))
            emptied.add_done_callback(self._rested)

    def _rested(self, emptied: asyncio.Future[bool]) -> None:
        if not emptied.cancelled() and not emptied.result():
            self._rest_later()

    def close(self) -> None:
        """Return when what was asked for is done and the file alone is whole."""
        self._closed = True
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading.dispose()
        checkpoint(self.path)
        self.engine.dispose()
