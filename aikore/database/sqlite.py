"""How files of SQLite are opened, emptied of their WAL, and copied.

In WAL mode readers never wait for the writer, nor the writer for them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL", "foreign_keys": "ON", "busy_timeout": "5000"}
"""How a database is opened for writing, where it says nothing else of its own."""

COMPANIONS = ("-wal", "-shm", "-journal")
"""Ends of the names of files that SQLite keeps beside a database."""


def make_writer(path: Path, pragmas: Mapping[str, str] | None = None) -> Engine:
    """Open a file, whatever characters its path holds, to read and to write; it is made when it is not there."""
    engine = create_engine(URL.create("sqlite", database=str(path)))
    wanted = {**PRAGMAS, **(pragmas or {})}

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: object) -> None:
        for name, value in wanted.items():
            connection.cursor().execute(f"PRAGMA {name}={value}")

    return engine


def make_reader(path: Path) -> Engine:
    """Open a file that is there to read alone. All that is read in one transaction is of one moment."""
    engine = create_engine(URL.create("sqlite", database=str(path)), creator=lambda: _open_to_read(path))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _open_to_read(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=5, isolation_level=None, check_same_thread=False)


def checkpoint(path: Path) -> bool:
    """Move what the WAL holds into the database and empty it, so that the file alone is whole.

    Nobody is waited for; False where somebody still reads or writes, so that it is to be tried again.
    """
    with suppress(OSError, sqlite3.Error):  # a full disk: the next write tries again
        if path.with_name(f"{path.name}-wal").stat().st_size:
            with closing(sqlite3.connect(path, timeout=0)) as connection:
                (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy
    return True


def copy(source: Path, target: Path) -> None:
    """Copy a database as it is now, with what its WAL holds, to a file that only this user may read.

    The source is not changed. Raises OSError and sqlite3.Error and leaves no target then.
    """
    try:
        with closing(_open_to_read(source)) as origin, closing(sqlite3.connect(target)) as copied:
            target.chmod(0o600)
            origin.execute("BEGIN")
            origin.execute("SELECT count(*) FROM sqlite_master")  # the backup would wait for ever for who holds it
            origin.backup(copied)
    except (OSError, sqlite3.Error):
        remove(target)
        raise


def remove(path: Path) -> None:
    """Delete a database and what lies beside it."""
    for end in ("", *COMPANIONS):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)
