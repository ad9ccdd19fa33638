"""Topics: closed by default, shown as each audience may see them, encoded once for each, never lost in silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aikore import live
from aikore.auth.permissions import Permission
from aikore.base.events import Audience, Bus, Part, Projection, Topic, whole
from aikore.instances import views
from aikore.instances.topics import INSTANCE, INSTANCE_REMOVED, Removed, View, parts
from aikore.live import Viewer

ALL = frozenset(Permission)
LOOKS = frozenset({Permission.INSTANCES_VIEW})
RUNS = LOOKS | {Permission.INSTANCES_RUN}
EDITS = RUNS | {Permission.INSTANCES_EDIT}
SECRET = "hf_secret"


class Client:
    """The socket of somebody who accepts a message whenever ``open`` is set."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.texts: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.offered = 0

    async def send_text(self, text: str) -> None:
        self.offered += 1
        await self.open.wait()
        self.texts.append(text)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    @property
    def told(self) -> list[Any]:
        """The data of all changes."""
        return [one["data"] for one in self.messages if one["type"] == "change"]

    async def got(self, count: int) -> None:
        """Wait until this many messages have come."""
        await until(lambda: len(self.texts) >= count)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def watching(bus: Bus, viewer: Viewer, *shown: Part[Any]) -> AsyncIterator[Client]:
    """Let somebody watch; the snapshot has come."""
    client = Client()
    task = asyncio.create_task(live.send(client, bus, shown, viewer))  # type: ignore[arg-type]
    try:
        await client.got(1)
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def view(number: int = 1, status: str = "starting", detail: str = "", run: int = 1) -> View:
    return {
        "id": number,
        "run": run,
        "status": status,
        "status_detail": detail,
        "actions": ["stop", "edit"],
        "environment": {"HF_TOKEN": SECRET},
    }


# Who may know ---------------------------------------------------------------------------------------------------


async def test_a_topic_without_an_audience_reaches_nobody() -> None:
    bus = Bus()
    closed: Topic[str] = Topic("closed", str)
    everyone: Topic[str] = Topic("everyone", str, needs=Permission.INSTANCES_VIEW)
    part = Part.one("closed", closed, lambda: SECRET)
    async with watching(bus, Viewer(ALL), part) as client:
        bus.publish(closed, SECRET)
        bus.publish(everyone, "hello")
        await client.got(2)
    assert SECRET not in "".join(client.texts)
    assert (client.messages[0]["data"], client.told) == ({}, ["hello"])


async def test_what_somebody_may_not_know_leaves_no_gap_in_their_numbers() -> None:
    bus = Bus()
    hidden: Topic[str] = Topic("hidden", str, needs=Permission.AUDIT_READ)
    async with watching(bus, Viewer(LOOKS), *parts(list, list)) as client:
        for number in range(3):
            bus.publish(hidden, SECRET)
            bus.publish(INSTANCE_REMOVED, Removed(id=number))
        await client.got(4)
    assert [one["seq"] for one in client.messages] == [1, 2, 3, 4]
    assert SECRET not in "".join(client.texts)


@pytest.mark.parametrize(
    ("permissions", "actions", "value"),
    [(LOOKS, [], views.HIDDEN), (RUNS, ["stop"], views.HIDDEN), (EDITS, ["stop", "edit"], SECRET)],
)
async def test_each_audience_sees_its_projection_in_snapshot_and_change(
    permissions: Audience, actions: list[str], value: str
) -> None:
    bus = Bus()
    async with watching(bus, Viewer(permissions), *parts(lambda: [view()], list)) as client:
        bus.publish(INSTANCE, view())
        await client.got(2)
    for seen in (client.messages[0]["data"]["instances"][0], client.told[0]):
        assert (seen["actions"], seen["environment"]) == (actions, {"HF_TOKEN": value})


def test_what_is_secret_does_not_depend_on_the_key_it_is_told_under() -> None:
    part = Part.one("some other key", INSTANCE, view)
    assert SECRET not in Viewer(LOOKS).snapshot([part])
    assert SECRET in Viewer(EDITS).snapshot([part])


async def test_a_viewer_of_one_instance_is_told_of_no_other_and_of_nothing_else() -> None:
    bus = Bus()
    house: Topic[str] = Topic("house", str, needs=Permission.INSTANCES_VIEW)
    shown = (*parts(lambda: [view(1), view(2)], list), Part.one("house", house, lambda: "everything"))
    async with watching(bus, Viewer(ALL, instance=2), *shown) as client:
        for number in (1, 2, 3):
            bus.publish(INSTANCE, view(number))
            bus.publish(INSTANCE_REMOVED, Removed(id=number))
        bus.publish(house, "everything")
        await client.got(3)
    assert client.messages[0]["data"].keys() == {"instances"}
    assert [one["id"] for one in (*client.messages[0]["data"]["instances"], *client.told)] == [2, 2, 2]


# What it costs --------------------------------------------------------------------------------------------------


async def test_a_change_is_encoded_once_for_each_audience_and_not_for_each_viewer() -> None:
    shown: list[Audience] = []

    def show(data: str, audience: Audience) -> str:
        shown.append(audience)
        return data

    matters: Audience = frozenset({Permission.INSTANCES_RUN})
    topic = Topic[str]("told", str, needs=Permission.INSTANCES_VIEW, projection=Projection(matters, show))
    bus = Bus()
    async with asyncio.TaskGroup() as group:
        clients = [Client() for _ in range(10)]
        tasks = [
            group.create_task(live.send(client, bus, (), Viewer(RUNS if number % 2 else LOOKS)))  # type: ignore[arg-type]
            for number, client in enumerate(clients)
        ]
        await asyncio.gather(*(client.got(1) for client in clients))
        bus.publish(topic, "hello")
        await asyncio.gather(*(client.got(2) for client in clients))
        for task in tasks:
            task.cancel()
    assert sorted(shown, key=len) == [frozenset(), matters]
    assert len({client.texts[1] for client in clients}) == 1


async def test_everybody_reads_the_name_of_the_host_they_came_by() -> None:
    topic: Topic[str] = Topic("url", str, needs=Permission.INSTANCES_VIEW)
    bus = Bus()
    async with (
        watching(bus, Viewer(LOOKS, "one.example:9000")) as first,
        watching(bus, Viewer(LOOKS, "two.example:9000")) as second,
    ):
        bus.publish(topic, "http://aikore-host.invalid:7860/")
        await asyncio.gather(first.got(2), second.got(2))
    assert (first.told, second.told) == (["http://one.example:7860/"], ["http://two.example:7860/"])


async def test_a_change_after_a_rest_goes_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PACE", 3600.0)
    bus = Bus()
    async with watching(bus, Viewer(LOOKS)) as client:
        bus.publish(INSTANCE, view())
        await client.got(2)


async def test_what_one_doing_makes_known_goes_out_at_once_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PACE", 3600.0)
    bus = Bus()
    async with watching(bus, Viewer(LOOKS)) as client:
        for number, status in enumerate(("starting", "started", "error")):
            bus.publish(INSTANCE, view(status=status))
            await client.got(2 + number)


def test_a_stream_of_changes_is_told_at_the_common_moments_but_for_one_now_and_then() -> None:
    pace = live.Pace()
    rests = [pace.rest(100 + number / 100) for number in range(100)]
    assert rests[: live.AT_ONCE] == [0.0] * live.AT_ONCE
    assert rests.count(0.0) <= live.AT_ONCE + 1 / live.RECOVERY
    assert all(rest <= live.PACE for rest in rests)


def test_all_viewers_look_at_the_same_moments_and_none_waits_longer_than_the_pace() -> None:
    moments = (100.001, 100.02, 100.03, 100.0499)
    assert {round(now + live.until_next_look(now), 6) for now in moments} == {100.05}
    assert all(0 < live.until_next_look(now) <= live.PACE for now in moments)


async def test_of_what_waits_for_a_slow_client_only_the_newest_of_its_kind_goes_out() -> None:
    bus = Bus()
    async with watching(bus, Viewer(LOOKS)) as client:
        client.open.clear()
        bus.publish(INSTANCE, view(1, detail="on its way"))
        await until(lambda: client.offered == 2)
        for number in range(1000):
            bus.publish(INSTANCE, view(1 + number % 3, detail=f"stage {number}"))
        client.open.set()
        await client.got(5)
    assert [one["seq"] for one in client.messages] == [1, 2, 3, 4, 5]
    assert [(one["id"], one["status_detail"]) for one in client.told] == [
        (1, "on its way"), (2, "stage 997"), (3, "stage 998"), (1, "stage 999"),
    ]  # fmt: skip


async def test_no_status_is_skipped_and_the_newest_comes_last() -> None:
    told = [("stopped", 1), ("starting", 2), ("starting", 2), ("started", 2), ("stopping", 2), ("stopped", 2)]
    bus = Bus()
    with bus.subscribe(coalesce=True) as waiting:
        for number, (status, run) in enumerate(told):
            bus.publish(INSTANCE, view(status=status, run=run, detail=str(number)))
        bus.publish(INSTANCE_REMOVED, Removed(id=1))
        events = await waiting.several(100)
    assert [event.data["status_detail"] for event in events[:-1]] == ["0", "2", "3", "4", "5"]
    assert events[-1].topic is INSTANCE_REMOVED


async def test_data_that_are_the_whole_of_their_topic_replace_what_waits_and_are_kept() -> None:
    topic: Topic[list[int]] = Topic("list", list[int], needs=Permission.INSTANCES_VIEW, newest=whole)
    bus = Bus()
    assert bus.latest(topic, []) == []
    with bus.subscribe(coalesce=True) as waiting:
        for number in range(3):
            bus.publish(topic, [number])
        assert [event.data for event in await waiting.several(100)] == [[2]]
    assert bus.latest(topic, []) == [2]


async def test_readers_in_the_house_get_every_event_unless_they_ask_for_the_newest() -> None:
    bus = Bus()
    with bus.subscribe() as changes:
        for number in range(3):
            bus.publish(INSTANCE, view(detail=str(number)))
        assert [(await changes.next()).data["status_detail"] for _ in range(3)] == ["0", "1", "2"]  # type: ignore[union-attr]


# Nothing is lost in silence ---------------------------------------------------------------------------------------


async def test_a_client_that_falls_behind_gets_a_resync_and_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "WAITING_MOST", 8)
    bus = Bus()
    present: list[View] = []
    async with watching(bus, Viewer(LOOKS), *parts(lambda: present, list)) as client:
        for number in range(9):
            present.append(view(number))
            bus.publish(INSTANCE, present[-1])
        await client.got(2)
        bus.publish(INSTANCE, view(99))
        await client.got(3)
    first, resync, change = client.messages
    assert (first["type"], resync["type"], change["type"]) == ("snapshot", "resync", "change")
    assert [one["id"] for one in resync["data"]["instances"]] == list(range(9))
    assert (change["data"]["id"], change["seq"]) == (99, resync["seq"] + 1)


async def test_a_viewer_who_is_behind_in_what_they_may_know_is_not_resynced_for_what_they_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "WAITING_MOST", 8)
    hidden: Topic[int] = Topic("hidden", int, needs=Permission.AUDIT_READ)
    bus = Bus()
    async with watching(bus, Viewer(LOOKS)) as client:
        for number in range(100):
            bus.publish(hidden, number)
        bus.publish(INSTANCE, view())
        await client.got(2)
    assert [one["type"] for one in client.messages] == ["snapshot", "change"]


async def test_a_client_that_accepts_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SEND_TIMEOUT", 0.01)
    bus = Bus()
    client = Client()
    task = asyncio.create_task(live.send(client, bus, (), Viewer(LOOKS)))  # type: ignore[arg-type]
    await client.got(1)
    client.open.clear()
    bus.publish(INSTANCE, view())
    await asyncio.wait((task,), timeout=10)
    assert task.done() and isinstance(task.exception(), TimeoutError)
