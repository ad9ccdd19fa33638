"""Who comes in: checks what a request presents and lets people log in. The only one who decides that."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress

from aikore.auth import passwords
from aikore.auth.audit import Audit, AuditRecord
from aikore.auth.codes import Codes
from aikore.auth.credentials import Headers, Presented, read
from aikore.auth.digests import digest, same
from aikore.auth.identity import ANYBODY, Identity
from aikore.auth.people import People
from aikore.auth.permissions import Role, role_of
from aikore.auth.revocations import Revocations
from aikore.auth.rows import SessionRow, UserRow
from aikore.auth.secret_files import SecretFiles
from aikore.auth.sessions import LoginSessions
from aikore.auth.throttle import Throttle, address_key
from aikore.auth.tokens import Tokens
from aikore.base.errors import ConflictError, SlowDownError, StorageError, WrongCredentialError
from aikore.config.access import AccessSettings, AuthMode
from aikore.database.engine import Database
from aikore.naming import clean_name

log = logging.getLogger(__name__)

OWNER_NAME = "owner"
"""Name of the owner whose password comes from ``AIKORE_PASSWORD``."""

MACHINE = Identity("this machine", Role.OWNER, "machine")
"""Who can read the secrets folder: the command line, run by the same user."""


class Gate:
    """The house's doorkeeper."""

    def __init__(self, settings: AccessSettings, database: Database) -> None:
        self.settings = settings
        self.secrets = SecretFiles(settings.secrets_dir)
        self.revocations = Revocations()
        self.people = People(database)
        self.sessions = LoginSessions(database, self.revocations, settings.session_days)
        self.tokens = Tokens(database, self.revocations)
        self.audit = Audit(database, settings.audit_keep)
        self.links = Codes(seconds=600)
        """Login links made on this machine."""
        self.handovers = Codes(seconds=30)
        """On their way from the dashboard to an instance's own address."""
        self._throttle = Throttle()
        self._cookie_name = ""

    # Start ----------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the secrets; before the door opens. Raises StartupError."""
        self.secrets.prepare()
        self._cookie_name = f"aikore_{digest(self.secrets.get('name'))[:8]}"

    async def load(self) -> None:
        """Read who belongs here and apply the settings."""
        await self.people.load()
        await self.sessions.load()
        await self.tokens.load()
        self.tokens.fix(self.secrets.get("machine.token"), MACHINE)
        if token := self.settings.token.get_secret_value():
            self.tokens.fix(token, Identity("AIKORE_TOKEN", Role.ADMIN, "token", "AIKORE_TOKEN"))
        if password := self.settings.password.get_secret_value():
            await self._apply_password(password)
        self.audit.begin()

    async def _apply_password(self, password: str) -> None:
        """Give the owner the password of the settings; other sessions of theirs end when it is a new one."""
        passwords.require_strength(password)
        owner = self.people.owner
        if owner is None:
            await self.people.add(OWNER_NAME, Role.OWNER, await passwords.make_hash(password))
        elif not await passwords.matches(password, owner.password or None):
            await self.people.change(owner, password=await passwords.make_hash(password))
            await self.sessions.end(*self.sessions.of(owner.id))

    async def close(self) -> None:
        """Write what is still to be written."""
        await self.sessions.close()
        with suppress(StorageError):
            await self.tokens.write_uses()
        await self.audit.close()

    # Looking at requests --------------------------------------------------------------------------------------

    @property
    def on(self) -> bool:
        return self.settings.auth is AuthMode.ON

    @property
    def cookie_name(self) -> str:
        """Name of the session cookie, this house's own: cookies do not tell ports apart (RFC 6265, 8.5)."""
        return self._cookie_name

    @property
    def needs_setup(self) -> bool:
        """Nobody can log in yet."""
        return self.on and self.people.owner is None

    def read(self, headers: Headers) -> Presented:
        """Return what a request carries."""
        return read(headers, self._cookie_name)

    def identify(self, presented: Presented) -> Identity | None:
        """Return who this is, None for a stranger. A token that is named goes before a cookie."""
        if not self.on:
            return ANYBODY
        roles = self.people.role
        return (
            self.tokens.identify(presented.token, roles)
            or self.tokens.identify(presented.authorization, roles)
            or self.sessions.identify(presented.cookie, roles)
            or self._by_header(presented.remote_user)
        )

    def _by_header(self, name: str) -> Identity | None:
        """Return whom a trusted proxy names. NGINX passes the header on from such a proxy only."""
        if not name or not self.settings.auth_header:
            return None
        row = self.people.named(name)
        if row is not None:
            return Identity(row.name, role_of(row.role), "header", user_id=row.id)
        word = self.settings.auth_header_role
        return Identity(name[:80], role_of(word), "header") if word != "none" else None

    def token_is_ours(self, presented: Presented) -> bool:
        """Say whether ``Authorization`` carries a token of AiKore, which no app may see."""
        return self.tokens.identify(presented.authorization, self.people.role) is not None

    # Letting in -----------------------------------------------------------------------------------------------

    async def log_in(self, name: str | None, password: str, presented: Presented, agent: str) -> tuple[SessionRow, str]:
        """Check a password and begin a session. Raises WrongCredentialError, SlowDownError."""
        user = self.people.named(name) if name else self.people.owner
        keys = self._keys(user, name, presented.address)
        self._refuse_haste(keys)
        if not await passwords.matches(password, user.password if user and user.password else None):
            self._throttle.failed(*keys)
            self._note("log_in", user.name if user else (name or ""), presented, 401)
            raise WrongCredentialError("Name and password do not belong together. Try again.")
        assert user is not None
        self._throttle.succeeded(*keys)
        return await self._open(user, "log_in", presented, agent)

    def _keys(self, user: UserRow | None, name: str | None, address: str) -> tuple[str, ...]:
        """Return what failures are counted by: the address, and the account for addresses it never came from.

        So a stranger who hammers on an account slows strangers down, not its owner at home.
        """
        by_address = address_key(address)
        if user is not None and any(row.address == address for row in self.sessions.of(user.id)):
            return (by_address,)
        return by_address, f"account {user.name_key if user else (name or '')[:80].casefold()}"

    def _refuse_haste(self, keys: Iterable[str]) -> None:
        if wait := self._throttle.wait(*keys):
            raise SlowDownError(
                f"Too many failed attempts. Wait {wait:.0f} s and try again.", retry_after=max(1, round(wait + 0.5))
            )

    async def set_up(
        self, setup: str, name: str, password: str, presented: Presented, agent: str
    ) -> tuple[SessionRow, str]:
        """Make the owner. Raises WrongCredentialError, ConflictError, InvalidNameError, WeakPasswordError."""
        keys = (address_key(presented.address), "setup")
        self._refuse_haste(keys)
        if not self.needs_setup:
            raise ConflictError("AiKore has an owner already. Log in.")
        if not same(setup, self.setup_token()):
            self._throttle.failed(*keys)
            self._note("set_up", "", presented, 401)
            raise WrongCredentialError("This is not the link AiKore printed at its start. Copy the whole of it.")
        return await self._open(await self.make_owner(name, password), "set_up", presented, agent)

    async def make_owner(self, name: str | None, password: str) -> UserRow:
        """Make the owner; the setup link is used up. Raises ConflictError, InvalidNameError, WeakPasswordError."""
        name = clean_name(name or OWNER_NAME)
        passwords.require_strength(password)
        hashed = await passwords.make_hash(password)
        if not self.needs_setup:
            raise ConflictError("AiKore has an owner already. Log in.")
        user = await self.people.add(name, Role.OWNER, hashed)
        self.secrets.forget("setup.token")
        return user

    def setup_token(self) -> str:
        """Return the secret of the link that is printed at the first start."""
        return self.secrets.get("setup.token")

    async def join(
        self, invite: str, name: str, password: str, presented: Presented, agent: str
    ) -> tuple[SessionRow, str]:
        """Take up an invitation. Raises NotFoundError, NameTakenError, InvalidNameError, WeakPasswordError."""
        keys = (address_key(presented.address),)
        self._refuse_haste(keys)
        try:
            row = self.people.invited(invite)
        except Exception:
            self._throttle.failed(*keys)
            raise
        clean_name(name)
        passwords.require_strength(password)
        hashed = await passwords.make_hash(password)
        user = await self.people.add(name, role_of(row.role), hashed, self.people.invited(invite))
        return await self._open(user, "join", presented, agent)

    async def follow_link(self, link: str, presented: Presented, agent: str) -> tuple[SessionRow, str]:
        """Log in by a link that was made on this machine. Raises WrongCredentialError, SlowDownError."""
        keys = (address_key(presented.address),)
        self._refuse_haste(keys)
        found = self.links.take(link)
        user = self.people.owner
        if found is None or user is None:
            self._throttle.failed(*keys)
            raise WrongCredentialError("This link is used up or too old. Make a new one with `aikore login`.")
        return await self._open(user, "follow_link", presented, agent)

    async def _open(self, user: UserRow, action: str, presented: Presented, agent: str) -> tuple[SessionRow, str]:
        """Begin a session with a new secret, whatever cookie came along (no fixation)."""
        self._note(action, user.name, presented, 200)
        if (old := self.sessions.find(presented.cookie)) is not None:
            await self.sessions.end(old)
        return await self.sessions.open(user.id, presented.address, agent)

    def _note(self, action: str, name: str, presented: Presented, status: int) -> None:
        self.audit.note(AuditRecord(name, "session", presented.address, action, "", status))

    def end_sockets(self, user: UserRow) -> None:
        """Close what a person has open, so that it comes back with the role they have now."""
        sessions = (f"session {row.id}" for row in self.sessions.of(user.id))
        tokens = (f"token {row.id}" for row in self.tokens.all() if row.user_id == user.id)
        self.revocations.revoke(*sessions, *tokens)

    async def remove(self, user: UserRow) -> None:
        """Take a person out of the house, with sessions and tokens. Raises ForbiddenError for the owner."""
        await self.people.remove(user)
        await self.sessions.end(*self.sessions.of(user.id))
        await self.tokens.revoke_of(user_id=user.id)

    async def set_password(self, user: UserRow, password: str, keep: str = "") -> None:
        """Change a password; all sessions but ``keep`` (a credential) end. Raises WeakPasswordError."""
        passwords.require_strength(password)
        await self.people.change(user, password=await passwords.make_hash(password))
        rows = [row for row in self.sessions.of(user.id) if f"session {row.id}" != keep]
        await self.sessions.end(*rows)
