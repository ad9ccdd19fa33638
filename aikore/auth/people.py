"""The people of the house and the invitations to it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aikore.auth.digests import digest, new_secret
from aikore.auth.permissions import Role, role_of
from aikore.auth.rows import InviteRow, UserRow
from aikore.base.errors import ConflictError, ForbiddenError, NameTakenError, NotFoundError
from aikore.base.times import utcnow
from aikore.database.engine import Database
from aikore.naming import clean_name, name_key

INVITE_DAYS = 7
MOST = 200
"""People, and open invitations, a house may have."""


class People:
    """All users and invites, in memory; written through to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._users: dict[int, UserRow] = {}
        self._invites: dict[int, InviteRow] = {}

    async def load(self) -> None:
        users, invites = await self._database.read(
            lambda s: (list(s.scalars(select(UserRow))), list(s.scalars(select(InviteRow))))
        )
        for row in users:
            row.name_key = name_key(row.name)
        self._users = {row.id: row for row in users}
        self._invites = {row.id: row for row in invites}

    @property
    def owner(self) -> UserRow | None:
        return next((row for row in self._users.values() if row.role == Role.OWNER.word), None)

    def all(self) -> list[UserRow]:
        return list(self._users.values())

    def get(self, number: int) -> UserRow:
        """Return a person. Raises NotFoundError."""
        if number not in self._users:
            raise NotFoundError("There is no such person; they may have been removed already.")
        return self._users[number]

    def named(self, name: str) -> UserRow | None:
        """Return who is called that; of people whose names look alike (from before that was refused) the exact one."""
        name, key = name.strip(), name_key(name)
        alike = [row for row in self._users.values() if row.name_key == key]
        return next((row for row in alike if row.name == name), alike[0] if alike else None)

    def role(self, number: int) -> tuple[str, Role] | None:
        """Return a person's name and role, None when they are gone."""
        row = self._users.get(number)
        return (row.name, role_of(row.role)) if row else None

    async def add(self, name: str, role: Role, password_hash: str, invite: InviteRow | None = None) -> UserRow:
        """Let somebody in for good. Raises InvalidNameError, NameTakenError, ConflictError."""
        name = clean_name(name)
        if self.named(name) is not None:
            raise NameTakenError(f"Somebody is called {name!r} already. Choose another name.")
        if len(self._users) >= MOST:
            raise ConflictError(f"There are {MOST} people already.")
        row = UserRow(name=name, name_key=name_key(name), role=role.word, password=password_hash, created_at=utcnow())

        def work(session: Session) -> None:
            session.add(row)
            if invite is not None:
                session.execute(delete(InviteRow).where(InviteRow.id == invite.id))

        await self._database.run(work)
        self._users[row.id] = row
        if invite is not None:
            self._invites.pop(invite.id, None)
        return row

    async def change(self, row: UserRow, **values: str) -> None:
        """Change a person's ``role``, ``password`` (its hash) or ``name``. Raises NameTakenError."""
        if "name" in values:
            values["name"] = clean_name(values["name"])
            values["name_key"] = name_key(values["name"])
            other = self.named(values["name"])
            if other is not None and other.id != row.id:
                raise NameTakenError(f"Somebody is called {values['name']!r} already. Choose another name.")
        await self._database.run(lambda s: s.execute(update(UserRow).where(UserRow.id == row.id).values(**values)))
        for key, value in values.items():
            setattr(row, key, value)

    async def remove(self, row: UserRow) -> None:
        """Take a person out of the house. The owner stays. Raises ForbiddenError."""
        if row.role == Role.OWNER.word:
            raise ForbiddenError("The owner cannot be removed.")
        await self._database.run(lambda s: s.execute(delete(UserRow).where(UserRow.id == row.id)))
        self._users.pop(row.id, None)

    # Invitations ----------------------------------------------------------------------------------------------

    def invites(self) -> list[InviteRow]:
        """Return the invitations that can still be used."""
        return [row for row in self._invites.values() if row.expires_at > utcnow()]

    async def invite(self, role: Role, by: str) -> tuple[InviteRow, str]:
        """Make an invitation; return its row and its secret, which is never shown again. Raises ConflictError."""
        if len(self.invites()) >= MOST:
            raise ConflictError(f"There are {MOST} open invitations already. Withdraw some.")
        secret, now = new_secret(), utcnow()
        row = InviteRow(
            digest=digest(secret),
            role=role.word,
            created_by=by,
            created_at=now,
            expires_at=now + timedelta(days=INVITE_DAYS),
        )
        await self._database.run(lambda s: s.add(row))
        self._invites[row.id] = row
        return row, secret

    def invited(self, secret: str) -> InviteRow:
        """Return the invitation with this secret. Raises NotFoundError."""
        key = digest(secret)
        for row in self.invites():
            if row.digest == key:
                return row
        raise NotFoundError("This invitation is used up or too old. Ask for a new one.")

    async def withdraw(self, number: int) -> None:
        """Make an invitation useless. Raises NotFoundError."""
        row = self._invites.get(number)
        if row is None:
            raise NotFoundError("There is no such invitation; it may be used up already.")
        await self._database.run(lambda s: s.execute(delete(InviteRow).where(InviteRow.id == number)))
        self._invites.pop(number, None)
