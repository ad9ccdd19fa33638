"""What a desktop is told: one JSON object, the only argument of its program."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

VERSION = 1


class DesktopOrders(NamedTuple):
    """Everything a desktop needs."""

    display: int
    folder: str
    """Where its own files lie."""
    command: tuple[str, ...]
    """The app: how its launch script is started."""
    server: tuple[str, ...]
    """The display server."""
    keymap: str
    browser: tuple[str, ...]
    """Empty: no browser is shown."""
    port: int
    path: str
    """Where the app answers, once it does."""
    window: bool
    """Whether the app shows a window of its own, which is awaited."""
    leftovers: tuple[str, ...]
    """The display's sockets, which end with it."""

    def encode(self) -> str:
        return json.dumps({"version": VERSION, **self._asdict()})

    @classmethod
    def decode(cls, text: str) -> DesktopOrders:
        """Return orders from their JSON text. Raises ValueError when they are none, or of another version."""
        try:
            data = json.loads(text)
            if data.get("version", VERSION) != VERSION:
                raise ValueError(f"orders of version {data['version']}")
            return cls(
                display=int(data["display"]),
                folder=str(data["folder"]),
                command=_words(data["command"]),
                server=_words(data["server"]),
                keymap=str(data["keymap"]),
                browser=_words(data["browser"]),
                port=int(data["port"]),
                path=str(data["path"]),
                window=bool(data["window"]),
                leftovers=_words(data["leftovers"]),
            )
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"no orders: {error!r}") from error


def _words(given: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in given)
