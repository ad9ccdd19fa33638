"""What runs in a terminal: a login shell in a folder, with the environment of an instance or of AiKore's user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aikore.base import limits
from aikore.launch.environment import inherited

LOGIN_FILE = Path(__file__).with_name("login.sh")
MARK = "AIKORE_TERMINAL"
"""Variable by which the programs of a terminal are found, detached ones too."""

OPEN_FILES = "AIKORE_OPEN_FILES"
"""Variable by which the shell lowers its limit of open files to that of other programs, then forgets it."""


def _open_files() -> str:
    soft = limits.own_of_others()
    return "unlimited" if soft < 0 else str(soft)


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell to start. ``instance`` is the id of the instance it belongs to; None: AiKore itself."""

    folder: Path
    instance: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        return ["env", f"--chdir={self.folder}", "bash", "--rcfile", str(LOGIN_FILE), "-i"]

    def variables(self, mark: str) -> dict[str, str]:
        """Return the shell's whole environment."""
        base = dict(self.environment) or inherited(os.environ)
        base.pop("PYTHONUNBUFFERED", None)
        language = {} if any(name in base for name in ("LANG", "LC_ALL", "LC_CTYPE")) else {"LANG": "C.UTF-8"}
        return {
            **base,
            **language,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            OPEN_FILES: _open_files(),
            MARK: mark,
        }
