"""NGINX's master process: its record on disk, starting, watching and ending it. Knows nothing of routes.

Only a master that works on our own folder is ours: the record of a copied data folder names somebody else's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aikore.base import procfs
from aikore.base.errors import ProxyError
from aikore.proxy import processes

END_SECONDS = 5.0


class Master:
    """The master below a folder: our own child (``nginx.json`` records it) or a supervisor's (``nginx.pid``)."""

    def __init__(self, folder: Path, *, own: bool) -> None:
        self._folder = folder
        self._own = own
        self._record_path = folder / "nginx.json"
        self._proven = 0
        """The process group of the master last seen to be ours; what is left of it when that is dead is ours too."""
        self._watched: tuple[int, int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def find(self) -> int | None:
        """Return the PID of the running master, None when there is none of ours."""
        pid = self._find_own() if self._own else self._find_external()
        if pid is None or not processes.works_on(pid, self._folder):
            return None
        self._proven = pid
        return pid

    def launch(self, command: list[str]) -> int:
        """Start the master in a session of its own, so that it outlives us; record and return its PID."""
        with open(self._folder / "error.log", "ab") as errors:
            child = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        self._proven = child.pid
        child.returncode = 0  # reaped by `processes.reap`, also after the manager has replaced itself
        start = procfs.start_time(child.pid)
        text = json.dumps({"pid": child.pid, "start": start, "boot": _boot_id()})
        temporary = self._record_path.with_suffix(".new")
        try:
            temporary.write_text(text)
            temporary.replace(self._record_path)
        except OSError:  # a full disk: in place of the one before
            temporary.unlink(missing_ok=True)
            self._record_path.write_text(text)
        return child.pid

    def end(self) -> None:
        """End the master and its workers at once. A supervisor's master is left alone."""
        if not self._own:
            return
        if pid := self.find():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + END_SECONDS
            while procfs.start_time(pid) is not None and time.monotonic() < deadline:
                time.sleep(0.01)
            processes.reap(pid)
        self.end_leftovers()
        self._record_path.unlink(missing_ok=True)

    def end_leftovers(self) -> None:
        """End workers that a killed master left behind. Raises ProxyError when they stay."""
        group = self._record().get("pid")
        if group and not processes.kill_group(group, lambda pid: self._is_ours(pid, group)):
            raise ProxyError(f"Workers of an earlier NGINX (process group {group}) do not end. End them by hand.")

    def _is_ours(self, pid: int, group: int) -> bool:
        return group == self._proven or processes.works_on(pid, self._folder)

    def watch(self, pid: int, died: Callable[[], None]) -> None:
        """Call ``died`` on the running loop as soon as our own master is gone."""
        if not self._own or (self._watched and self._watched[0] == pid):
            return
        self.unwatch()
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            loop.call_soon(died)
            return
        self._watched, self._loop = (pid, descriptor), loop
        loop.add_reader(descriptor, self._on_end, died)

    def unwatch(self) -> None:
        """Stop watching."""
        if self._watched and self._loop:
            self._loop.remove_reader(self._watched[1])
            os.close(self._watched[1])
        self._watched = None

    def _on_end(self, died: Callable[[], None]) -> None:
        if self._watched:
            processes.reap(self._watched[0])
        self.unwatch()
        died()

    def _record(self) -> dict[str, int]:
        with suppress(OSError, ValueError):
            record = json.loads(self._record_path.read_text())
            if isinstance(record, dict) and record.pop("boot", "") == _boot_id():
                return record
        return {}

    def _find_own(self) -> int | None:
        record = self._record()
        pid, start = record.get("pid"), record.get("start")
        return pid if pid and start and procfs.start_time(pid) == start else None

    def _find_external(self) -> int | None:
        with suppress(OSError, ValueError):
            pid = int((self._folder / "nginx.pid").read_text())
            if procfs.title(pid).startswith("nginx: master process"):
                return pid
        return None


def _boot_id() -> str:
    """Return what tells this boot of the machine from others, in which PIDs mean other processes."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
