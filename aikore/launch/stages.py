"""Hears the stages that launch scripts say: one inotify descriptor for all instances."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from asyncinotify import Inotify, Mask, Watch

from aikore.base.disk import open_plain
from aikore.launch.layout import STAGE_NAME

log = logging.getLogger(__name__)

STAGE_MAX = 200
"""Bytes of a stage that are shown."""


class StageWatcher:
    """Calls back with the text whenever an instance's stage file is written."""

    def __init__(self) -> None:
        self._opened: Inotify | None = None
        self._watches: dict[Path, Watch] = {}
        self._callbacks: dict[Path, Callable[[str], None]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def _inotify(self) -> Inotify:
        if self._opened is None:
            self._opened = Inotify()
            self._task = asyncio.create_task(self._run(self._opened))
        return self._opened

    async def watch(self, folder: Path, callback: Callable[[str], None], clear: bool) -> None:
        """Follow the stage of the run in ``folder``; ``clear`` empties it first (a new run)."""
        self.forget(folder)
        path = folder / STAGE_NAME
        try:
            await asyncio.to_thread(_lay, path, clear)
            self._watches[path] = self._inotify.add_watch(path, Mask.CLOSE_WRITE | Mask.MODIFY | Mask.DONT_FOLLOW)
        except OSError as error:
            log.warning("stages of %s cannot be followed: %s", folder, error)
            return
        self._callbacks[path] = callback

    def forget(self, folder: Path) -> None:
        path = folder / STAGE_NAME
        self._callbacks.pop(path, None)
        watch = self._watches.pop(path, None)
        if watch is not None:
            with suppress(OSError, ValueError):
                self._inotify.rm_watch(watch)

    def close(self) -> None:
        if self._task:
            self._task.cancel()
        if self._opened:
            self._opened.close()

    async def _run(self, inotify: Inotify) -> None:
        async for event in inotify:
            if event.watch is None:  # events were lost
                for path in list(self._callbacks):
                    await self._tell(path)
            else:
                await self._tell(event.watch.path)

    async def _tell(self, path: Path) -> None:
        text = await asyncio.to_thread(read_stage, path.parent)
        callback = self._callbacks.get(path)
        if callback and text:
            callback(text)


def _lay(path: Path, clear: bool) -> None:
    """Make the stage file where there is none. What else lies there in its place, a pipe or a link, is replaced."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags | (os.O_TRUNC if clear else 0), 0o644))


def read_stage(folder: Path) -> str:
    """Return the stage last said, "" when none."""
    try:
        with open(open_plain(folder / STAGE_NAME), "rb") as file:
            return file.read(STAGE_MAX).decode("utf-8", "replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return ""
