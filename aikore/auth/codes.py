"""Codes that are good once and for a short while; in memory, because a new one is quickly made."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from aikore.auth.digests import digest, new_secret

MOST = 1000


class Codes:
    """One-time codes, each with what it stands for."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def make(self, meaning: Any) -> str:
        """Return a new code for ``meaning``; the oldest go when there are too many."""
        code = new_secret()
        self._kept[digest(code)] = (self._clock() + self._seconds, meaning)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return code

    def take(self, code: str) -> Any | None:
        """Return what a code stands for and use it up; None when it is unknown, used or too old."""
        until, meaning = self._kept.pop(digest(code), (0.0, None))
        return meaning if until > self._clock() else None
