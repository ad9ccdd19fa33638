"""The database refuses in words that say what to do, and its one file is whole soon after every write."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aikore.base.errors import StartupError, StorageError
from aikore.database import engine as module
from aikore.database.engine import Database, make_engine
from aikore.database.migrate import migrate
from tests.helpers.server import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aikore.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    engine = make_engine(path)
    migrate(engine)
    database = Database(engine)
    yield database
    database.close()


def write(session: Session, key: str = "k") -> None:
    session.execute(text("INSERT INTO house (key, value) VALUES (:key, 'v')"), {"key": key})


def refusal(database: Database, *first: str) -> str:
    def work(session: Session) -> None:
        for statement in first:
            session.execute(text(statement))
        for number in range(500):
            write(session, f"{number}" * 500)

    with pytest.raises(StorageError) as refused:
        database.run_now(work)
    return refused.value.message


def test_a_full_database_says_so(database: Database) -> None:
    assert "the disk is full" in refusal(database, "PRAGMA max_page_count = 1")


def test_a_database_that_cannot_be_written_says_so(database: Database) -> None:
    assert "read-only" in refusal(database, "PRAGMA query_only = 1")


def test_a_database_that_another_program_holds_says_so(database: Database, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    assert "another program holds it" in refusal(database, "PRAGMA busy_timeout = 10")
    other.close()


def test_a_damaged_database_says_so(database: Database, path: Path) -> None:
    database.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    again = Database(make_engine(path))
    assert "damaged" in refusal(again)
    again.close()


def test_a_database_whose_disk_is_gone_says_so(database: Database, path: Path, tmp_path: Path) -> None:
    database.close()
    gone = Database(make_engine(tmp_path / "unmounted" / path.name))
    assert "Look whether its disk is there" in refusal(gone)
    gone.close()


def test_what_is_no_database_is_refused_at_the_start_in_the_same_words(path: Path) -> None:
    path.write_bytes(b"no database, certainly" * 1000)
    with pytest.raises(StartupError, match="no database"):
        migrate(make_engine(path))


async def test_soon_after_a_write_the_file_alone_holds_everything(
    database: Database, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST", 0.0)
    await database.run(write)
    wal = Path(f"{path}-wal")
    for _ in range(1000):
        if not wal.stat().st_size:
            break
        await database.run(lambda session: session.execute(text("SELECT 1")))
    copy = tmp_path / "copied.db"
    shutil.copy(path, copy)
    with sqlite3.connect(copy) as copied:
        assert copied.execute("SELECT value FROM house WHERE key = 'k'").fetchone() == ("v",)


def test_a_backup_of_an_open_database_is_whole(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run_now(write)
    monkeypatch.setattr("aikore.database.migrate.HEAD", "9999")
    migrate(database.engine)
    (backup,) = path.parent.glob("aikore.db.before-*")
    wait_until(backup.exists)
    with sqlite3.connect(backup) as copied:
        assert copied.execute("SELECT count(*) FROM house").fetchone() == (1,)


@pytest.mark.parametrize("name", ["a?b", "a%41", "a#b", "with space", "größe 家", "mode=ro&x"])
def test_the_database_lies_where_the_path_says(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    database = Database(make_engine(folder / "aikore.db"))
    migrate(database.engine)
    database.run_now(write)
    assert (folder / "aikore.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    database.close()
