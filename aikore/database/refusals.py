"""What it means when SQLite refuses, in words that say what to do."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

MISTAKES = (exc.IntegrityError, exc.ProgrammingError, exc.DataError)
"""Refusals that mean a mistake of the program, not of the disk."""

OWN_WRITE = "SQLITE_READONLY"
"""What a connection that only reads answers to a write. A disk that cannot be written has longer names for it."""

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


def reason(error: exc.DBAPIError | sqlite3.Error) -> str:
    """Return why the database refused and what to do, as the middle of a sentence."""
    name = code(error)
    for known in sorted(REASONS, key=len, reverse=True):
        if name.startswith(known):
            return REASONS[known]
    return f"{_cause(error)}. Look at the database and its disk"


def code(error: exc.DBAPIError | sqlite3.Error) -> str:
    """Return SQLite's name of an error; "" where it has none."""
    return str(getattr(_cause(error), "sqlite_errorname", ""))


def _cause(error: exc.DBAPIError | sqlite3.Error) -> BaseException | None:
    return error.orig if isinstance(error, exc.DBAPIError) else error
