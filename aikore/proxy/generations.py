"""The folder of configurations: each a numbered generation, one of them current. Files only, no processes.

NGINX reads ``current/nginx.conf``, a copy of the current generation's file: plain files, as not every file system has
links.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from aikore.base.disk import private_folder, write_whole

KEPT = 3
CONFIG = "nginx.conf"
CURRENT = Path("current") / CONFIG
"""What NGINX is told to read, below its folder."""
HEAD = 4096
"""Bytes at the beginning of a configuration among which its id stands."""
ID = re.compile(rb"^# Generation ([0-9]{6,}-[0-9a-f]{12})\.$", re.MULTILINE)


class Generations:
    """Generations below NGINX's folder. An id is ``<number>-<digest of the text>``, so equal texts are seen."""

    def __init__(self, folder: Path) -> None:
        self._current = folder / CURRENT
        self._folder = folder
        self._all = folder / "generations"

    def prepare(self) -> None:
        """Make the folders NGINX needs."""
        private_folder(self._folder)
        self._all.mkdir(exist_ok=True)
        (self._folder / "temp").mkdir(exist_ok=True)

    def current(self) -> str:
        """Return the id of the current generation, "" when there is none or its file is spoiled."""
        try:
            if self._current.parent.is_symlink():
                return self._current.parent.readlink().name
            with open(self._current, "rb") as file:
                found = ID.search(file.read(HEAD))
        except OSError:
            return ""
        return found[1].decode() if found else ""

    def next_id(self, text: str) -> str:
        """Return the id a text gets as the next generation."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"{max(self._numbers(), default=0) + 1:06d}-{digest}"

    @staticmethod
    def same(one: str, other: str) -> bool:
        """Say whether two ids stand for the same text."""
        return bool(one) and one.partition("-")[2] == other.partition("-")[2]

    def write(self, generation: str, text: str) -> Path:
        """Store a generation, not yet current; return its file."""
        folder = self._all / generation
        folder.mkdir(exist_ok=True)
        (folder / CONFIG).write_text(text)
        return folder / CONFIG

    def switch(self, generation: str) -> None:
        """Make a generation the current one, in one step."""
        text = (self._all / generation / CONFIG).read_bytes()
        if self._current.parent.is_symlink() or not self._current.parent.is_dir():
            self._make_current(text)
        else:
            write_whole(self._current, text)

    def _make_current(self, text: bytes) -> None:
        """Make the folder, with the file in it from the beginning.

        AiKore 0.1.0 had a link in its place. Between the last two steps there is nothing, which a running NGINX does
        not notice: it reads at a HUP alone, and that comes later. Killed there, the next start writes it.
        """
        folder = self._current.parent
        fresh = folder.with_name(f"{folder.name}.new")
        if fresh.is_symlink():
            fresh.unlink()
        fresh.mkdir(exist_ok=True)
        write_whole(fresh / CONFIG, text)
        folder.unlink(missing_ok=True)
        fresh.rename(folder)

    def forget_current(self) -> None:
        """Have no current generation: the first one was refused."""
        self._current.unlink(missing_ok=True)

    def remove(self, generation: str) -> None:
        """Forget a generation that was refused."""
        shutil.rmtree(self._all / generation, ignore_errors=True)

    def prune(self) -> None:
        """Keep the newest generations and the current one."""
        names = sorted(path.name for path in self._all.iterdir())
        for name in names[:-KEPT]:
            if name != self.current():
                self.remove(name)

    def _numbers(self) -> list[int]:
        heads = (path.name.partition("-")[0] for path in self._all.iterdir())
        return [int(head) for head in heads if head.isdigit()]
