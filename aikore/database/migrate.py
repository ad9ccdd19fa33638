"""Brings databases to this program's version, after a backup copy of each; refuses newer ones."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy import Engine, exc, inspect, text

from aikore.base.errors import StartupError
from aikore.database.engine import Database
from aikore.database.refusals import reason
from aikore.database.sqlite import copy
from aikore.database.wings import Wing

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)


def migrate(*databases: Database) -> None:
    """Upgrade each to the head of its chain.

    Raises StartupError for a newer or an unreadable one, before any of them is touched.
    """
    versions = [(database, _known_version(database)) for database in databases]
    for database, version in versions:
        if version != database.wing.head:
            _upgrade(database, version)


def current_version(engine: Engine) -> str | None:
    """Return the version of a database, None for an empty one."""
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection:
        version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def require_known(version: str | None, wing: Wing, file: str) -> None:
    """Raise StartupError for a version that is not in this program's chain."""
    if version in (None, wing.head):
        return
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(chain(wing)).walk_revisions()}
    if version not in known:
        raise StartupError(
            f"The database {file} is at version {version}, which is newer than this AiKore (version {wing.head}). "
            "Start the newer AiKore again, or restore the backup that lies beside the database."
        )


def chain(wing: Wing) -> Config:
    """Return what Alembic has to know of a database's migrations."""
    from alembic.config import Config  # 0.2 s that only an upgrade needs

    config = Config()
    config.set_main_option("script_location", str(wing.migrations).replace("%", "%%"))
    return config


def _known_version(database: Database) -> str | None:
    if not database.path.exists():
        return None
    try:
        version = current_version(database.engine)
    except (exc.DBAPIError, sqlite3.Error) as error:
        raise StartupError(f"The database {database.path} cannot be read: {reason(error)}.") from error
    require_known(version, database.wing, str(database.path))
    return version


def _upgrade(database: Database, version: str | None) -> None:
    from alembic import command

    if version is not None:
        _back_up(database, version)
    config = chain(database.wing)
    try:
        with database.engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none for a change of tables
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (exc.DBAPIError, sqlite3.Error) as error:
        raise StartupError(f"The database {database.path} could not be upgraded: {reason(error)}.") from error


def _back_up(database: Database, version: str) -> None:
    """Copy a database beside itself."""
    target = database.path.with_name(f"{database.path.name}.before-{database.wing.head}-from-{version}")
    try:
        copy(database.path, target)
    except (sqlite3.Error, OSError) as error:
        raise StartupError(
            f"The database could not be backed up to {target}: {error}. Free some space there."
        ) from error
    log.info("database backed up to %s", target)
