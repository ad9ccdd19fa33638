"""Versions of texts in HTTP: ``ETag`` says which one was read, ``If-Match`` which one somebody edited (RFC 9110)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

IfMatch = Annotated[str | None, Header(alias="If-Match", description="The version that was read, or `*`.")]


def version_in(if_match: str | None) -> str | None:
    """Return the version that a request expects, ``*`` for any; None where it says nothing."""
    return None if if_match is None else if_match.strip().removeprefix("W/").strip('"')


def etag(version: str) -> str:
    """Return a version as the value of ``ETag``."""
    return f'"{version}"'
