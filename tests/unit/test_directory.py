"""The instance directory: what other rooms learn of instances, and how they get one that is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aikore.base.errors import NotFoundError, NotReadyError
from aikore.config import Settings
from aikore.instances.actor import Readiness
from aikore.instances.directory import Directory, Gone, Listing
from aikore.instances.files import InstanceFiles
from aikore.instances.lifecycle import Start, Stop
from aikore.instances.pins import Pins
from aikore.instances.probe import Target
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.monitor.gpu import Gpu
from aikore.monitor.gpus import Inventory
from tests.helpers.actors import Stage


class Anything:
    """Stands for what these tests do not look at."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_args, **_more: {}


async def no_look(again: bool = False) -> Inventory:
    return Inventory()


class Room:
    """A registry with one instance and the directory of it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(home=folder)
        nothing: Any = Anything()
        self.stage = Stage(folder)
        self.registry = Registry(settings, InstanceFiles(settings))
        self.registry.add(self.stage.actor)
        row = self.stage.actor.row
        row.position = 1
        self.pins = Pins(no_look)
        background: Any = SimpleNamespace(run=lambda work: work.close())
        more = (nothing, nothing, self.pins, nothing, nothing, nothing, background)
        self.publisher = Publisher(settings, self.registry, *more)
        self.publisher.view = lambda actor: {}  # type: ignore[method-assign]
        self.stage.house.changed = self.publisher.changed  # type: ignore[method-assign]
        self.directory = Directory(self.registry, self.publisher, self.pins, [])


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room = Room(tmp_path)
    yield room
    room.stage.actor.close()


async def test_an_instance_is_found_by_id_and_by_slug(room: Room) -> None:
    assert room.directory.find("1") == room.directory.find("x") == room.directory.list()[0]
    with pytest.raises(NotFoundError):
        room.directory.find("y")


async def test_an_instance_at_rest_is_started_for_who_needs_it(room: Room) -> None:
    assert (await room.directory.ensure_ready("x", "a job", 5)).status == "started"
    assert (await room.directory.ensure_ready("1", "another job", 5)).run == 1


async def test_many_who_need_an_instance_get_one_start(room: Room) -> None:
    found = await asyncio.gather(*(room.directory.ensure_ready("x", f"job {number}", 5) for number in range(20)))
    assert {one.run for one in found} == {1}
    assert room.stage.house.did == ["start 1"]


async def test_what_takes_too_long_is_told_and_goes_on_starting(room: Room) -> None:
    room.stage.house.ready = Readiness(Target(room.stage.actor.row.port, "/"), None, 1000, 1, 1)
    with pytest.raises(NotReadyError, match=r"starting.*0\.05 s"):
        await room.directory.ensure_ready("x", "a job", 0.05)
    assert room.directory.find("x").status == "starting"


async def test_a_watcher_begins_with_all_and_is_told_the_newest_of_each_however_late_it_looks(room: Room) -> None:
    async with aclosing(room.directory.watch()) as changes:
        first = await anext(changes)
        assert isinstance(first, Listing)
        assert first.status == "stopped"
        for _ in range(50):
            await room.directory.ensure_ready("x", "a job", 5)
            await room.stage.wish(Stop())
            await room.stage.actor.until(lambda state: state.status == "stopped")
        newest = await anext(changes)
        assert isinstance(newest, Listing)
        assert (newest.status, newest.run) == ("stopped", 50)
        more = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.01)
        assert not more.done()
        await room.stage.wish(Start())
        told = await asyncio.wait_for(more, 5)
        assert isinstance(told, Listing)
        assert told.run == 51


async def test_a_watcher_learns_of_an_instance_that_went_whatever_else_it_missed(room: Room) -> None:
    async with aclosing(room.directory.watch()) as changes:
        await anext(changes)
        room.registry.remove(room.stage.actor)
        room.publisher.removed(room.stage.actor.row)
        assert await asyncio.wait_for(anext(changes), 5) == Gone(1)


async def test_the_gpus_of_an_instance_are_those_it_chose_of_those_that_are_there(room: Room) -> None:
    cards = tuple(Gpu(str(index), index, "Card", f"GPU-{index}", None) for index in range(3))
    room.pins.see(Inventory(cards))
    assert list(room.directory.gpus("x")) == list(cards)
    room.stage.actor.row.gpu_ids = ["GPU-1", "GPU-9"]
    assert list(room.directory.gpus("x")) == [cards[1]]
    room.stage.actor.row.gpu_ids = []
    assert list(room.directory.gpus("x")) == []
