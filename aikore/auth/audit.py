"""The audit log: every change, who made it, when and from where. Bounded; the oldest records go."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from aikore.auth.rows import AuditRow
from aikore.base.errors import StorageError
from aikore.base.times import utcnow
from aikore.database.engine import Database

log = logging.getLogger(__name__)

QUEUE = 1000
"""Records that may wait for the disk; more are dropped and counted in AiKore's log."""
TRIM_EVERY = 100


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change. ``status`` is that of the HTTP answer."""

    who: str
    via: str
    address: str
    action: str
    target: str
    status: int
    detail: str = ""


class Audit:
    """Writes records behind the requests that caused them, in order."""

    def __init__(self, database: Database, keep: int) -> None:
        self._database = database
        self._keep = keep
        self._waiting: asyncio.Queue[AuditRow] = asyncio.Queue(QUEUE)
        self._writer: asyncio.Task[None] | None = None
        self._written = 0

    def begin(self) -> None:
        """Start writing."""
        self._writer = asyncio.create_task(self._write())

    def note(self, record: AuditRecord) -> None:
        """Remember a change; never waits and never fails the request."""
        row = AuditRow(
            time=utcnow(),
            who=record.who[:80],
            via=record.via,
            address=record.address[:64],
            action=record.action[:64],
            target=record.target[:120],
            status=record.status,
            detail=record.detail[:500],
        )
        try:
            self._waiting.put_nowait(row)
        except asyncio.QueueFull:
            log.error("audit: no room for %s of %s by %s", row.action, row.target, row.who)

    async def _write(self) -> None:
        while True:
            rows = [await self._waiting.get()]
            with suppress(asyncio.QueueEmpty):
                while True:
                    rows.append(self._waiting.get_nowait())
            await self._store(rows)
            for _ in rows:
                self._waiting.task_done()

    async def _store(self, rows: list[AuditRow]) -> None:
        try:
            await self._database.run(lambda s: s.add_all(rows))
            self._written += len(rows)
            if self._written >= TRIM_EVERY:
                self._written = 0
                await self._database.run(self._trim)
        except StorageError as error:
            log.error("audit: %d records could not be written: %s", len(rows), error.message)

    def _trim(self, session: Session) -> None:
        newest = session.scalar(select(func.max(AuditRow.id))) or 0
        session.execute(delete(AuditRow).where(AuditRow.id <= newest - self._keep))

    async def flush(self) -> None:
        """Return when everything noted so far is written."""
        if self._writer is not None:
            await self._waiting.join()

    async def close(self) -> None:
        """Write what waits and stop writing."""
        await self.flush()
        if self._writer is not None:
            self._writer.cancel()

    async def page(self, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Return records older than ``before``, newest first."""
        await self.flush()

        def work(session: Session) -> list[AuditRow]:
            query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
            return list(session.scalars(query.where(AuditRow.id < before) if before is not None else query))

        return [_shown(row) for row in await self._database.read(work)]


def _shown(row: AuditRow) -> dict[str, Any]:
    names = ("id", "time", "who", "via", "address", "action", "target", "status", "detail")
    return {name: getattr(row, name) for name in names}
