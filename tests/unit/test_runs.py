"""The book of runs over a real SQLite."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikore.base.times import utcnow
from aikore.database.engine import Database
from aikore.database.migrate import migrate
from aikore.database.wings import AIKORE
from aikore.instances.lifecycle import Exited, SpawnFailed, State, Status
from aikore.instances.runs import KEPT, Ending, RunBook, ending_of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path, AIKORE)
    migrate(database)
    yield database
    database.close()


async def test_the_newest_runs_are_kept_and_those_of_others_left_alone(database: Database) -> None:
    book = RunBook(database)
    book.note(2, 1, {"started_at": utcnow()})
    for number in range(1, KEPT + 6):
        book.note(1, number, {"started_at": utcnow()})
        book.note(1, number, {"ending": "finished", "exit_code": 0})
    numbers = [run["number"] for run in await book.of(1)]
    assert numbers == list(range(KEPT + 5, 5, -1))
    assert [run["ending"] for run in await book.of(2)] == [None]


async def test_runs_are_told_with_the_notes_that_are_being_written_just_now(database: Database) -> None:
    book = RunBook(database)
    book.note(1, 1, {"started_at": utcnow()})
    held = threading.Event()
    holding = asyncio.create_task(database.run(lambda _: held.wait(20)))
    writing = asyncio.create_task(book.write())
    telling = asyncio.create_task(book.of(1))
    for _ in range(9):  # what read at once has read now
        await database.read(lambda _: None)
    held.set()
    await asyncio.gather(holding, writing)
    assert [run["number"] for run in await telling] == [1]


async def test_the_first_word_on_a_run_counts(database: Database) -> None:
    book = RunBook(database)
    early, late = utcnow().replace(year=2001), utcnow()
    for moment in (early, late):
        book.note(1, 1, {"ready_at": moment})
        await book.write()
    book.note(1, 1, {"ending": "refused", "detail": "Port 1 is taken"})
    book.note(1, 1, {"ending": "stopped"})
    await book.write()
    book.note(1, 1, {"ending": "failed", "exit_code": 3})
    [run] = await book.of(1)
    assert (run["ready_at"][:4], run["ending"], run["exit_code"]) == ("2001", "refused", None)


async def test_a_run_whose_end_nobody_noted_is_lost_when_the_next_begins(database: Database) -> None:
    book = RunBook(database)
    book.note(1, 1, {"started_at": utcnow()})
    await book.write()
    book.note(1, 2, {"started_at": utcnow()})
    assert [run["ending"] for run in await book.of(1)] == [None, "lost"]


RUN = State(Status.STARTED, 1)


@pytest.mark.parametrize(
    ("before", "given", "ending"),
    [
        (RUN, Exited(1, 0), Ending.FINISHED),
        (RUN, Exited(1, 3), Ending.FAILED),
        (RUN, Exited(1, None, "SIGKILL"), Ending.FAILED),
        (RUN, Exited(1, 0, lost=True), Ending.LOST),
        (State(Status.STOPPING, 1), Exited(1, None, "SIGTERM"), Ending.STOPPED),
        (State(Status.STOPPING, 1, failure="port"), Exited(1, None, "SIGTERM"), Ending.REFUSED),
        (State(Status.STARTING, 1), SpawnFailed(1, "disk"), Ending.NOT_STARTED),
    ],
)
def test_how_a_run_ended(before: State, given: Exited | SpawnFailed, ending: Ending) -> None:
    assert ending_of(before, given)[0] is ending
