"""The `/api/events` socket: first a snapshot, then numbered changes; a slow client is resynchronised, never skipped.

Knows no topic by name: a topic says who may have what of it (:class:`aikore.base.events.Topic`), rooms say what a
snapshot is made of (:class:`aikore.base.events.Part`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic_core import to_json

from aikore.auth.access import needs
from aikore.auth.identity import identity_in
from aikore.auth.permissions import Permission
from aikore.base.errors import NotFoundError
from aikore.base.events import Audience, Bus, Event, Part, Topic
from aikore.base.rooms import Room
from aikore.base.websocket_server import send_texts
from aikore.base.websockets import NOT_FOUND, Removals, close, until_gone, until_one_ends
from aikore.naming import with_host

SEND_TIMEOUT = 30.0
"""Seconds a client may take to accept one message, or a few small ones, before it is let go."""

PACE = 0.05
"""Seconds between two looks at what waits for a viewer while there is a stream of changes: those that come within this
time go out together, and what was overtaken by then does not go out at all. All viewers look at the same moments, so
many of them wake the manager no more often than one."""

AT_ONCE, RECOVERY = 3, 0.25
"""Changes after a rest that go out at once, one by one, as what a person does makes them; and the seconds after which
there may be one more."""

TOGETHER = 32
"""Changes sent in one write; what asyncio takes before it makes the sender wait holds about as many."""

WAITING_MOST = 512
"""Changes that may wait for a viewer; one who is further behind begins anew."""

InstanceId = Callable[[str], int]


def _encode(data: Any) -> str:
    return to_json(data, inf_nan_mode="constants").decode()


class Viewer:
    """What one socket may see: closed by default, decided by what its identity may and by the instance it is about."""

    def __init__(self, permissions: AbstractSet[str], host: str = "", instance: int | None = None) -> None:
        """``host``: the client's Host header. ``instance``: the only one it is told of; None: it is told of all."""
        self._permissions = permissions
        self._host = host
        self._instance = instance
        self._audiences: dict[Topic[Any], Audience | None] = {}

    def wants(self, event: Event) -> bool:
        """Say whether an event is for this viewer."""
        return self._audience(event.topic) is not None and self._concerns(event.topic, event.data)

    def change(self, event: Event) -> str:
        """Return a wanted event's part of a message, encoded once for all viewers who get the same."""
        audience = self._audience(event.topic)
        assert audience is not None, "only what a viewer wants is shown"
        return event.text((audience, self._host), lambda: self._encoded(event, audience))

    def messages(self, events: Sequence[Event], seq: int) -> list[str]:
        """Return the messages of wanted events; ``seq`` is the number of the message before them."""
        numbered = enumerate(events, seq + 1)
        return [f'{{"type":"change","seq":{number},{self.change(event)}}}' for number, event in numbered]

    def snapshot(self, parts: Sequence[Part[Any]]) -> str:
        """Return the present as this viewer may see it. Parts that are not theirs are left out."""
        data = {
            part.key: part.shown(audience, partial(self._concerns, part.topic))
            for part in parts
            if (audience := self._audience(part.topic)) is not None
            and (self._instance is None or part.topic.instance is not None)
        }
        return with_host(_encode(data), self._host)

    def _audience(self, topic: Topic[Any]) -> Audience | None:
        if topic not in self._audiences:
            self._audiences[topic] = topic.audience(self._permissions)
        return self._audiences[topic]

    def _concerns(self, topic: Topic[Any], data: Any) -> bool:
        return self._instance is None or (topic.instance is not None and topic.instance(data) == self._instance)

    def _encoded(self, event: Event, audience: Audience) -> str:
        data = _encode(event.topic.shown(event.data, audience))
        return with_host(f'"topic":{_encode(event.topic.name)},"data":{data}', self._host)


def make(bus: Bus, parts: Sequence[Part[Any]], instance_id: InstanceId, removals: Removals) -> Room:
    """The socket that tells pages what happens. ``parts`` are those of all rooms, in their order."""
    return Room(routes=router(bus, parts, instance_id).routes, on_removed=[removals.tell])


def router(bus: Bus, parts: Sequence[Part[Any]], instance_id: InstanceId) -> APIRouter:
    """Build the routes. ``parts`` are what a snapshot is made of, in their order."""
    routes = APIRouter()

    async def serve(socket: WebSocket, instance: int | None) -> None:
        identity = identity_in(socket.scope)
        host = socket.headers.get("x-forwarded-host") or socket.headers.get("host", "")
        only = identity.instance if instance is None else instance
        viewer = Viewer(identity.permissions, host, only)
        await until_one_ends(send(socket, bus, parts, viewer), until_gone(socket))

    @routes.websocket("/api/events", dependencies=needs(Permission.INSTANCES_VIEW))
    async def events(socket: WebSocket) -> None:
        await socket.accept()
        await serve(socket, None)

    @routes.websocket("/api/instances/{id}/events", dependencies=needs(Permission.INSTANCES_VIEW))
    async def instance_events(socket: WebSocket, id: str) -> None:  # noqa: A002
        await socket.accept()
        try:
            number = instance_id(id)
        except NotFoundError as error:
            await close(socket, NOT_FOUND, error.message)
            return
        await serve(socket, number)

    return routes


async def send(socket: WebSocket, bus: Bus, parts: Sequence[Part[Any]], viewer: Viewer) -> None:
    """Tell a viewer the present and then what happens. Messages are numbered for each socket, without gaps."""
    seq = 0
    kind = "snapshot"
    pace = Pace()
    with bus.subscribe(WAITING_MOST, viewer.wants, coalesce=True) as waiting:
        while True:
            waiting.reset()
            seq += 1
            async with asyncio.timeout(SEND_TIMEOUT):
                await socket.send_text(f'{{"type":"{kind}","seq":{seq},"data":{viewer.snapshot(parts)}}}')
            while changes := await waiting.several(TOGETHER):
                async with asyncio.timeout(SEND_TIMEOUT):
                    await send_texts(socket, viewer.messages(changes, seq))
                seq += len(changes)
                if waiting.idle:
                    await asyncio.sleep(pace.rest(time.monotonic()))
            kind = "resync"


class Pace:
    """How soon a viewer is told again: a few times at once, then at the moments at which all look."""

    def __init__(self) -> None:
        self._recovered_at = 0.0

    def rest(self, now: float) -> float:
        """Return the seconds until it may be told again, as it was told now."""
        recovered_at = max(self._recovered_at, now) + RECOVERY
        if recovered_at - now > AT_ONCE * RECOVERY:
            return until_next_look(now)
        self._recovered_at = recovered_at
        return 0.0


def until_next_look(now: float) -> float:
    """Return the seconds until the next of the moments at which all viewers look."""
    return PACE - now % PACE
