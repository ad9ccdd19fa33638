"""Passwords: argon2id (RFC 9106) by argon2-cffi, in threads and few at a time, because each takes 64 MiB."""

from __future__ import annotations

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from aikore.base.errors import InvalidError

SHORTEST, LONGEST = 8, 256
AT_ONCE = 2

_hasher = PasswordHasher()
_slots = asyncio.Semaphore(AT_ONCE)


@cache
def _nobody() -> str:
    """Return what is checked where there is no such account, so that the time of the answer does not tell names."""
    return _hasher.hash("nobody has this password")


class WeakPasswordError(InvalidError):
    code = "weak_password"


def require_strength(password: str) -> None:
    """Raise WeakPasswordError for a password that is too short or too long."""
    if len(password) < SHORTEST:
        raise WeakPasswordError(f"The password has {len(password)} characters; it needs at least {SHORTEST}.")
    if len(password) > LONGEST:
        raise WeakPasswordError(f"The password has {len(password)} characters; {LONGEST} are possible.")


async def make_hash(password: str) -> str:
    """Return the hash that is stored."""
    async with _slots:
        return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Say whether this is the password; takes as long when there is none to compare with."""
    async with _slots:
        found = await asyncio.to_thread(lambda: _verify(stored or _nobody(), password))
    return found and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (Argon2Error, InvalidHashError):
        return False
