"""Browsers that are logged in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, make_transient

from aikore.auth.digests import digest, new_secret
from aikore.auth.identity import Identity
from aikore.auth.permissions import Role
from aikore.auth.revocations import Revocations
from aikore.auth.rows import SessionRow
from aikore.base.errors import NotFoundError, StorageError
from aikore.base.times import utcnow
from aikore.database.engine import Database

log = logging.getLogger(__name__)

MOST_PER_PERSON = 100
"""Sessions of one person; a further login ends the oldest one."""


AGAIN = 5.0
"""Seconds after which what the disk refused is written again."""


class LoginSessions:
    """All sessions, in memory; written through to the database. Secrets are made here and never taken from outside.

    On a full disk, which somebody must log in to mend, they live in memory alone until they can be written.
    """

    def __init__(self, database: Database, revocations: Revocations, days: int) -> None:
        self._database = database
        self._revocations = revocations
        self._life = timedelta(days=days)
        self._by_digest: dict[str, SessionRow] = {}
        self._unwritten: list[SessionRow] = []
        self._undeleted: set[int] = set()
        self._again: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> int:
        """How long a session lasts."""
        return int(self._life.total_seconds())

    async def load(self) -> None:
        now = utcnow()
        with suppress(StorageError):  # they are over all the same
            await self._database.run(lambda s: s.execute(delete(SessionRow).where(SessionRow.expires_at <= now)))
        rows = await self._database.read(lambda s: list(s.scalars(select(SessionRow))))
        self._by_digest = {row.digest: row for row in rows}

    async def open(
        self, user_id: int, address: str, agent: str, parent: SessionRow | None = None, instance_id: int | None = None
    ) -> tuple[SessionRow, str]:
        """Begin a session; return its row and the secret for the cookie."""
        secret, now = new_secret(), utcnow()
        row = SessionRow(
            digest=digest(secret),
            user_id=user_id,
            parent_id=parent.id if parent else None,
            instance_id=instance_id,
            address=address[:64],
            agent=agent[:200],
            created_at=now,
            expires_at=parent.expires_at if parent else now + self._life,
        )
        await self._end_oldest(user_id)
        try:
            await self._database.run(lambda s: s.add(row))
        except StorageError as error:
            log.warning("a login is kept in memory: %s", error.message)
            make_transient(row)
            row.id = min((0, *(other.id for other in self._by_digest.values()))) - 1
            self._unwritten.append(row)
            self._write_later()
        self._by_digest[row.digest] = row
        return row, secret

    def _write_later(self) -> None:
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(AGAIN, self._write_again)

    def _write_again(self) -> None:
        self._again = None
        self._writing = asyncio.create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        """Write what the disk refused; try again where it still does."""
        rows, gone = list(self._unwritten), set(self._undeleted)

        def work(session: Session) -> None:
            session.execute(delete(SessionRow).where(SessionRow.id.in_(gone)))
            for row in rows:
                session.merge(row)

        try:
            await self._database.run(work)
        except StorageError:
            self._write_later()
            return
        ended = {row.id for row in rows} - {row.id for row in self._by_digest.values()}
        self._unwritten = [row for row in self._unwritten if row not in rows]
        self._undeleted = (self._undeleted - gone) | ended
        if self._undeleted:
            self._write_later()

    async def close(self) -> None:
        """Write what still waits, as far as the disk lets it."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._unwritten or self._undeleted:
            await self._write_waiting()
        if self._again is not None:
            self._again.cancel()

    async def _end_oldest(self, user_id: int) -> None:
        rows = self.of(user_id)
        await self.end(*rows[: max(0, len(rows) - MOST_PER_PERSON + 1)])

    def find(self, secret: str) -> SessionRow | None:
        """Return the living session with this secret."""
        row = self._by_digest.get(digest(secret)) if secret else None
        return row if row is not None and row.expires_at > utcnow() else None

    def identify(self, secret: str, user_role: Callable[[int], tuple[str, Role] | None]) -> Identity | None:
        """Return who is logged in by this cookie."""
        row = self.find(secret)
        holder = user_role(row.user_id) if row else None
        if row is None or holder is None:
            return None
        return Identity(holder[0], holder[1], "session", credential(row.id), row.user_id, row.instance_id)

    def of(self, user_id: int) -> list[SessionRow]:
        """Return a person's sessions, oldest first."""
        return sorted(
            (row for row in self._by_digest.values() if row.user_id == user_id),
            key=lambda row: (row.created_at, row.id),
        )

    def get(self, user_id: int, number: int) -> SessionRow:
        """Return one session of a person. Raises NotFoundError."""
        for row in self.of(user_id):
            if row.id == number:
                return row
        raise NotFoundError("There is no such session; it may have ended already.")

    async def end(self, *rows: SessionRow) -> None:
        """End sessions, those handed over from them, and the sockets they opened."""
        ids = {row.id for row in rows}
        gone = [row for row in self._by_digest.values() if row.id in ids or row.parent_id in ids]
        if not gone:
            return
        numbers = [row.id for row in gone]
        for row in gone:
            self._by_digest.pop(row.digest, None)
        self._unwritten = [row for row in self._unwritten if row not in gone]
        try:
            await self._database.run(lambda s: s.execute(delete(SessionRow).where(SessionRow.id.in_(numbers))))
        except StorageError as error:
            log.warning("the end of a login is kept in memory: %s", error.message)
            self._undeleted |= set(numbers)
            self._write_later()
        self._revocations.revoke(*(credential(number) for number in numbers))


def credential(number: int) -> str:
    """Return what names a session among credentials."""
    return f"session {number}"
