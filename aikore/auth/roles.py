"""Who may do what: four roles, and the scopes of tokens, which are roles by another name. Pure."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """What a person or a token may do; each may do what the lower ones may."""

    VIEWER = 1
    """Sees instances, logs and figures; looks at apps without sending anything to them."""
    OPERATOR = 2
    """Starts and stops instances and works in them."""
    ADMIN = 3
    """Makes, changes and removes instances, scripts and blueprints; invites people."""
    OWNER = 4
    """The person whose machine it is; the only one who changes admins."""

    @property
    def word(self) -> str:
        return self.name.lower()


SCOPES = {"read": Role.VIEWER, "operate": Role.OPERATOR, "admin": Role.ADMIN}
"""Scopes of API tokens."""


def role_of(word: str) -> Role:
    """Return the role with this name. Raises ValueError."""
    try:
        return Role[word.upper()]
    except KeyError:
        raise ValueError(f"{word!r} is no role; there are viewer, operator, admin and owner") from None
