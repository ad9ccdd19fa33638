"""Restarts and removals are counted from what the bus tells, and from the present when the bus lost something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from aikore.base.events import Bus
from aikore.config import Settings
from aikore.instances.topics import INSTANCE, INSTANCE_REMOVED, Removed
from aikore.monitor.notices import Notices
from aikore.monitor.sampler import Sampler
from aikore.notices import Noticeboard
from aikore.stats.watch import Watch


def view(number: int, restarts: int) -> dict[str, Any]:
    return {"id": number, "name": f"One {number}", "run": 1, "status": "started", "restarts": restarts}


class House:
    def __init__(self, home: Path) -> None:
        settings = Settings(home=home)
        self.bus = Bus()
        self.present = {1: view(1, 0), 2: view(2, 5)}
        sampler = Sampler(settings, list)
        self.watch = Watch(
            self.bus, Noticeboard(self.bus), sampler, Notices(settings), lambda: list(self.present.values())
        )

    def restarted(self, number: int, restarts: int) -> None:
        self.present[number] = view(number, restarts)
        self.bus.publish(INSTANCE, self.present[number])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    house.watch.begin()
    await asyncio.sleep(0)
    yield house
    house.watch.end()


async def test_restarts_are_counted_from_when_the_manager_began(house: House) -> None:
    house.restarted(1, 1)
    house.restarted(1, 2)
    house.restarted(2, 5)
    house.restarted(2, 6)
    await house.until(lambda: house.watch.restarts == {1: 2, 2: 1})
    house.bus.publish(INSTANCE_REMOVED, Removed(id=1))
    await house.until(lambda: house.watch.restarts == {2: 1})


async def test_what_the_bus_lost_is_learned_from_the_present(house: House) -> None:
    house.restarted(2, 6)
    await house.until(lambda: house.watch.restarts == {2: 1})
    house.restarted(1, 1)
    del house.present[2]
    house.bus.publish(INSTANCE_REMOVED, Removed(id=2))
    for _ in range(2000):
        house.bus.publish(INSTANCE, house.present[1])
    await house.until(lambda: house.watch.restarts == {1: 1})
