"""What this room takes and gives as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from aikore.auth.permissions import Permission
from aikore.base.times import stamp

Moment = Annotated[datetime, PlainSerializer(stamp, return_type=str, when_used="json-unless-none")]
"""A stored time, shown in the form of RFC 3339."""
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=256)]
RoleName = Literal["viewer", "creator", "operator", "admin", "owner"]
GivenRole = Literal["viewer", "creator", "operator", "admin"]
Scope = Literal["read", "create", "operate", "admin"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Status(BaseModel):
    """Whether a login is needed and who is logged in."""

    auth: Literal["on", "off"]
    setup: bool = Field(description="Nobody can log in yet: the first person sets AiKore up.")
    names: bool = Field(description="More than one person belongs here, so a login needs a name.")
    identity: Me | None
    permissions: list[Permission] = Field(description="What who is logged in may do, by name.")


class Me(BaseModel):
    """Who is logged in, and how."""

    name: str
    role: RoleName
    via: Literal["session", "token", "header", "machine", "open"]


class Login(_Strict):
    """Either a password (``name`` may be left out for the owner), or the secret of a login link."""

    name: PersonName | None = None
    password: Password | None = None
    link: Secret | None = None


class Setup(_Strict):
    """The first person. ``setup`` is the secret of the printed link."""

    setup: Secret
    name: PersonName = "owner"
    password: Password


class Join(_Strict):
    """Somebody who was invited."""

    invite: Secret
    name: PersonName
    password: Password


class PasswordChange(_Strict):
    """A new password. ``old`` is needed unless this machine asks."""

    old: Password | None = None
    new: Password
    name: PersonName | None = Field(None, description="Whose, where this machine asks; the owner's when left out.")


class Session(BaseModel):
    """A browser that is logged in."""

    id: int
    address: str
    agent: str
    created_at: Moment
    expires_at: Moment
    current: bool


class Token(BaseModel):
    """An API token without its secret."""

    id: int
    name: str
    hint: str = Field(description="How it begins.")
    scope: Scope
    instance: int | None
    owner: str | None
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None


class TokenCreate(_Strict):
    """A token to make. It never may more than who makes it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    scope: Scope = "read"
    instance: str | None = Field(None, max_length=80, description="Id or slug of the only instance it is good for.")
    days: int | None = Field(None, ge=1, le=3650, description="Days until it ends; null: never.")


class NewToken(Token):
    """A token as it is shown once."""

    token: str


class Person(BaseModel):
    """Somebody who belongs to the house."""

    id: int
    name: str
    role: RoleName
    created_at: Moment
    sessions: int


class PersonChange(_Strict):
    """What to change of a person."""

    role: GivenRole


class Invite(BaseModel):
    """An open invitation."""

    id: int
    role: GivenRole
    created_by: str
    created_at: Moment
    expires_at: Moment


class InviteCreate(_Strict):
    """Whom to invite."""

    role: GivenRole = "viewer"


class NewInvite(Invite):
    """An invitation as it is shown once; ``url`` is the link to send."""

    secret: str
    url: str


class Link(BaseModel):
    """A link that logs in once."""

    url: str


class AuditEntry(BaseModel):
    """One change. ``status`` is that of the HTTP answer."""

    id: int
    time: Moment
    who: str
    via: str
    address: str
    action: str
    target: str
    status: int
    detail: str


Status.model_rebuild()
