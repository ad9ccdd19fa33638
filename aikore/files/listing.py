"""What a folder holds, a page at a time. Blocking; run it in a thread."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from aikore.base.errors import NotFoundError
from aikore.files.tree import Parts, Place, lstat_at, refusals
from aikore.launch.layout import HIDDEN

READ_MAX = 500_000
"""Entries of one folder that are looked at."""


Kind = Literal["file", "folder", "link", "other"]


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """One thing in a folder. ``target``: where a link points, as text. Without ``reachable`` its name is no text."""

    name: str
    kind: Kind
    size: int
    modified: float
    target: str | None
    reachable: bool


@dataclass(frozen=True, slots=True)
class FolderPage:
    """A stretch of a folder: folders first, then by name. ``more``: the folder holds more than was looked at."""

    entries: list[FolderEntry]
    total: int
    more: bool


def list_folder(place: Place, parts: Parts, offset: int, limit: int) -> FolderPage:
    """Return the entries of a folder from ``offset`` on. Only those are looked at more closely than by name."""
    with place.folder(parts) as fd, os.scandir(fd) as entries:
        seen = (one for one in islice(entries, READ_MAX) if parts or one.name not in HIDDEN)
        found = [(not one.is_dir(follow_symlinks=False), one.name) for one in seen]
        more = next(entries, None) is not None
        found.sort(key=lambda one: (one[0], one[1].casefold(), one[1]))
        shown = [entry for _, name in found[offset : offset + limit] if (entry := _entry(fd, name))]
        return FolderPage(shown, len(found), more)


def describe(place: Place, parts: Parts) -> FolderEntry:
    """Return the entry of one thing. Raises NotFoundError."""
    with place.parent_of(parts) as (fd, name):
        entry = _entry(fd, name)
    if entry is None:
        raise NotFoundError(f"There is no {'/'.join(parts)[:200]!r}.")
    return entry


def _entry(folder: int, name: str) -> FolderEntry | None:
    with refusals(name):
        status = lstat_at(folder, name)
        if status is None:
            return None
        kind = kind_of(status.st_mode)
        target = os.fsencode(os.readlink(name, dir_fd=folder)).decode("utf-8", "replace") if kind == "link" else None
    shown = os.fsencode(name).decode("utf-8", "replace")
    return FolderEntry(shown, kind, status.st_size, status.st_mtime, target, shown == name)


def kind_of(mode: int) -> Kind:
    """Return what a file mode stands for."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"
