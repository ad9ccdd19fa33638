"""The folder of configurations: each a numbered generation, one of them current. Files only, no processes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from aikore.config import private_folder

KEPT = 3
CONFIG = "nginx.conf"


class Generations:
    """Generations below NGINX's folder. An id is ``<number>-<digest of the text>``, so equal texts are seen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._link = folder / "current"
        self._all = folder / "generations"

    def prepare(self) -> None:
        """Make the folders NGINX needs."""
        private_folder(self._folder)
        self._all.mkdir(exist_ok=True)
        (self._folder / "temp").mkdir(exist_ok=True)

    def current(self) -> str:
        """Return the id of the current generation, "" when there is none."""
        try:
            return self._link.readlink().name
        except OSError:
            return ""

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
        temporary = self._folder / "current.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("generations") / generation)
        temporary.replace(self._link)

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
