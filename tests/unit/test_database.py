"""A database refuses in words that say what to do, its file is whole soon after a write, and reads never wait."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import exc, text
from sqlalchemy.orm import Session

from aikore.base.errors import StartupError, StorageError
from aikore.database import engine as module
from aikore.database.engine import READERS, Database
from aikore.database.migrate import migrate
from aikore.database.wings import AIKORE, STUDIO, Wing
from tests.helpers.server import wait_until

PATIENCE = 20
"""Seconds after which something counts as hanging."""


@pytest.fixture(params=[AIKORE, STUDIO], ids=lambda wing: str(wing.name))
def wing(request: pytest.FixtureRequest) -> Wing:
    """Each database, for what holds for all of them."""
    wing: Wing = request.param
    return wing


@pytest.fixture
def path(tmp_path: Path, wing: Wing) -> Path:
    return tmp_path / wing.file


@pytest.fixture
def database(tmp_path: Path, wing: Wing) -> Iterator[Database]:
    database = Database(tmp_path, wing)
    migrate(database)
    database.run_now(lambda s: s.execute(text("CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT)")))
    yield database
    database.close()


def write(session: Session, key: str = "k") -> None:
    session.execute(text("INSERT INTO notes (key, value) VALUES (:key, 'v')"), {"key": key})


def count(session: Session) -> int:
    return session.execute(text("SELECT count(*) FROM notes")).scalar_one()


def refusal(database: Database, *first: str) -> str:
    def work(session: Session) -> None:
        for statement in first:
            session.execute(text(statement))
        for number in range(500):
            write(session, f"{number}" * 500)

    with pytest.raises(StorageError) as refused:
        database.run_now(work)
    assert database.path.name in refused.value.message
    return refused.value.message


def refused_read(database: Database) -> str:
    with pytest.raises(StorageError) as refused:
        database.read_now(lambda s: s.execute(text("SELECT * FROM notes ORDER BY value")).all())
    assert database.path.name in refused.value.message
    return refused.value.message


def test_a_full_database_says_so(database: Database) -> None:
    assert "the disk is full" in refusal(database, "PRAGMA max_page_count = 1")


def test_a_database_that_cannot_be_written_says_so(database: Database) -> None:
    assert "read-only" in refusal(database, "PRAGMA query_only = 1")


def test_a_database_that_another_program_holds_says_so(database: Database, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    assert "another program holds it" in refusal(database, "PRAGMA busy_timeout = 10")
    assert database.read_now(count) == 0, "reads go on"
    other.close()


def test_a_damaged_database_says_so(database: Database, path: Path) -> None:
    database.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    again = Database(path.parent, database.wing)
    assert "damaged" in refusal(again)
    assert "damaged" in refused_read(again)
    again.close()


def test_a_database_whose_disk_is_gone_says_so(database: Database, tmp_path: Path) -> None:
    database.close()
    gone = Database(tmp_path / "unmounted", database.wing)
    assert "Look whether its disk is there" in refusal(gone)
    assert "Look whether its disk is there" in refused_read(gone)
    gone.close()


def test_what_is_no_database_is_refused_at_the_start_in_the_same_words(path: Path, wing: Wing) -> None:
    path.write_bytes(b"no database, certainly" * 1000)
    database = Database(path.parent, wing)
    with pytest.raises(StartupError, match="no database"):
        migrate(database)
    assert "no database" in refused_read(database)
    database.close()


def test_an_upgrade_of_a_damaged_database_is_refused_in_the_same_words(database: Database, path: Path) -> None:
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'notes'").fetchone()
    with open(path, "r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xa5" * 4096)
    newer = Database(path.parent, replace(database.wing, head="9999"))
    upgraded = "ALTER TABLE notes ADD COLUMN more; INSERT INTO notes SELECT key || 'x', value, 1 FROM notes"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StartupError, match=r"could not be upgraded: .*damaged"):
        patch.setattr(
            "alembic.command.upgrade",
            lambda config, _: [config.attributes["connection"].exec_driver_sql(one) for one in upgraded.split(";")],
        )
        migrate(newer)
    newer.close()


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
        assert copied.execute("SELECT value FROM notes WHERE key = 'k'").fetchone() == ("v",)


def test_a_backup_of_an_open_database_is_whole(database: Database, path: Path) -> None:
    database.run_now(write)
    newer = Database(path.parent, replace(database.wing, head="9999"))
    migrate(newer)
    newer.close()
    (backup,) = path.parent.glob(f"{path.name}.before-*")
    wait_until(backup.exists)
    with sqlite3.connect(backup) as copied:
        assert copied.execute("SELECT count(*) FROM notes").fetchone() == (1,)


@pytest.mark.parametrize("name", ["a?b", "a%41", "a#b", "with space", "größe 家", "mode=ro&x"])
def test_the_database_lies_where_the_path_says(tmp_path: Path, wing: Wing, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    database = Database(folder, wing)
    migrate(database)
    database.run_now(lambda s: s.execute(text("CREATE TABLE notes (key TEXT, value TEXT)")))
    database.run_now(write)
    assert database.read_now(count) == 1
    assert (folder / wing.file).is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    database.close()


# One writer and several readers


@asynccontextmanager
async def held(database: Database, reading: bool) -> AsyncIterator[None]:
    """A transaction that has begun its work and goes on until the block ends."""
    begun, goes_on = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        count(session) if reading else write(session, "held")
        begun.set()
        assert goes_on.wait(PATIENCE)

    task = asyncio.create_task(database.read(work) if reading else database.run(work))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    try:
        yield
    finally:
        goes_on.set()
        await task


async def test_a_read_waits_for_no_write_and_sees_nothing_of_it_before_its_end(database: Database) -> None:
    await database.run(write)
    async with held(database, reading=False):
        assert await asyncio.wait_for(database.read(count), PATIENCE / 2) == 1
    assert await database.read(count) == 2, "and all of it from then on"


async def test_several_reads_go_on_at_the_same_time(database: Database) -> None:
    together = threading.Barrier(READERS)
    await asyncio.gather(*(database.read(lambda _: together.wait(PATIENCE)) for _ in range(READERS)))


async def test_writes_go_one_after_the_other(database: Database) -> None:
    threads = set(await asyncio.gather(*(database.run(lambda _: threading.get_ident()) for _ in range(READERS))))
    assert len(threads) == 1


async def test_all_that_one_read_sees_is_of_one_moment(database: Database) -> None:
    looked, written = threading.Event(), threading.Event()

    def twice(session: Session) -> tuple[int, int]:
        first = count(session)
        looked.set()
        assert written.wait(PATIENCE)
        return first, count(session)

    reading = asyncio.create_task(database.read(twice))
    assert await asyncio.to_thread(looked.wait, PATIENCE)
    await database.run(write)
    written.set()
    assert await reading == (0, 0)


async def test_a_long_read_holds_up_neither_writes_nor_for_good_the_rest_of_the_file(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST", 0.01)
    wal = Path(f"{path}-wal")
    loop = asyncio.get_running_loop()
    async with held(database, reading=True):
        await database.run(write)
        took = []
        for number in range(10):
            began = loop.time()
            await database.run(lambda s, number=number: write(s, str(number)))
            took.append(loop.time() - began)
            await asyncio.sleep(0.02)
        assert max(took) < 2.5, "less than SQLite waits for who is in the way"
        assert wal.stat().st_size
    await asyncio.to_thread(wait_until, lambda: not wal.stat().st_size, what="it is tried again, without another write")


async def test_what_only_reads_cannot_write_and_that_is_a_mistake_of_the_program(database: Database) -> None:
    with pytest.raises(exc.OperationalError, match="readonly"):
        await database.read(write)
    assert await database.read(count) == 0


@pytest.mark.parametrize(("wing", "level"), [(AIKORE, 1), (STUDIO, 2)], ids=["aikore", "studio"])
def test_each_database_is_opened_with_pragmas_of_its_own(database: Database, level: int) -> None:
    def look(session: Session) -> list[object]:
        names = ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        return [session.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    assert database.run_now(look) == [level, "wal", 1, 5000]


async def test_a_closed_database_leaves_its_file_alone_and_nothing_beside_it(database: Database, path: Path) -> None:
    await database.run(write)
    await database.read(count)
    database.close()
    assert [other.name for other in path.parent.iterdir()] == [path.name]
