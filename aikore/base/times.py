"""How moments are stored and shown."""

from __future__ import annotations

from datetime import UTC, datetime


def utcnow() -> datetime:
    """Return the time as it is stored: UTC without a zone, whole milliseconds."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def unix(moment: datetime | None) -> float:
    """Return a stored time in Unix seconds; 0 for none."""
    return moment.replace(tzinfo=UTC).timestamp() if moment else 0.0


def parse(text: str | None) -> datetime | None:
    """Return the time that :func:`stamp` wrote."""
    return datetime.fromisoformat(text).replace(tzinfo=None) if text else None


def stamp(moment: datetime | None) -> str | None:
    """Return a stored time in the form of RFC 3339."""
    return moment.isoformat(timespec="milliseconds") + "Z" if moment else None
