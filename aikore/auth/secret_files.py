"""The secrets AiKore keeps for itself, as files of mode 0600 in a folder of mode 0700."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from aikore.base.disk import private_folder


class SecretFiles:
    """Small random texts by name, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make the folder, and nobody else's. Raises StartupError."""
        private_folder(self._folder)

    def get(self, name: str, length: int = 32) -> str:
        """Return the secret of this name; a new one of ``length`` random bytes when there is none."""
        path = self._folder / name
        try:
            kept = path.read_text("ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            kept = ""
        if kept:
            path.chmod(0o600)
            return kept
        text = secrets.token_urlsafe(length)
        self._write(path, text)
        return text

    def _write(self, path: Path, text: str) -> None:
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w", encoding="ascii") as file:
            file.write(text + "\n")
        fresh.replace(path)

    def forget(self, name: str) -> None:
        """Remove a secret that is used up."""
        (self._folder / name).unlink(missing_ok=True)
