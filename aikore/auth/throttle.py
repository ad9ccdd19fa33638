"""Slows down whoever guesses: after a few failures every further one doubles the wait. Bounded memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5
"""Failures that cost nothing: people mistype."""
QUIET = 900.0
"""Seconds without a failure after which all is forgiven."""
MOST_KEYS = 10_000
LONGEST_WAIT = 60.0
"""Seconds; short, because the right person may be the one who waits."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0

    def wait(self, now: float) -> float:
        if self.failures < FREE:
            return 0.0
        return max(0.0, self.last + min(2.0 ** (self.failures - FREE), LONGEST_WAIT) - now)


class Throttle:
    """Counts failures by key: an address, or an account."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, *keys: str) -> float:
        """Return the seconds until another attempt is looked at; 0: now."""
        now = self._clock()
        return max((self._records[key].wait(now) for key in keys if key in self._records), default=0.0)

    def failed(self, *keys: str) -> None:
        """Count a failed attempt."""
        now = self._clock()
        for key in keys:
            record = self._records.setdefault(key, _Record())
            if now - record.last > QUIET:
                record.failures = 0
            record.failures += 1
            record.last = now
            self._records.move_to_end(key)
        while len(self._records) > MOST_KEYS:
            self._records.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        """Forget the failures of these."""
        for key in keys:
            self._records.pop(key, None)


def address_key(address: str) -> str:
    """Return what stands for an address: itself, or its /64 where one house has a whole network (IPv6)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"address {address[:64]}"
    if parsed.version == 6:
        return f"network {ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address {parsed}"
