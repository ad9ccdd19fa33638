"""Whose a data folder is: where it lies, and whether it is a copy of another one. Owns ``identity.json``.

A folder is known by its number on the disk (device and inode): a copy bears the same names and the same records, but
lies elsewhere. Only looks at other folders and other processes; changes none of them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from aikore.base import procfs
from aikore.base.disk import read_small, write_whole
from aikore.base.errors import StartupError

log = logging.getLogger(__name__)

NAME = "identity.json"
NAME_MAX_BYTES = 16384
HELD = {"manager.lock": 0, "run.lock": 2, "output.log": 3}
"""Files that managers and keepers hold open while they work, and how many folders lie between them and their home."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What ``identity.json`` says: the house's own id, and where its folder was when this was written."""

    id: str
    path: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Original:
    """The data folder that another one was copied from. ``lives``: an AiKore or an app of it works there now."""

    home: Path
    lives: bool


def recognise(home: Path, own: Collection[str] = ()) -> Original | None:
    """Note where this folder lies and return what it is a copy of; None for a house of its own, a moved one too.

    A copy gets an id of its own, so it is told once. Raises StartupError when a folder named in ``own`` leads to that
    of a living original.
    """
    known, here = read(home), _located(home)
    if known is None:
        _write(home, here)
        return None
    if known.inode == here.inode and (known.device == here.device or known.path == here.path):
        if known != replace(here, id=known.id):
            _write(home, replace(here, id=known.id))
        return None
    original = _find_original(home, known)
    _write(home, here if original else replace(here, id=known.id))
    if original and (theirs := read(original.home)) and theirs.id == here.id:  # one folder under two names
        _write(home, replace(here, id=known.id))
        return None
    if original and original.lives and (shared := [name for name in own if _same(home / name, original.home / name)]):
        _write(home, known)
        raise StartupError(
            f"This data folder is a copy of {original.home}, which is in use, and {', '.join(shared)} lead to the same "
            "folders from both: what is deleted here would be missing there. Put a folder of its own in the place of "
            "each of these links, then start again."
        )
    return original


def read(home: Path) -> Identity | None:
    """Return what a data folder says of itself; None when it says nothing that can be read."""
    try:
        return Identity(**json.loads(read_small(home / NAME, NAME_MAX_BYTES)))
    except (OSError, ValueError, TypeError):
        return None


def _located(home: Path) -> Identity:
    status = home.stat()
    return Identity(uuid4().hex, str(home), status.st_dev, status.st_ino)


def _write(home: Path, identity: Identity) -> None:
    try:
        write_whole(home / NAME, json.dumps(asdict(identity)).encode(), 0o600)
    except OSError as error:  # a full disk must not keep the house from opening
        log.warning("%s could not be written: %s", home / NAME, error)


def _find_original(home: Path, known: Identity) -> Original | None:
    """Return the other folder with this id: where it was noted, or where something is at work."""
    at_work = set(_homes_at_work())
    for other in (Path(known.path), *sorted(at_work)):
        found = read(other)
        if found and found.id == known.id and not _same(home, other):
            return Original(other, other in at_work or _has_apps(other))
    return None


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return False


def _homes_at_work() -> Iterator[Path]:
    """Yield the data folders in which a manager or a keeper holds its files."""
    for pid in procfs.pids():
        for target in procfs.descriptors(pid):
            path = Path(target.removesuffix(" (deleted)"))
            between = HELD.get(path.name, len(path.parents))
            if between < len(path.parents):
                yield path.parents[between]


def _has_apps(home: Path) -> bool:
    """Say whether a program of one of this house's instances runs."""
    mark = f"INSTANCE_CONF_DIR={os.fspath(home)}/"
    return any(line.startswith(mark) for pid in procfs.pids() for line in procfs.environment(pid))
