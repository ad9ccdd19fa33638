"""The databases: their newest version, their way from nothing, their backups."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import aikore.auth.rows
import aikore.instances.rows  # noqa: F401 — with the one above, all tables there are
from aikore.base.errors import StartupError
from aikore.database.engine import Base, Database, StudioBase
from aikore.database.migrate import chain, current_version, migrate
from aikore.database.wings import AIKORE, STUDIO, Wing

WINGS = pytest.mark.parametrize("wing", [AIKORE, STUDIO], ids=lambda wing: wing.name)

Open = Callable[[Wing], Database]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens databases that are closed again."""
    databases: list[Database] = []

    def make(wing: Wing) -> Database:
        databases.append(Database(tmp_path, wing))
        return databases[-1]

    yield make
    for database in databases:
        database.close()


def versions(path: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT version_num FROM alembic_version").fetchall()


@WINGS
def test_the_newest_version_is_the_one_of_the_folder(wing: Wing) -> None:
    assert ScriptDirectory.from_config(chain(wing)).get_heads() == [wing.head]


@pytest.mark.parametrize(("wing", "base"), [(AIKORE, Base), (STUDIO, StudioBase)], ids=["aikore", "studio"])
def test_the_migrations_make_the_tables_that_the_rooms_know(opened: Open, wing: Wing, base: type[Base]) -> None:
    database = opened(wing)
    migrate(database)
    with database.engine.connect() as connection:
        known = {"compare_type": False, "compare_server_default": False}
        assert compare_metadata(MigrationContext.configure(connection, opts=known), base.metadata) == []


@pytest.mark.parametrize(("wing", "tables"), [(AIKORE, {"instances"}), (STUDIO, set())], ids=["aikore", "studio"])
def test_an_empty_database_gets_every_table_and_once_more_changes_nothing(
    opened: Open, tmp_path: Path, wing: Wing, tables: set[str]
) -> None:
    database = opened(wing)
    for _ in range(2):
        migrate(database)
        assert current_version(database.engine) == wing.head
        assert set(inspect(database.engine).get_table_names()) >= {*tables, "alembic_version"}
    assert {path.name.partition(".db")[2] for path in tmp_path.iterdir()} <= {"", "-wal", "-shm"}


def test_instances_of_an_older_database_keep_the_order_they_were_made_in(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = opened(AIKORE)
    engine = database.engine
    with monkeypatch.context() as older:
        upgrade = command.upgrade
        older.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        migrate(database)
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
    migrate(database)
    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT id, position, group_name FROM instances ORDER BY id").fetchall()
    assert [tuple(row) for row in rows] == [(3, 3, ""), (5, 5, "")]


@WINGS
def test_an_older_database_is_copied_beside_itself_first(opened: Open, tmp_path: Path, wing: Wing) -> None:
    migrate(opened(wing))
    migrate(opened(replace(wing, head="9999")))  # as a newer AiKore would find it
    copy = tmp_path / f"{wing.file}.before-9999-from-{wing.head}"
    assert copy.stat().st_mode & 0o077 == 0
    assert versions(copy) == [(wing.head,)]


@pytest.mark.parametrize("newer", [AIKORE, STUDIO], ids=lambda wing: wing.name)
def test_a_newer_one_of_several_databases_is_refused_before_any_of_them_is_touched(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer: Wing
) -> None:
    with monkeypatch.context() as older:
        upgrade = command.upgrade
        older.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        migrate(opened(AIKORE))
    migrate(opened(STUDIO))
    with closing(sqlite3.connect(tmp_path / newer.file, isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = {wing: versions(tmp_path / wing.file) for wing in (AIKORE, STUDIO)}
    with pytest.raises(StartupError, match=f"{newer.file} is at version 9999, which is newer than this AiKore"):
        migrate(opened(AIKORE), opened(STUDIO))
    assert {wing: versions(tmp_path / wing.file) for wing in (AIKORE, STUDIO)} == before
    assert not list(tmp_path.glob("*.before-*"))


def test_a_migration_that_ends_halfway_leaves_the_database_as_it_was(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = opened(AIKORE)
    with monkeypatch.context() as older:
        upgrade = command.upgrade
        older.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        migrate(database)
    before = dump(tmp_path / AIKORE.file)
    with monkeypatch.context() as failing:
        failing.setattr(ScriptDirectory, "run_env", _and_then_fail(ScriptDirectory.run_env))
        with pytest.raises(ZeroDivisionError):
            migrate(database)
    assert dump(tmp_path / AIKORE.file) == before
    migrate(database)
    assert versions(tmp_path / AIKORE.file) == [(AIKORE.head,)]


def _and_then_fail(work: Callable[[ScriptDirectory], None]) -> Callable[[ScriptDirectory], None]:
    def failing(script: ScriptDirectory) -> None:
        work(script)
        raise ZeroDivisionError

    return failing


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())
