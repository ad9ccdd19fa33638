"""Which routes are up: one empty file per instance, which NGINX looks for at every request. Blocking; run in threads.

A flag is up while a run of the instance lives *and* the listener on its port is that run's own. So starting and
stopping reload nothing, and no route ever shows whoever else took the port.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from aikore.base.disk import private_folder


class Flag:
    """The flag of one instance. What is seen of a run that has ended raises it no more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ended = 0
        self._lock = threading.Lock()

    def up(self, run: int) -> None:
        """Raise it for a run, also when it is up already: something may have removed it. Raises OSError."""
        with self._lock:
            if run > self._ended:
                self._touch()

    def down(self, run: int) -> None:
        """Lower it while the run goes on; a later run's is left alone."""
        with self._lock:
            if run > self._ended:
                self.path.unlink(missing_ok=True)

    def end(self, run: int) -> None:
        """Lower it for good: nothing of the run is left."""
        with self._lock:
            self._ended = max(run, self._ended)
            self.path.unlink(missing_ok=True)

    def _touch(self) -> None:
        try:
            self.path.touch(mode=0o600)
        except FileNotFoundError:
            private_folder(self.path.parent)
            self.path.touch(mode=0o600)


class Flags:
    """The folder of all flags."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, slug: str) -> Flag:
        """Return the flag of an instance."""
        return Flag(self.path(slug))

    def path(self, slug: str) -> Path:
        return self._folder / slug

    def keep(self, slugs: Collection[str]) -> None:
        """Lower the flags of all others: of runs that ended unseen."""
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.name not in slugs:
                    path.unlink(missing_ok=True)
