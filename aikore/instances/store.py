"""What is remembered of instances: their rows, the card beside each instance's files, the memory of the house.

The only module that writes :class:`InstanceRow`. A row object is changed when the database has taken the change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aikore.base.times import stamp, utcnow
from aikore.database.engine import Database
from aikore.instances import views
from aikore.instances.cards import house_of, write_card
from aikore.instances.files import InstanceFiles
from aikore.instances.rows import HouseRow, InstanceRow
from aikore.instances.runs import forget_runs
from aikore.instances.stored import Faults, read_rows

RESTORING = "restoring "
"""House memory, followed by the number of an instance: the trash entry from which it is on its way back."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance's status, PID and run, as the database is to have them."""

    row: InstanceRow
    status: str
    pid: int | None
    run: int

    @property
    def values(self) -> tuple[str, int | None, int]:
        return self.status, self.pid, self.run


class Store:
    """The rows of one data folder."""

    def __init__(self, database: Database, files: InstanceFiles) -> None:
        self._database = database
        self._files = files
        self.faults: Faults = {}
        self._house: dict[str, str] = {}
        """What cards say of this house."""
        self._written: dict[int, tuple[str, int | None, int]] = {}
        """Status, PID and run of each instance as this manager last had them written."""

    # Rows ---------------------------------------------------------------------------------------------------

    async def load(self) -> list[InstanceRow]:
        """Read all rows and learn which of their values cannot be read."""
        self._house = await asyncio.to_thread(house_of, self._files.home)
        rows, self.faults = await self._database.read(read_rows)
        return rows

    async def slugs(self) -> set[str]:
        """Return the slugs of all rows, those too that cannot be read otherwise."""
        return await self._database.read(lambda s: set(s.scalars(select(InstanceRow.slug))))

    async def add(self, row: InstanceRow) -> None:
        await self._database.run(lambda s: s.add(row))

    async def write(self, row: InstanceRow, changes: Mapping[str, Any]) -> None:
        """Write changes to a row, and to its card where they stand there."""
        values = {**changes, "updated_at": utcnow()}

        def work(session: Session) -> None:
            fields = {getattr(InstanceRow, key): value for key, value in values.items()}
            session.execute(update(InstanceRow).where(InstanceRow.id == row.id).values(fields))

        await self._database.run(work)
        for key, value in values.items():
            setattr(row, key, value)
        if changes.keys() & self.card(row).keys():
            await self.write_card(row)

    async def arrange(self, positions: Mapping[InstanceRow, int]) -> None:
        """Write the positions at which instances are listed, in one transaction."""
        moved = {row.id: position for row, position in positions.items()}
        await self._database.run(lambda s: _place(s, moved))
        for row, position in positions.items():
            row.position = position

    async def delete(self, ids: set[int], restored: Iterable[int] = ()) -> None:
        """Delete instances and what the database knows of them; those ``restored`` are no longer on their way."""
        await self._database.run(lambda s: _delete_rows(s, ids, restored))

    def forget(self, number: int) -> None:
        """Drop what is remembered in memory of an instance that is gone."""
        self.faults.pop(number, None)
        self._written.pop(number, None)

    # Statuses -----------------------------------------------------------------------------------------------

    async def write_statuses(self, seen: Iterable[Seen]) -> None:
        """Write the statuses that differ from what was written last: many changes, one transaction."""
        new = [one for one in seen if self._written.get(one.row.id) != one.values]  # a new detail alone costs no disk

        def work(session: Session) -> None:
            for one in new:
                told = {"status": one.status, "pid": one.pid, "last_run": one.run}
                session.execute(update(InstanceRow).where(InstanceRow.id == one.row.id).values(told))

        for one in new:
            one.row.status, one.row.pid, one.row.last_run = self._written[one.row.id] = one.values
        try:
            if new:
                await self._database.run(work)
        except BaseException:
            for one in new:
                self._written.pop(one.row.id, None)
            raise

    # On the way back from the trash -------------------------------------------------------------------------

    async def add_restoring(self, row: InstanceRow, entry_id: str) -> None:
        """Add a row together with the note that its folder is on its way back."""
        await self._database.run(lambda s: _add_restoring(s, row, entry_id))

    async def end_restoring(self, row: InstanceRow) -> None:
        await self._database.run(lambda s: s.execute(delete(HouseRow).where(HouseRow.key == f"{RESTORING}{row.id}")))

    async def restorings(self) -> dict[int, str]:
        """Return the instances on their way back and the entries they come from."""
        return await self._database.read(_restorings)

    # The memory of the house --------------------------------------------------------------------------------

    async def recall(self, key: str) -> str:
        """Return a memory of the house; empty where there is none."""
        return await self._database.read(lambda s: _recall(s, key))

    async def keep(self, key: str, value: str) -> str:
        """Remember something of the house; return what was remembered before."""
        return await self._database.run(lambda s: _keep(s, key, value))

    # Cards --------------------------------------------------------------------------------------------------

    def card(self, row: InstanceRow) -> dict[str, Any]:
        """Return what a row says, as its instance's folder is to hold it."""
        kept = {"id": row.id, "slug": row.slug, "port": row.port, "script_origin": row.script_origin}
        kept |= {"created_at": stamp(row.created_at), "house": self._house}
        return kept | {"last_run": row.last_run, "position": row.position} | views.configuration(row)

    async def write_card(self, row: InstanceRow) -> None:
        """Lay what the row says into the instance's folder, so that it can be taken in again without the row."""
        await asyncio.to_thread(self.lay_card, row)

    def lay_card(self, row: InstanceRow) -> None:
        """Do as :meth:`write_card`. Blocking; any thread may ask."""
        write_card(self._files.folder(row.slug), self.card(row))


def _add_restoring(session: Session, row: InstanceRow, entry_id: str) -> None:
    session.add(row)
    session.flush()
    session.add(HouseRow(key=f"{RESTORING}{row.id}", value=entry_id))


def _restorings(session: Session) -> dict[int, str]:
    rows = session.scalars(select(HouseRow).where(HouseRow.key.startswith(RESTORING)))
    return {int(row.key.rpartition(" ")[2]): row.value for row in rows}


def _delete_rows(session: Session, ids: set[int], restored: Iterable[int]) -> None:
    session.execute(delete(InstanceRow).where(InstanceRow.id.in_(ids)))
    session.execute(delete(HouseRow).where(HouseRow.key.in_([f"{RESTORING}{number}" for number in {*ids, *restored}])))
    forget_runs(session, ids)


def _place(session: Session, positions: dict[int, int]) -> None:
    for number, position in positions.items():
        session.execute(update(InstanceRow).where(InstanceRow.id == number).values(position=position))


def _recall(session: Session, key: str) -> str:
    row = session.get(HouseRow, key)
    return row.value if row else ""


def _keep(session: Session, key: str, value: str) -> str:
    before = _recall(session, key)
    session.merge(HouseRow(key=key, value=value))
    return before
