"""Tells open sockets that what let them in holds no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Revocations:
    """Wakes who waits for the end of a credential. Knows only credentials that somebody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, credential: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when ``credential`` is revoked."""
        event = asyncio.Event()
        self._waiting.setdefault(credential, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._waiting[credential]
            waiting.discard(event)
            if not waiting:
                del self._waiting[credential]

    def revoke(self, *credentials: str) -> None:
        """End what these let in."""
        for credential in credentials:
            for event in self._waiting.get(credential, ()):
                event.set()
