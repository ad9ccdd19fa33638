"""What people see of the trash: its entries and their sizes. Removes for good what belongs to nobody any more.

Where the files of deleted instances lie, and how they get there and back, is :mod:`aikore.instances.trash`'s matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aikore.base.disk import Reserve, remove_tree, storage
from aikore.base.errors import AiKoreError
from aikore.base.events import Bus
from aikore.instances import views
from aikore.instances.chores import Chores
from aikore.instances.topics import TRASH
from aikore.instances.trash import Trash
from aikore.notices import Noticeboard


class Trashcan:
    """Tells entries of the trash and empties it, slowly and in threads of its own."""

    def __init__(self, trash: Trash, reserve: Reserve, bus: Bus, notices: Noticeboard) -> None:
        self._trash = trash
        self._reserve = reserve
        self._bus = bus
        self._notices = notices
        self._entries: list[dict[str, Any]] = []
        self._counting: set[str] = set()
        self._counts, self._removals = Chores("trash sizes"), Chores("removals")

    def entries(self) -> list[dict[str, Any]]:
        """Return the JSON of deleted instances, newest first."""
        return self._entries

    async def sweep(self, living: dict[int, str]) -> None:
        """Remove what a killed manager had doomed, and read the entries."""
        self.remove(await asyncio.to_thread(self._trash.sweep, living))
        await self.refresh()

    async def refresh(self) -> None:
        """Read the entries anew and tell them; sizes that are not known follow."""
        self._entries = [views.trash_view(entry) for entry in await asyncio.to_thread(self._trash.entries)]
        self._bus.publish(TRASH, self._entries)
        loop = asyncio.get_running_loop()
        for entry in self._entries:
            if entry["size"] is None and entry["id"] not in self._counting:
                self._counting.add(entry["id"])
                self._counts.add(partial(self._count, entry["id"], loop))

    def _count(self, entry_id: str, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._counted, entry_id, self._trash.count(entry_id))

    def _counted(self, entry_id: str, size: int) -> None:
        self._counting.discard(entry_id)
        self._entries = [entry | {"size": size} if entry["id"] == entry_id else entry for entry in self._entries]
        self._bus.publish(TRASH, self._entries)

    def remove(self, doomed: Iterable[Path]) -> None:
        """Remove for good, in the background, what belongs to nobody any more."""
        loop = asyncio.get_running_loop()
        for path in doomed:
            self._removals.add(partial(self._remove_one, path, loop))

    def _remove_one(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with storage(f"Removing {path}"):
                remove_tree(path)
        except AiKoreError as error:
            loop.call_soon_threadsafe(self._notices.report, "error", error.message)
        self._reserve.refill()

    @asynccontextmanager
    async def with_reserve(self) -> AsyncIterator[None]:
        """Do something for which the disk is never too full, as far as its reserve goes."""
        await asyncio.to_thread(self._reserve.lend)
        try:
            yield
        finally:
            await asyncio.to_thread(self._reserve.refill)
