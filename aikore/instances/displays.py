"""Display numbers and desktops of instances: one number for life, another one only when somebody else took it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from aikore.base.errors import AiKoreError, NotFoundError
from aikore.blueprints.header import Header
from aikore.config.instances import InstanceSettings
from aikore.instances.files import InstanceFiles
from aikore.instances.registry import Registry
from aikore.instances.rows import InstanceRow
from aikore.instances.store import Store
from aikore.launch import desktop

log = logging.getLogger(__name__)


class Displays:
    """Gives display numbers and says where desktops lie."""

    def __init__(self, settings: InstanceSettings, files: InstanceFiles, registry: Registry, store: Store) -> None:
        self._settings = settings
        self._files = files
        self._registry = registry
        self._store = store

    def free(self, rows: Sequence[InstanceRow]) -> int:
        """Return a display number that none of the rows has. Raises ConflictError when there is none."""
        return desktop.choose_display(self._settings.home, (row.vnc_display for row in rows if row.vnc_display))

    async def give(self, rows: Sequence[InstanceRow]) -> None:
        """Give a display number to instances of an AiKore that had no desktops."""
        for row in rows:
            if row.vnc_display is None:
                try:
                    await self._store.write(row, {"vnc_display": self.free(rows)})
                except AiKoreError as error:
                    log.error("%s has no display number: %s", row.slug, error.message)

    async def settle(self, row: InstanceRow) -> None:
        """Give the instance another display number when somebody else has its own."""
        tried: set[int] = set()
        while not await self._is_own(row):
            tried.add(row.vnc_display or 0)
            number = desktop.choose_display(self._settings.home, self._others(row) | tried)
            log.warning("%s gets the display :%d, its own is taken", row.slug, number)
            await self._store.write(row, {"vnc_display": number})

    async def _is_own(self, row: InstanceRow) -> bool:
        """Say whether the instance's display number is its own; what a dead display server left of it is removed."""
        free = row.vnc_display not in self._others(row)
        return free and await asyncio.to_thread(desktop.clear, self.of(row))

    def _others(self, row: InstanceRow) -> set[int]:
        return {other.vnc_display or 0 for other in self._registry.rows() if other is not row}

    def of(self, row: InstanceRow) -> desktop.DesktopAddress:
        """Return where an instance's desktop lies."""
        assert row.vnc_display is not None, "every row gets one when it is made or loaded"
        socket = self._settings.vnc_socket(row.vnc_display)
        return desktop.DesktopAddress(row.vnc_display, socket, self._files.folder(row.slug))

    def vnc_socket(self, key: str) -> Path:
        """Return the socket of an instance's desktop by id or slug. Raises NotFoundError where it has none."""
        row = self._registry.get(key).row
        if not row.persistent_mode:
            raise NotFoundError(f"{row.name} has no desktop. Edit it and tick the desktop.")
        return self.of(row).vnc_socket

    def browser(self, header: Header) -> str | None:
        """Return which browser a desktop needs, empty for any; None where the program has no page."""
        return self._settings.desktop_browser if header.ready.kind == "http" else None

    async def require(self, header: Header) -> None:
        """Raise DesktopMissingError when this machine lacks what a desktop of such a program needs."""
        await asyncio.to_thread(desktop.require, self.browser(header))
