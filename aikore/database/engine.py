"""One engine, one worker thread: database work is short, ordered, and never on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, exc
from sqlalchemy.orm import DeclarativeBase, Session

from aikore.base.errors import StorageError

T = TypeVar("T")

REST = 1.0
"""Seconds after a transaction until what it wrote is moved from SQLite's WAL into the database itself."""

OURS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError)
"""Refusals that mean a mistake of the program, not of the disk."""

REASONS = {
    "SQLITE_FULL": "the disk is full. Free some space and try again",
    "SQLITE_IOERR_SHMSIZE": "the disk is full. Free some space and try again",
    "SQLITE_BUSY": "another program holds it. End that one and try again",
    "SQLITE_LOCKED": "another program holds it. End that one and try again",
    "SQLITE_READONLY": "its file or its disk is read-only. Make it writable for AiKore's user",
    "SQLITE_PERM": "AiKore's user has no right to it. Make it writable for AiKore's user",
    "SQLITE_CANTOPEN": "its file cannot be opened. Look whether its disk is there and writable for AiKore's user",
    "SQLITE_IOERR": "its disk does not answer as it should. Look whether it is there and well",
    "SQLITE_CORRUPT": "its file is damaged. Restore a backup from beside it, or move it away to begin anew",
    "SQLITE_NOTADB": "its file is no database. Restore a backup from beside it, or move it away to begin anew",
}
"""What SQLite's codes (their beginnings, longest first) mean and what to do; https://www.sqlite.org/rescode.html."""


class Base(DeclarativeBase):
    """Base of every table."""


def make_engine(place: str | Path) -> Engine:
    """Open the database: an SQLAlchemy URL, or the path of an SQLite file, whatever characters it holds.

    SQLite runs in WAL mode: readers never wait for the writer.
    """
    engine = create_engine(URL.create("sqlite", database=str(place)) if isinstance(place, Path) else place)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def reason(error: exc.DBAPIError | sqlite3.Error) -> str:
    """Return why the database refused and what to do, as the middle of a sentence."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    name = str(getattr(cause, "sqlite_errorname", ""))
    for known in sorted(REASONS, key=len, reverse=True):
        if name.startswith(known):
            return REASONS[known]
    return f"{cause}. Look at the database and its disk"


def checkpoint(engine: Engine) -> None:
    """Move what SQLite's WAL holds into the database and empty it, so that the file alone is whole.

    Does nothing where a reader or a full disk is in the way.
    """
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    with suppress(OSError, exc.DBAPIError):
        if Path(f"{engine.url.database}-wal").stat().st_size:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


class Database:
    """Runs functions of a session, one after the other, in its own thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._resting: asyncio.TimerHandle | None = None

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in one transaction and return what it returns. Raises StorageError when the disk refuses."""
        loop = asyncio.get_running_loop()
        if self._resting is None:
            self._resting = loop.call_later(REST, self._rest)
        return await loop.run_in_executor(self._thread, self.run_now, work)

    def _rest(self) -> None:
        self._resting = None
        with suppress(RuntimeError):  # closed meanwhile
            self._thread.submit(checkpoint, self.engine)

    def run_now(self, work: Callable[[Session], T]) -> T:
        """Like :meth:`run`, blocking; for start-up."""
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                return work(session)
        except OURS:
            raise
        except (exc.DBAPIError, sqlite3.Error) as error:
            raise StorageError(f"The database could not be used: {reason(error)}. Nothing was changed.") from error

    def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._thread.shutdown()
        checkpoint(self.engine)
        self.engine.dispose()
