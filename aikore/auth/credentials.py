"""Reads what a request carries to prove who it is. Pure; checks nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[bytes, bytes]]
LONGEST = 4096
"""Characters a credential may have; a longer one is none."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request carries. ``doubled``: it holds two cookies of our name, which count as none."""

    cookie: str = ""
    authorization: str = ""
    """The token in ``Authorization``: the Bearer value, or the password of Basic."""
    token: str = ""
    """The token in ``X-AiKore-Token``."""
    remote_user: str = ""
    address: str = ""
    doubled: bool = False


def read(headers: Headers, cookie_name: str) -> Presented:
    """Return what the headers of a request carry."""
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value.decode("latin-1"))

    def only(name: bytes) -> str:
        values = found.get(name, [])
        return values[0].strip() if len(values) == 1 and len(values[0]) <= LONGEST else ""

    cookies = _cookies(found.get(b"cookie", []), cookie_name)
    return Presented(
        cookie=cookies[0] if len(cookies) == 1 else "",
        authorization=_authorization(only(b"authorization")),
        token=only(b"x-aikore-token"),
        remote_user=only(b"x-aikore-remote-user").encode("latin-1").decode("utf-8", "replace"),
        address=only(b"x-real-ip"),
        doubled=len(cookies) > 1,
    )


def _cookies(headers: list[str], name: str) -> list[str]:
    """Return the values of every cookie of this name (RFC 6265, 4.2.1: pairs separated by semicolons)."""
    pairs = (pair.strip().partition("=") for header in headers for pair in header.split(";"))
    return [value for key, equals, value in pairs if key == name and equals and len(value) <= LONGEST]


def _authorization(value: str) -> str:
    """Return the token of ``Authorization`` (RFC 6750 Bearer; RFC 7617 Basic with the token as the password)."""
    scheme, _, rest = value.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
