"""What becomes of `AIKORE_DATABASE_URL`: an SQLite file is copied once and never changed, all else is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from aikore.base.errors import StartupError
from aikore.database.engine import Database
from aikore.database.former import LAST_READER, VARIABLE, named_file, take_over
from aikore.database.migrate import migrate
from aikore.database.wings import AIKORE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A database of AiKore's elsewhere, with something in its WAL alone, as a killed manager leaves it."""
    made, source = tmp_path / "made", tmp_path / "else where" / "mine.db"
    made.mkdir()
    source.parent.mkdir()
    database = Database(made, AIKORE)
    migrate(database)
    database.run_now(lambda s: s.execute(text("INSERT INTO house (key, value) VALUES ('k', 'v')")))
    for end in ("", "-wal"):
        shutil.copy(f"{database.path}{end}", f"{source}{end}")
    database.close()
    assert Path(f"{source}-wal").stat().st_size
    return source


def content(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT key, value FROM house").fetchall()


def digests(source: Path) -> list[str]:
    return [hashlib.sha256(Path(f"{source}{end}").read_bytes()).hexdigest() for end in ("", "-wal")]


def test_a_named_file_is_copied_with_its_wal_and_left_as_it_was(source: Path, home: Path) -> None:
    before = digests(source)
    told = take_over(named_file({VARIABLE: f"sqlite:///{source}"}), home, AIKORE)
    assert "copied" in told
    assert str(source) in told
    assert content(home / "aikore.db") == [("k", "v")]
    assert (home / "aikore.db").stat().st_mode & 0o077 == 0
    assert [path.name for path in home.iterdir()] == ["aikore.db"]
    assert digests(source) == before


def test_a_file_is_copied_once(source: Path, home: Path) -> None:
    named = named_file({VARIABLE: f"sqlite:///{source}"})
    take_over(named, home, AIKORE)
    with closing(sqlite3.connect(home / "aikore.db", isolation_level=None)) as database:
        database.execute("UPDATE house SET value = 'newer'")
    told = take_over(named, home, AIKORE)
    assert "is not read" in told
    assert content(home / "aikore.db") == [("k", "newer")]


def test_a_named_file_that_is_in_place_already_is_fine(source: Path, home: Path) -> None:
    assert take_over(home / "aikore.db", home, AIKORE) == "", "before there is one, too"
    (home / "aikore.db").symlink_to(source)
    for named in (home / "aikore.db", source):
        assert take_over(named_file({VARIABLE: f"sqlite:///{named}"}), home, AIKORE) == ""


def test_a_variable_that_is_not_set_or_empty_asks_for_nothing(home: Path) -> None:
    for environ in ({}, {VARIABLE: ""}):
        assert take_over(named_file(environ), home, AIKORE) == ""
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("postgresql+psycopg://me:secret@host/aikore", "a database of postgresql"),
        ("mysql://me:secret@host/aikore", "a database of mysql"),
        ("sqlite://", "a database in memory"),
        ("sqlite:///:memory:", "a database in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "a database in memory"),
        ("secret", "no address"),
    ],
)
def test_any_other_address_is_refused_with_what_to_do_and_without_its_password(value: str, what: str) -> None:
    with pytest.raises(StartupError, match=what) as refused:
        named_file({VARIABLE: value})
    assert "secret" not in refused.value.message
    assert f"AiKore {LAST_READER} was the last that did" in refused.value.message
    assert "remove the variable" in refused.value.message


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("sqlite+pysqlite:////srv/a.db?timeout=9", "/srv/a.db"),
        ("sqlite:////srv/a#b c.db", "/srv/a#b c.db"),
        ("sqlite:///a.db", f"{Path.cwd()}/a.db"),
        ("sqlite:///file:/srv/a%20b.db?mode=rw&uri=true", "/srv/a b.db"),
        ("sqlite:///file:///srv/a.db?uri=true", "/srv/a.db"),
    ],
)
def test_every_way_to_name_a_file_is_understood(value: str, path: str) -> None:
    assert named_file({"aikore_database_url": value}) == Path(path)


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (None, "is not there"),
        (b"", "holds nothing of AiKore's"),
        (b"no database" * 999, "its file is no database"),
    ],
    ids=["nothing", "empty", "text"],
)
def test_what_is_no_database_of_aikore_is_refused_and_nothing_is_left(
    tmp_path: Path, home: Path, held: bytes | None, says: str
) -> None:
    source = tmp_path / "mine.db"
    if held is not None:
        source.write_bytes(held)
    with pytest.raises(StartupError, match=says):
        take_over(source, home, AIKORE)
    assert list(home.iterdir()) == []


def test_a_newer_named_database_is_refused_and_nothing_is_left(source: Path, home: Path) -> None:
    with closing(sqlite3.connect(source, isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StartupError, match="newer than this AiKore"):
        take_over(source, home, AIKORE)
    assert list(home.iterdir()) == []


def test_a_named_database_that_another_program_holds_is_refused_in_time(source: Path, home: Path) -> None:
    with closing(sqlite3.connect(source, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE house SET value = 'w'")
        with pytest.raises(StartupError, match="another program holds it"):
            take_over(source, home, AIKORE)
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_named_database_that_does_not_fit_is_refused_and_nothing_is_left(source: Path, home: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(home)], check=True)
    try:
        with pytest.raises(StartupError, match="the disk is full"):
            take_over(source, home, AIKORE)
        assert list(home.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)
