"""Deleted files: they lie in a folder of their own inside the instance's, and can be brought back. Blocking.

Outputs on another disk have a trash of their own beside them, so that nothing is copied.

So they are kept, moved to the trash, restored and removed together with their instance.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aikore.base.errors import InvalidPathError, NotFoundError
from aikore.files.listing import kind_of
from aikore.files.tree import (
    DIRECTORY,
    OtherDiskError,
    Parts,
    Place,
    PlaceName,
    opened,
    refusals,
    rename_new,
    require_unmounted,
)
from aikore.launch.layout import FILES_TRASH
from aikore.naming import file_parts

CARD, DATA = "card.json", "data"
ENTRY = re.compile(r"\d{8}T\d{12}")
CARD_MAX = 65536


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted file or folder and where it was."""

    id: str
    place: PlaceName
    path: str
    kind: str
    size: int
    deleted_at: datetime


def throw_away(home: Place, place: Place, parts: Parts) -> Deleted:
    """Move something to the trash and return its entry there.

    ``home`` is the instance's own folder; what lies on another disk goes to a trash in its own ``place``.
    """
    place.require_changeable(parts)
    try:
        return _throw_into(home, place, parts)
    except OtherDiskError:
        return _throw_into(place, place, parts)


def _throw_into(holder: Place, place: Place, parts: Parts) -> Deleted:
    with place.parent_of(parts) as (source, name), _bin(holder, make=True) as trash, refusals("/".join(parts)):
        status = os.lstat(name, dir_fd=source)
        require_unmounted(source, name, "be moved to the trash")
        entry = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        card = {"place": place.name, "path": "/".join(parts), "kind": kind_of(status.st_mode), "size": status.st_size}
        os.mkdir(entry, 0o700, dir_fd=trash)
        try:
            fd = os.open(entry, DIRECTORY, dir_fd=trash)
            try:
                _write_card(fd, card)
                os.rename(name, DATA, src_dir_fd=source, dst_dir_fd=fd)
            finally:
                os.close(fd)
        except BaseException:
            shutil.rmtree(entry, dir_fd=trash)
            raise
        return _require(trash, entry)


Places = dict[PlaceName, Place]


def list_trash(places: Places) -> list[Deleted]:
    """Return what was deleted, newest first."""
    found = [entry for place in places.values() for entry in _list_bin(place)]
    return sorted(found, key=lambda entry: entry.id, reverse=True)


def _list_bin(place: Place) -> list[Deleted]:
    with suppress(NotFoundError, InvalidPathError), _bin(place) as trash:
        return [entry for name in filter(ENTRY.fullmatch, os.listdir(trash)) if (entry := _read_entry(trash, name))]
    return []


def restore(places: Places, entry_id: str) -> Deleted:
    """Bring something back to where it was. Raises ConflictError when something else lies there now."""
    with _bin_with(places, entry_id) as trash:
        entry = _require(trash, entry_id)
        place, parts = places[entry.place], file_parts(entry.path)
        place.require_changeable(parts)
        require_unmounted(trash, entry_id, "be restored")
        _make_parents(place, parts[:-1])
        with place.parent_of(parts) as (target, name), _entry_folder(trash, entry_id) as fd, refusals(entry.path):
            rename_new(fd, DATA, target, name)
        with refusals(entry_id):
            shutil.rmtree(entry_id, dir_fd=trash)
    return entry


def remove_for_good(places: Places, entry_id: str) -> None:
    """Remove one entry."""
    with _bin_with(places, entry_id) as trash:
        require_unmounted(trash, entry_id, "be removed")
        with refusals(entry_id):
            shutil.rmtree(entry_id, dir_fd=trash)


@contextmanager
def _bin_with(places: Places, entry_id: str) -> Iterator[int]:
    """Open the trash that holds an entry. Raises NotFoundError."""
    holder = next((place for place in places.values() if any(one.id == entry_id for one in _list_bin(place))), None)
    if holder is None:
        raise NotFoundError(f"There is no deleted file {entry_id[:100]!r}.")
    with _bin(holder) as trash:
        yield trash


@contextmanager
def _bin(holder: Place, make: bool = False) -> Iterator[int]:
    with holder.folder(()) as top, refusals(FILES_TRASH):
        if make:
            with suppress(FileExistsError):
                os.mkdir(FILES_TRASH, 0o700, dir_fd=top)
        fd = os.open(FILES_TRASH, DIRECTORY, dir_fd=top)
        try:
            yield fd
        finally:
            os.close(fd)


@contextmanager
def _entry_folder(trash: int, entry_id: str) -> Iterator[int]:
    with refusals(entry_id):
        fd = os.open(entry_id, DIRECTORY, dir_fd=trash)
        try:
            yield fd
        finally:
            os.close(fd)


def _require(trash: int, entry_id: str) -> Deleted:
    found = _read_entry(trash, entry_id) if ENTRY.fullmatch(entry_id) else None
    if found is None:
        raise NotFoundError(f"There is no deleted file {entry_id[:100]!r}.")
    return found


def _read_entry(trash: int, entry_id: str) -> Deleted | None:
    """Return an entry; None for what is none. A card is a file a program may have changed, so it is not believed."""
    try:
        with _entry_folder(trash, entry_id) as fd, opened(fd, CARD) as file, open(file, "rb", closefd=False) as stream:
            card = json.loads(stream.read(CARD_MAX))
            os.lstat(DATA, dir_fd=fd)
        file_parts(card["path"])
        when = datetime.strptime(entry_id, "%Y%m%dT%H%M%S%f")
        return Deleted(entry_id, PlaceName(card["place"]), card["path"], str(card["kind"]), int(card["size"]), when)
    except (NotFoundError, InvalidPathError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_card(folder: int, card: dict[str, Any]) -> None:
    fd = os.open(CARD, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with open(fd, "wb") as file:
        file.write(json.dumps(card).encode())


def _make_parents(place: Place, parts: Parts) -> None:
    for depth in range(1, len(parts) + 1):
        with place.parent_of(parts[:depth]) as (fd, name), refusals(name), suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=fd)
