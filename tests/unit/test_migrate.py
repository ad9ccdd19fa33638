"""The database: its newest version, its way from nothing, its backup."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from aikore.database import migrate as module
from aikore.database.engine import make_engine
from aikore.database.migrate import HEAD, VERSIONS, current_version, migrate


def test_the_newest_version_is_the_one_of_the_folder() -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_an_empty_database_gets_every_table_and_once_more_changes_nothing(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'aikore.db'}")
    for _ in range(2):
        migrate(engine)
        assert current_version(engine) == HEAD
        assert set(inspect(engine).get_table_names()) >= {"instances", "alembic_version"}
    assert {path.name.partition(".db")[2] for path in tmp_path.iterdir()} <= {"", "-wal", "-shm"}


def test_instances_of_an_older_database_keep_the_order_they_were_made_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'aikore.db'}")
    with monkeypatch.context() as older:
        upgrade = command.upgrade
        older.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        migrate(engine)
    columns = {column["name"] for column in inspect(engine).get_columns("instances")}
    with engine.begin() as connection:
        for number in (3, 5):
            values = {name: f"'{name}{number}'" for name in columns} | {
                "id": number,
                "port": number,
                "app_port": number,
            }
            connection.exec_driver_sql(
                f"INSERT INTO instances ({', '.join(values)}) VALUES ({', '.join(map(str, values.values()))})"
            )
    migrate(engine)
    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT id, position, group_name FROM instances ORDER BY id").fetchall()
    assert [tuple(row) for row in rows] == [(3, 3, ""), (5, 5, "")]


def test_an_older_database_is_copied_beside_itself_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "aikore.db"
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    monkeypatch.setattr(module, "HEAD", "9999")  # as a newer AiKore would find it
    migrate(engine)
    copy = tmp_path / f"aikore.db.before-9999-from-{HEAD}"
    assert copy.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
