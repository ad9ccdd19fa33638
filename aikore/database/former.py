"""What becomes of `AIKORE_DATABASE_URL`, once a setting: an SQLite file that it names is copied into the data folder.

The named file is never changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, exc, make_url

from aikore.base.errors import StartupError
from aikore.database.migrate import current_version, require_known
from aikore.database.refusals import reason
from aikore.database.sqlite import copy, make_reader, remove
from aikore.database.wings import Wing

VARIABLE = "AIKORE_DATABASE_URL"
LAST_READER = "0.1.0"
"""The last AiKore that reads other databases than SQLite's."""


def named_file(environ: Mapping[str, str]) -> Path | None:
    """Return the SQLite file that the variable names, None where it is not set. Raises StartupError for all else."""
    value = next((value for name, value in environ.items() if name.upper() == VARIABLE), "")
    if not value:
        return None
    try:
        url = make_url(value)
        kind = url.get_backend_name()
    except exc.ArgumentError as error:
        raise StartupError(_refusal("holds no address of a database")) from error
    if kind != "sqlite":
        raise StartupError(_refusal(f"names a database of {kind}"))
    if (path := _path(url)) is None:
        raise StartupError(_refusal("names a database in memory"))
    return path.absolute()


def take_over(source: Path | None, folder: Path, wing: Wing) -> str:
    """Copy the named file to where the database belongs, if none is there; return what people should know of it.

    Raises StartupError where the file is not there or cannot be AiKore's; nothing is left of the copy then.
    """
    target = folder / wing.file
    if source is None or (target.exists() and source.exists() and source.samefile(target)):
        return ""
    if target.exists():
        return (
            f"{VARIABLE} is no longer a setting: the database is {target}, and {source} is not read. Remove the "
            f"variable. If instances are missing, end AiKore, move {wing.file} away and start: then that one is copied."
        )
    if source == target:
        return ""
    if not source.is_file():
        raise StartupError(
            f"{VARIABLE} names {source}, which is not there. Mount its disk, so that it can be copied to {target}, "
            "or remove the variable to begin with an empty database."
        )
    _bring(source, target, wing)
    return (
        f"The database was copied from {source} to {target}, where it is used from now on. "
        f"{VARIABLE} is no longer a setting: remove it. The old file is left as it is."
    )


def _path(url: URL) -> Path | None:
    """Return the file that an address of SQLite names, None for a database in memory."""
    name = url.database or ""
    if name.startswith("file:"):
        in_memory = url.query.get("mode") == "memory"
        name = "" if in_memory else unquote(urlsplit(name).path)
    return None if name in ("", ":memory:") else Path(name)


def _refusal(what: str) -> str:
    return (
        f"{VARIABLE} {what}. AiKore keeps its data in SQLite files in its data folder and reads nothing else; "
        f"AiKore {LAST_READER} was the last that did. Go on with that one, or remove the variable to begin with an "
        "empty database: instances whose folders are in the data folder can be taken in again in the trash's dialog."
    )


def _bring(source: Path, target: Path, wing: Wing) -> None:
    """Copy a database that this program can use; all or nothing."""
    coming = target.with_name(f".{target.name}.coming")
    try:
        remove(coming)
        copy(source, coming)
        engine = make_reader(coming)
        try:
            version = current_version(engine)
        finally:
            engine.dispose()
        if version is None:
            raise StartupError(f"{VARIABLE} names {source}, which holds nothing of AiKore's. Remove the variable.")
        require_known(version, wing, str(source))
        coming.rename(target)
    except (sqlite3.Error, exc.DBAPIError) as error:
        raise StartupError(f"The database {source} could not be copied to {target}: {reason(error)}.") from error
    except OSError as error:
        raise StartupError(f"The database {source} could not be copied to {target}: {error.strerror}.") from error
    finally:
        remove(coming)
