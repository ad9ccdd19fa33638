"""API tokens: made once, shown once, stored as digests; and the fixed ones of settings and of this machine."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from aikore.auth.digests import digest, new_token
from aikore.auth.identity import Identity
from aikore.auth.permissions import SCOPES, Role
from aikore.auth.revocations import Revocations
from aikore.auth.rows import TokenRow
from aikore.base.errors import ConflictError, NotFoundError
from aikore.base.times import utcnow
from aikore.database.engine import Database

MOST = 500
"""Tokens a house may have."""
HINT = 10
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token somebody asks for."""

    name: str
    scope: str
    instance_id: int | None = None
    days: int | None = None


class Tokens:
    """All API tokens, in memory; written through to the database."""

    def __init__(self, database: Database, revocations: Revocations) -> None:
        self._database = database
        self._revocations = revocations
        self._by_digest: dict[str, TokenRow] = {}
        self._fixed: dict[str, Identity] = {}
        self._used: set[int] = set()

    async def load(self) -> None:
        rows = await self._database.read(lambda s: list(s.scalars(select(TokenRow))))
        self._by_digest = {row.digest: row for row in rows}

    def fix(self, secret: str, identity: Identity) -> None:
        """Accept a secret that is not made here: of the settings, or of this machine."""
        self._fixed[digest(secret)] = identity

    def identify(self, secret: str, user_role: Callable[[int], tuple[str, Role] | None]) -> Identity | None:
        """Return who holds this token. ``user_role`` tells name and role of a person, None when gone."""
        if not secret:
            return None
        key = digest(secret)
        if fixed := self._fixed.get(key):
            return fixed
        row = self._by_digest.get(key)
        if row is None or (row.expires_at is not None and row.expires_at <= utcnow()):
            return None
        role = SCOPES[row.scope]
        if row.user_id is not None:
            holder = user_role(row.user_id)
            if holder is None:
                return None
            role = role if role.permissions <= holder[1].permissions else holder[1]
        self._note_use(row)
        return Identity(f"token {row.name}", role, "token", credential(row.id), row.user_id, row.instance_id)

    def _note_use(self, row: TokenRow) -> None:
        now = utcnow()
        if row.last_used_at is None or now - row.last_used_at > USE_NOTED_EVERY:
            row.last_used_at = now
            self._used.add(row.id)

    async def create(self, wanted: Wanted, user_id: int | None) -> tuple[TokenRow, str]:
        """Make a token; return its row and the token itself, which is never shown again. Raises ConflictError."""
        if len(self._by_digest) >= MOST:
            raise ConflictError(f"There are {MOST} tokens already. Revoke those that nobody uses.")
        token, now = new_token(), utcnow()
        row = TokenRow(
            name=wanted.name,
            digest=digest(token),
            hint=token[:HINT],
            user_id=user_id,
            scope=wanted.scope,
            instance_id=wanted.instance_id,
            created_at=now,
            expires_at=now + timedelta(days=wanted.days) if wanted.days else None,
            last_used_at=None,
        )
        await self._database.run(lambda s: s.add(row))
        self._by_digest[row.digest] = row
        return row, token

    def all(self) -> list[TokenRow]:
        return sorted(self._by_digest.values(), key=lambda row: row.id)

    def get(self, number: int) -> TokenRow:
        """Return a token's row. Raises NotFoundError."""
        for row in self._by_digest.values():
            if row.id == number:
                return row
        raise NotFoundError("There is no such token; it may have been revoked already.")

    async def revoke(self, *rows: TokenRow) -> None:
        """End tokens and the sockets they opened."""
        ids = [row.id for row in rows]
        await self._database.run(lambda s: s.execute(delete(TokenRow).where(TokenRow.id.in_(ids))))
        for row in rows:
            self._by_digest.pop(row.digest, None)
        self._revocations.revoke(*(credential(number) for number in ids))

    async def revoke_of(self, *, user_id: int | None = None, instance_id: int | None = None) -> None:
        """End the tokens of a person or of an instance that is gone."""
        await self.revoke(
            *(
                row
                for row in self.all()
                if (user_id is not None and row.user_id == user_id)
                or (instance_id is not None and row.instance_id == instance_id)
            )
        )

    async def keep_of_instances(self, present: AbstractSet[int]) -> None:
        """End the tokens of instances that are not among those present."""
        await self.revoke(
            *(row for row in self.all() if row.instance_id is not None and row.instance_id not in present)
        )

    async def write_uses(self) -> None:
        """Write down when tokens were last used; called now and then, for reading only."""
        used, self._used = self._used, set()
        times: list[tuple[int, datetime | None]] = [
            (row.id, row.last_used_at) for row in self._by_digest.values() if row.id in used
        ]
        if times:
            await self._database.run(
                lambda s: [s.execute(update(TokenRow).where(TokenRow.id == n).values(last_used_at=t)) for n, t in times]
            )


def credential(number: int) -> str:
    """Return what names a token among credentials."""
    return f"token {number}"
