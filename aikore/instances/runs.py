"""The history of runs: what actors note about them, written in one transaction for many, the newest 200 kept.

A run that has ended is never changed, so a manager that learns of an ending again (from ``run.json``) rewrites nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aikore.base.errors import StorageError
from aikore.base.times import parse, stamp
from aikore.database.engine import Database
from aikore.instances.lifecycle import Exited, SpawnFailed, State, Status, reason
from aikore.instances.rows import RunRow

KEPT = 200
"""Runs kept per instance."""

MOMENTS = ("started_at", "ready_at", "ended_at")
COLUMNS = ("exit_code", "exit_signal", "ending", "detail", "log_offset")

Note = dict[str, Any]
"""Columns of a run that have become known."""


class Ending(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    """By itself, with exit code 0."""
    STOPPED = "stopped"
    """Somebody wished it."""
    FAILED = "failed"
    """By itself, with another code or a signal."""
    REFUSED = "refused"
    """AiKore ended it because it could never become ready."""
    NOT_STARTED = "not_started"
    """It could not even be started."""
    LOST = "lost"
    """Nobody saw it end: its keeper was killed or the machine went down."""


def ending_of(before: State, given: Exited | SpawnFailed) -> tuple[Ending, str]:
    """Return how a run ended that was in the state ``before``, and why."""
    if isinstance(given, SpawnFailed):
        return Ending.NOT_STARTED, given.reason
    if before.failure:
        return Ending.REFUSED, before.failure
    if before.status is Status.STOPPING:
        return Ending.STOPPED, ""
    if given.lost:
        return Ending.LOST, reason(given)
    if given.code == 0:
        return Ending.FINISHED, ""
    return Ending.FAILED, reason(given)


class RunBook:
    """Collects notes and writes them when asked to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[tuple[int, int], Note] = {}
        self._writing = asyncio.Lock()

    def note(self, instance: int, number: int, note: Note) -> None:
        """Remember what has become known of a run; the first word on each column counts."""
        known = self._pending.setdefault((instance, number), {})
        self._pending[instance, number] = note | known

    async def write(self) -> None:
        """Return when all that was noted is written. Raises StorageError and keeps the notes when the disk refuses."""
        async with self._writing:
            if not self._pending:
                return
            pending, self._pending = self._pending, {}
            try:
                await self._database.run(lambda s: _write(s, pending))
            except BaseException:
                for (instance, number), note in pending.items():
                    self._pending[instance, number] = self._pending.get((instance, number), {}) | note
                raise

    async def of(self, instance: int) -> list[dict[str, Any]]:
        """Return an instance's runs, newest first; on a full disk, what could be written of them."""
        with suppress(StorageError):
            await self.write()
        query = select(RunRow).where(RunRow.instance_id == instance).order_by(RunRow.number.desc())
        rows = await self._database.read(lambda s: list(s.scalars(query)))
        return [_view(row) for row in rows]

    def drop(self, instance: int) -> None:
        """Forget what was noted of an instance that is removed."""
        self._pending = {key: note for key, note in self._pending.items() if key[0] != instance}

    def take_over(self, instance: int, runs: list[dict[str, Any]]) -> None:
        """Note the runs of a deleted instance, as :meth:`of` told them, for the one that comes back."""
        for run in runs:
            moments = {name: parse(run[name]) for name in MOMENTS}
            self.note(instance, run["number"], {key: run[key] for key in COLUMNS} | moments)


def forget_runs(session: Session, instances: set[int]) -> None:
    """Delete the history of instances."""
    session.execute(delete(RunRow).where(RunRow.instance_id.in_(instances)))


def _write(session: Session, notes: dict[tuple[int, int], Note]) -> None:
    for instance, number in sorted(notes):
        row = session.get(RunRow, (instance, number))
        if row is None:
            row = RunRow(instance_id=instance, number=number, detail="")
            _make_room(session, row)
            session.add(row)
        elif row.ending is not None:
            continue
        for column, value in notes[instance, number].items():
            if not getattr(row, column):
                setattr(row, column, value)


def _make_room(session: Session, row: RunRow) -> None:
    """Drop the oldest run, and close an older one whose end nobody noted: an instance has one run at a time."""
    mine = RunRow.instance_id == row.instance_id
    session.execute(delete(RunRow).where(mine, RunRow.number <= row.number - KEPT))
    unended = (mine, RunRow.number < row.number, RunRow.ending.is_(None))
    session.execute(update(RunRow).where(*unended).values(ending=Ending.LOST.value))


def _view(row: RunRow) -> dict[str, Any]:
    moments = {name: stamp(getattr(row, name)) for name in MOMENTS}
    return {"number": row.number, **moments, **{name: getattr(row, name) for name in COLUMNS}}
