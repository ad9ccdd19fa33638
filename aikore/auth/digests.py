"""Random secrets and the digests under which they are stored and found."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_PREFIX = "aik_"  # noqa: S105 — how a token begins, no token
"""Beginning of every API token: people and secret scanners know it by this."""


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """Return a new API token."""
    return TOKEN_PREFIX + new_secret()


def digest(secret: str) -> str:
    """Return what is stored of a secret. It is random, so a plain hash cannot be searched through."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare in a time that tells nothing about where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode("utf-8", "replace"))
