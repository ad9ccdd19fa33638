"""What the room of measuring adds to the house."""

from __future__ import annotations

from aikore.base.rooms import Room
from aikore.monitor.sampler import Sampler


def make(sampler: Sampler) -> Room:
    """Look at machine, GPUs and instances as long as the house is open."""

    async def begin() -> None:
        sampler.begin()

    async def end(_: bool) -> None:
        await sampler.end()

    return Room(start=begin, stop=end)
