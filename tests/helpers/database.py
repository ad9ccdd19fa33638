"""A data folder's database as an older AiKore would have left it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import inspect

from aikore.database.migrate import chain
from aikore.database.sqlite import make_writer
from aikore.database.wings import AIKORE


def make_older(path: Path, version: str) -> None:
    """Replace a database by one of an older version with the same rows, as far as they fit."""
    older = path.with_name("older.db")
    engine = make_writer(older)
    config = chain(AIKORE)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    with engine.begin() as connection:
        connection.exec_driver_sql("ATTACH DATABASE ? AS newer", (str(path),))
        for table in set(inspect(connection).get_table_names()) - {"alembic_version"}:
            columns = ", ".join(column["name"] for column in inspect(connection).get_columns(table))
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")
    engine.dispose()
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    older.rename(path)
