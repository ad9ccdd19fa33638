"""Brings the database to this program's version, after a backup copy; refuses a newer one."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, exc, inspect, text

from aikore.base.errors import StartupError
from aikore.database.engine import checkpoint, reason

log = logging.getLogger(__name__)

HEAD = "0003"
"""The newest migration of this program; a test compares it with the folder."""

VERSIONS = Path(__file__).parent / "migrations"


def current_version(engine: Engine) -> str | None:
    """Return the version of the database, None for an empty one."""
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def migrate(engine: Engine) -> None:
    """Upgrade to :data:`HEAD`. Raises StartupError for a newer or unreadable database, which stays untouched."""
    try:
        version = current_version(engine)
    except (exc.DBAPIError, sqlite3.Error) as error:
        raise StartupError(f"The database {_named(engine)} cannot be read: {reason(error)}.") from error
    if version == HEAD:
        return
    from alembic import command  # 0.2 s that only an upgrade needs
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(VERSIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise StartupError(
            f"The database is at version {version}, which is newer than this AiKore (version {HEAD}). "
            "Start the newer AiKore again, or restore the backup that lies beside the database."
        )
    if version is not None:
        _back_up(engine, version)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (exc.OperationalError, sqlite3.Error) as error:
        raise StartupError(f"The database {_named(engine)} could not be upgraded: {reason(error)}.") from error


def _named(engine: Engine) -> str:
    """Return how people know the database: its file, or its URL without the password."""
    return engine.url.database or "" if engine.dialect.name == "sqlite" else engine.url.render_as_string()


def _back_up(engine: Engine, version: str) -> None:
    """Copy an SQLite file beside itself; other databases are backed up by their owners."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    source = Path(engine.url.database)
    target = source.with_name(f"{source.name}.before-{HEAD}-from-{version}")
    checkpoint(engine)
    try:
        with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target)) as copy:
            target.chmod(0o600)
            origin.backup(copy)
    except (sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        raise StartupError(
            f"The database could not be backed up to {target}: {error}. Free some space there."
        ) from error
    log.info("database backed up to %s", target)
