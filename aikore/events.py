"""The in-process bus. Owns delivery of events between rooms; knows nothing of what they mean.

Publishing never blocks: every subscriber has a bounded queue, and one that falls behind is told so
(``Subscription.overflowed``) instead of slowing the publisher.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

NOTICES_KEPT = 100


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``seq`` counts every event of this manager, from 1, without gaps."""

    seq: int
    topic: str
    data: Any


@dataclass(slots=True, eq=False)
class Subscription:
    """One reader's bounded queue. After an overflow the queue is empty and stays so until :meth:`reset`."""

    size: int
    overflowed: bool = False
    _queue: asyncio.Queue[Event] = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._queue = asyncio.Queue(self.size)

    def offer(self, event: Event) -> None:
        if self.overflowed:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overflowed = True
            self._drop()
        self._wake.set()

    async def next(self) -> Event | None:
        """Return the next event, or None when events were lost and the reader must look at the whole again."""
        while not self.overflowed and self._queue.empty():
            self._wake.clear()
            await self._wake.wait()
        return None if self.overflowed else self._queue.get_nowait()

    def reset(self) -> None:
        """Forget the overflow; events from now on are delivered again."""
        self._drop()
        self.overflowed = False

    def _drop(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()


class Bus:
    """Topics, numbered events and their subscribers. Use from the event loop's thread only."""

    def __init__(self) -> None:
        self.seq = 0
        self.latest: dict[str, Any] = {}
        """The newest data of every topic, for those who come later."""
        self.notices: deque[dict[str, Any]] = deque(maxlen=NOTICES_KEPT)
        """The newest notices, the oldest of them first."""
        self._subscriptions: set[Subscription] = set()

    def publish(self, topic: str, data: Any) -> Event:
        """Hand ``data`` to every subscriber and return the numbered event."""
        self.seq += 1
        event = Event(self.seq, topic, data)
        self.latest[topic] = data
        for subscription in self._subscriptions:
            subscription.offer(event)
        return event

    def notice(self, level: str, message: str) -> None:
        """Tell people something they did not ask for. ``level``: ``info``, ``warning`` or ``error``."""
        notice = {"level": level, "message": message, "at": round(time.time(), 3)}
        self.notices.append(notice)
        self.publish("notice", notice)

    @contextmanager
    def subscribe(self, size: int = 512) -> Iterator[Subscription]:
        """Receive events published from now on, until the block ends."""
        subscription = Subscription(size)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
