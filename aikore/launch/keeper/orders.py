"""What the manager tells a keeper: one JSON object in anonymous memory, on the keeper's descriptor 0.

A manager finds living keepers by these orders, also those of other versions of AiKore: names here are for good.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

VERSION = 1
"""Of the orders' form. Those of AiKore 0.1 name none and have this one."""
MEMORY = "aikore-orders"
LOCK_FD, FOLDER_FD = 3, 4
"""Descriptors on which a keeper gets the lock and the instance's folder."""


class Orders(NamedTuple):
    """Everything a keeper needs. ``stop_grace`` is in seconds, ``rotate_bytes`` in bytes."""

    run: int
    uuid: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    logs: str
    record: str
    rotate_bytes: int
    keep: int
    """Rotated log files that are kept."""
    stop_signal: str
    stop_grace: float
    open_files: int | None = None
    """The program's limit of open files; None: the keeper's own."""
    leftovers: tuple[str, ...] = ()
    """Files outside the folder that end with the run."""

    def encode(self) -> bytes:
        return json.dumps({"version": VERSION, **self._asdict()}).encode()

    @classmethod
    def decode(cls, text: bytes) -> Orders:
        """Return orders from their JSON text. Raises ValueError when they are none, or of another version."""
        with _checked():
            data = _object(text)
            if data.get("version", VERSION) != VERSION:
                raise ValueError(f"orders of version {data['version']}")
            return cls(
                run=int(data["run"]),
                uuid=str(data["uuid"]),
                command=_words(data["command"]),
                environment={str(name): str(value) for name, value in data["environment"].items()},
                folder=str(data["folder"]),
                logs=str(data["logs"]),
                record=str(data["record"]),
                rotate_bytes=int(data["rotate_bytes"]),
                keep=int(data["keep"]),
                stop_signal=str(data["stop_signal"]),
                stop_grace=float(data["stop_grace"]),
                open_files=None if data.get("open_files") is None else int(data["open_files"]),
                leftovers=_words(data.get("leftovers", ())),
            )


class Assignment(NamedTuple):
    """The part of the orders by which a living keeper is known, of whatever version it is."""

    run: int
    uuid: str
    folder: str
    stop_grace: float

    @classmethod
    def decode(cls, text: bytes) -> Assignment:
        """Return whose keeper has these orders. Raises ValueError when they are none."""
        with _checked():
            data = _object(text)
            return cls(int(data["run"]), str(data["uuid"]), str(data["folder"]), float(data["stop_grace"]))


@contextmanager
def _checked() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no orders: {error!r}") from error


def _object(text: bytes) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("orders are one object")
    return data


def _words(given: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in given)
