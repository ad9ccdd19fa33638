"""One engine, one worker thread: database work is short, ordered, and never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.orm import DeclarativeBase, Session

from aikore.errors import StorageError

T = TypeVar("T")


class Base(DeclarativeBase):
    """Base of every table."""


def make_engine(url: str) -> Engine:
    """Open the database. SQLite runs in WAL mode: readers never wait for the writer."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


class Database:
    """Runs functions of a session, one after the other, in its own thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in one transaction and return what it returns. Raises StorageError when the disk refuses."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.run_now, work)

    def run_now(self, work: Callable[[Session], T]) -> T:
        """Like :meth:`run`, blocking; for start-up."""
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                return work(session)
        except exc.OperationalError as error:
            raise StorageError(f"The database could not be written: {error.orig}. Nothing was changed.") from error

    def close(self) -> None:
        self._thread.shutdown()
        self.engine.dispose()
