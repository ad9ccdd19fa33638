"""Topics, and the in-process bus that delivers what happens. Owns delivery; knows nothing of what is told.

Publishing never blocks: every subscriber has a bounded queue, and one that falls behind is told so
(``Subscription.overflowed``) instead of slowing the publisher. So nothing that must happen may rest on the bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Audience = frozenset[str]
"""Those who get the same of a topic: what they may, as far as it matters to the topic. Names of permissions."""


@dataclass(frozen=True)
class Projection(Generic[T]):
    """What an audience sees of a topic's data, where that is not all of it."""

    matters: frozenset[str]
    """The permissions on which it depends, besides the one that the topic needs."""
    show: Callable[[T, Audience], Any]


@dataclass(frozen=True, eq=False)
class Topic(Generic[T]):
    """One kind of thing that is told. Closed by default: without ``needs`` it leaves the manager for nobody."""

    name: str
    model: Any
    """What a reader gets: a type that pydantic understands. Tests hold what is sent against it."""
    needs: str | None = None
    """The permission of those who may know; None: nobody may."""
    projection: Projection[T] | None = None
    newest: Callable[[T], Hashable] | None = None
    """Of data with the same key, only the newest need reach a reader who has not got the others yet; None: all do."""
    instance: Callable[[T], int] | None = None
    """The instance the data are about, for readers of one instance; None: about none in particular."""

    def audience(self, permissions: AbstractSet[str]) -> Audience | None:
        """Return the audience of somebody who may all this; None when they may not know."""
        if self.needs is None or self.needs not in permissions:
            return None
        return self.projection.matters & permissions if self.projection else frozenset()

    def shown(self, data: T, audience: Audience) -> Any:
        """Return what an audience sees of the data."""
        return self.projection.show(data, audience) if self.projection else data


def whole(_: object) -> Hashable:
    """Be the key of data that are the whole of their topic: the newest replaces whatever was told before."""
    return None


@dataclass(frozen=True)
class Part(Generic[T]):
    """What a topic contributes to a snapshot, and under which key. Make it with :meth:`one` or :meth:`each`."""

    key: str
    topic: Topic[T]
    present: Callable[[], Iterable[T]]
    several: bool

    @classmethod
    def one(cls, key: str, topic: Topic[T], present: Callable[[], T]) -> Part[T]:
        """Contribute the topic's present data."""
        return cls(key, topic, lambda: (present(),), several=False)

    @classmethod
    def each(cls, key: str, topic: Topic[T], present: Callable[[], Iterable[T]]) -> Part[T]:
        """Contribute a list, each element as the topic tells of it."""
        return cls(key, topic, present, several=True)

    def shown(self, audience: Audience, concerns: Callable[[T], bool]) -> Any:
        """Return what an audience sees of the present, as far as it ``concerns`` them."""
        seen = [self.topic.shown(data, audience) for data in self.present() if concerns(data)]
        return seen if self.several else next(iter(seen), None)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One thing that happened. ``seq`` counts every event of this manager, from 1, without gaps."""

    seq: int
    topic: Topic[Any]
    data: Any
    key: Hashable
    """Equal for events of which only the newest need be delivered."""
    _texts: dict[Hashable, str] = field(default_factory=dict, repr=False)

    def text(self, audience: Hashable, encode: Callable[[], str]) -> str:
        """Return the text for an audience, encoded for the first of its readers only."""
        text = self._texts.get(audience)
        if text is None:
            text = self._texts[audience] = encode()
        return text


def everything(_: Event) -> bool:
    return True


@dataclass(slots=True, eq=False)
class Subscription:
    """One reader's bounded queue. After an overflow the queue is empty and stays so until :meth:`reset`."""

    size: int
    wants: Callable[[Event], bool] = everything
    coalesce: bool = False
    """Whether an event takes the place of a waiting one with the same key. It moves behind what came in between."""
    overflowed: bool = False
    _waiting: dict[Hashable, Event] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, event: Event) -> None:
        if self.overflowed or not self.wants(event):
            return
        key = event.key if self.coalesce else event.seq
        self._waiting.pop(key, None)
        if len(self._waiting) < self.size:
            self._waiting[key] = event
        else:
            self.overflowed = True
            self._waiting.clear()
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Nothing waits."""
        return not self._waiting and not self.overflowed

    async def next(self) -> Event | None:
        """Return the next event, or None when events were lost and the reader must look at the whole again."""
        found = await self.several(1)
        return found[0] if found else None

    async def several(self, most: int) -> list[Event]:
        """Return the next events, up to ``most``; none when events were lost, as in :meth:`next`."""
        while self.idle:
            self._wake.clear()
            await self._wake.wait()
        taken = list(islice(self._waiting.items(), most))
        for key, _ in taken:
            del self._waiting[key]
        return [event for _, event in taken]

    def reset(self) -> None:
        """Forget the overflow; events from now on are delivered again."""
        self._waiting.clear()
        self.overflowed = False


class Bus:
    """Numbered events and their subscribers. Use from the event loop's thread only."""

    def __init__(self) -> None:
        self.seq = 0
        self._latest: dict[Topic[Any], Any] = {}
        self._subscriptions: set[Subscription] = set()

    def publish(self, topic: Topic[T], data: T) -> None:
        """Hand ``data`` to every subscriber. They stay as they are from now on: nobody may change them."""
        self.seq += 1
        key = self.seq if topic.newest is None else (topic, topic.newest(data))
        event = Event(self.seq, topic, data, key)
        if topic.newest is whole:
            self._latest[topic] = data
        for subscription in self._subscriptions:
            subscription.offer(event)

    def latest(self, topic: Topic[T], none_yet: T) -> T:
        """Return the newest data of a topic whose data are the :func:`whole` of it."""
        found: T = self._latest.get(topic, none_yet)
        return found

    @contextmanager
    def subscribe(
        self, size: int = 512, wants: Callable[[Event], bool] = everything, coalesce: bool = False
    ) -> Iterator[Subscription]:
        """Receive events published from now on, until the block ends."""
        subscription = Subscription(size, wants, coalesce)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
