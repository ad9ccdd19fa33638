"""What runs in a terminal: a login shell in a folder, with the environment of an instance or of AiKore's user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aikore.launch.environment import inherited

LOGIN_FILE = Path(__file__).with_name("login.sh")
MARK = "AIKORE_TERMINAL"
"""Variable by which the programs of a terminal are found, detached ones too."""


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
        return {**base, **language, "TERM": "xterm-256color", "COLORTERM": "truecolor", MARK: mark}
