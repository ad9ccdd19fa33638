"""Brings the database to this program's version, after a backup copy; refuses a newer one."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from sqlalchemy import Engine, exc, inspect, text

from aikore.errors import StartupError

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
    except exc.DatabaseError as error:
        raise StartupError(
            f"The database {engine.url.render_as_string()} cannot be read ({error.orig}). "
            "Restore a backup from beside it or move it away to begin anew."
        ) from error
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
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _back_up(engine: Engine, version: str) -> None:
    """Copy an SQLite file beside itself; other databases are backed up by their owners."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    source = Path(engine.url.database)
    target = source.with_name(f"{source.name}.before-{HEAD}-from-{version}")
    with sqlite3.connect(source) as origin, sqlite3.connect(target) as copy:
        origin.backup(copy)
    target.chmod(0o600)
    log.info("database backed up to %s", target)
