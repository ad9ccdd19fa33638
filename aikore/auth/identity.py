"""Who a request comes from, once its credential has been checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from aikore.auth.permissions import Permission, Permissions, Role

Via = Literal["session", "token", "header", "machine", "open"]
"""A login, an API token, a trusted header, this machine's own secret, or no login at all."""

SCOPE_KEY = "aikore.identity"
"""Where the guard leaves the identity in an ASGI scope."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was let in. ``credential`` names what let them in, so that it can be revoked."""

    name: str
    role: Role
    via: Via
    credential: str = ""
    user_id: int | None = None
    instance: int | None = None
    """The only instance this credential is good for; None: the whole house."""

    @property
    def permissions(self) -> Permissions:
        return self.role.permissions

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "role": self.role.word, "via": self.via}


ANYBODY = Identity("anybody", Role.OWNER, "open")
"""Everyone, where ``AIKORE_AUTH=off``."""


def identity_in(scope: Any) -> Identity:
    """Return whom the guard let in; for routes behind it."""
    found = scope.get(SCOPE_KEY)
    assert isinstance(found, Identity), "a route that is open without a login asked who is there"
    return found
