"""The trash of instances: how deleted ones go there, come back, and go for good. Blocking; call it in a thread.

An instance has two parts, its folder and its outputs. What lies on the trash's own file system goes into
``trashcan/<entry>/``; a part on another one goes by one rename to ``.trashcan/<entry>`` beside it. So deleting copies
nothing, and every change is a few renames that are undone together when one of them is refused.

What bears :data:`DOOMED` before its name belongs to nobody any more: it is removed in the background, after a kill at
the next start. One doomed part dooms the whole entry, so a purge that was interrupted is finished.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aikore.base.disk import FULL, read_small, remove_tree, require_no_mounts, require_space, storage, write_whole
from aikore.base.errors import ConflictError, NotFoundError, StorageError
from aikore.config.home import HomeSettings
from aikore.instances.cards import foreign_home, read_card
from aikore.monitor.folders import measure

INSTANCE, OUTPUTS = "instance", "outputs"
TRASH_CARD = "instance.json"
"""In an entry: the deleted row and its runs."""
TRASH_SIZE = "size"
"""In an entry: how many bytes it takes, once they were counted."""
BESIDE = ".trashcan"
"""The trash of a file system that is not the trash's own, in the folder whose parts it holds."""
DOOMED = ".purge-"
ENTRY = re.compile(r"\d{8}T\d{12}-[a-z0-9-]{1,63}")
CARD_MAX = 16 * 2**20


@dataclass(frozen=True, slots=True)
class TrashEntry:
    """A deleted instance. ``card`` holds its row; ``size`` is None until it was counted."""

    id: str
    card: dict[str, Any]
    deleted_at: datetime
    size: int | None


@dataclass(slots=True)
class Moves:
    """Renames that are one change: either all of them are done or none."""

    entry_id: str
    done: list[tuple[Path, Path]] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)
    """Folders made for them, which go when the moves are undone."""

    def move(self, source: Path, target: Path) -> None:
        """Move by one rename. Raises OSError."""
        source.rename(target)
        self.done.append((source, target))

    def undo(self) -> None:
        """Put everything back."""
        while self.done:
            source, target = self.done.pop()
            target.rename(source)
        while self.made:
            remove_tree(self.made.pop())


def new_entry_id(slug: str) -> str:
    """Return the name of an entry, or of something doomed, that is made now."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{slug}"


def deleted_at(entry_id: str) -> datetime:
    """Return when an entry was made, as times are stored: UTC without a zone."""
    return datetime.strptime(entry_id.split("-", 1)[0], "%Y%m%dT%H%M%S%f")


class Trash:
    """The trash of one home."""

    def __init__(self, settings: HomeSettings) -> None:
        self._home = settings.home
        self._folder = settings.trash_dir
        self._homes = {INSTANCE: settings.instances_dir, OUTPUTS: settings.outputs_dir}
        self._reserve = settings.disk_reserve_bytes

    # Deleting -----------------------------------------------------------------------------------------------

    def throw_away(self, slug: str, card: dict[str, Any]) -> Moves:
        """Move an instance's parts to the trash; the caller undoes it when the row stays.

        Raises MountedError when something is mounted in them, ConflictError when they are another house's, StorageError
        when the disk refuses.
        """
        sources = self._sources(slug, "be moved to the trash")
        moves = Moves(new_entry_id(slug))
        entry = self._folder / moves.entry_id
        with storage("Moving the instance to the trash"):
            self._folder.mkdir(exist_ok=True)
            entry.mkdir()
            moves.made.append(entry)
            try:
                _write_card(entry, card, sources.get(INSTANCE))
                for part, source in sources.items():
                    self._throw(moves, source, part)
            except BaseException:
                moves.undo()
                raise
        return moves

    def _throw(self, moves: Moves, source: Path, part: str) -> None:
        try:
            moves.move(source, self._folder / moves.entry_id / part)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = self._homes[part] / BESIDE
            beside.mkdir(exist_ok=True)
            moves.move(source, beside / moves.entry_id)

    def doom(self, slug: str) -> Moves:
        """Take an instance's parts out of the house for good; nothing new is made, so a full disk cannot refuse it.

        Raises as :meth:`throw_away` does.
        """
        sources = self._sources(slug, "be deleted")
        moves = Moves(new_entry_id(slug))
        with storage("Deleting the instance"):
            try:
                for part, source in sources.items():
                    self._doom_part(moves, source, part)
            except BaseException:
                moves.undo()
                raise
        return moves

    def _sources(self, slug: str, doing: str) -> dict[str, Path]:
        """Return the parts that are there, dangling links too. Raises MountedError, ConflictError."""
        sources = {part: home / slug for part, home in self._homes.items() if os.path.lexists(home / slug)}
        for source in sources.values():
            require_no_mounts(source, doing)
        folder = self._homes[INSTANCE] / slug
        if not folder.is_symlink() and (theirs := foreign_home(folder, self._home)):
            raise ConflictError(
                f"The folder {folder.resolve()} belongs to the AiKore in {theirs}, so it cannot {doing} here. "
                "Nothing was changed."
            )
        return sources

    # Looking ------------------------------------------------------------------------------------------------

    def entries(self) -> list[TrashEntry]:
        """Return the deleted instances, newest first."""
        found = []
        for name in sorted(self._names(), reverse=True):
            with suppress(NotFoundError):
                found.append(self.entry(name))
        return found

    def _names(self) -> set[str]:
        places = (self._folder, *(home / BESIDE for home in self._homes.values()))
        return {name for place in places for name in _listed(place) if ENTRY.fullmatch(name)}

    def entry(self, entry_id: str) -> TrashEntry:
        """Return one entry. Raises NotFoundError."""
        if not ENTRY.fullmatch(entry_id):
            raise NotFoundError(f"The trash holds no {entry_id[:100]!r}.")
        folder = self._folder / entry_id
        parts = self._parts(entry_id)
        if not (_is_folder(folder) or parts):
            raise NotFoundError(f"The trash holds no {entry_id}.")
        card = _read_json(folder / TRASH_CARD) or (read_card(parts[INSTANCE]) if INSTANCE in parts else {})
        if not (card or parts):
            raise NotFoundError(f"The trash entry {entry_id} holds nothing.")
        slug = entry_id.split("-", 1)[1]
        named = {"name": slug, "slug": slug, "base_blueprint": ""} | card
        return TrashEntry(entry_id, named, deleted_at(entry_id), _read_size(folder))

    def _parts(self, entry_id: str) -> dict[str, Path]:
        """Return where the parts of an entry lie."""
        found = {}
        for part, home in self._homes.items():
            for place in (self._folder / entry_id / part, home / BESIDE / entry_id):
                if os.path.lexists(place):
                    found[part] = place
                    break
        return found

    def count(self, entry_id: str) -> int:
        """Count the bytes of an entry and remember them; it takes its time."""
        size = sum(measure(part) for part in self._parts(entry_id).values() if _is_folder(part))
        with suppress(OSError):
            write_whole(self._folder / entry_id / TRASH_SIZE, str(size).encode(), 0o600)
        return size

    # Coming back --------------------------------------------------------------------------------------------

    def restore(self, entry_id: str, slug: str) -> Moves:
        """Move an entry's parts back, under ``slug``. What is left of the entry is :meth:`drop`'s matter.

        Raises ConflictError when its folder is not there, MountedError, StorageError; nothing was moved then.
        """
        parts = self._parts(entry_id)
        if INSTANCE not in parts:
            raise ConflictError(
                "The folder of this instance is not in the trash. If it lies on another disk, mount that one; "
                "else remove the entry."
            )
        for path in parts.values():
            require_no_mounts(path, "be restored")
        moves = Moves(entry_id)
        with storage("Restoring the instance"):
            try:
                for part, path in parts.items():
                    self._carry(moves, path, self._homes[part] / slug)
                if OUTPUTS not in parts:
                    (self._homes[OUTPUTS] / slug).mkdir()
                    moves.made.append(self._homes[OUTPUTS] / slug)
            except BaseException:
                moves.undo()
                raise
        return moves

    def _carry(self, moves: Moves, source: Path, target: Path) -> None:
        """Move a part back; where the disks were changed meanwhile, by a copy that is compared before it counts."""
        try:
            moves.move(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copied = target.with_name(f"{DOOMED}{new_entry_id(target.name)}")
            moves.made.append(copied)
            if source.is_symlink():
                copied.symlink_to(source.readlink())
            else:
                require_space(target.parent, self._reserve, measure(source))
                shutil.copytree(source, copied, symlinks=True)
            if (missing := next(_differences(source, copied), None)) is not None:
                raise StorageError(f"The copy of {missing} is not like the original. Nothing was changed.") from error
            copied.rename(target)
            moves.made[-1] = target

    def drop(self, entry_id: str) -> list[Path]:
        """Doom what is left of an entry; return what is to be removed. Raises MountedError, StorageError."""
        places = [self._folder / entry_id, *(home / BESIDE / entry_id for home in self._homes.values())]
        there = [place for place in places if os.path.lexists(place)]
        for place in there:
            require_no_mounts(place, "be removed")
        moves = Moves(entry_id)
        with storage("Emptying the trash"):
            try:
                for place in there:
                    moves.move(place, place.with_name(DOOMED + place.name))
            except BaseException:
                moves.undo()
                raise
        return [target for _, target in moves.done]

    def purge(self, entry_id: str) -> list[Path]:
        """Doom an entry; return what is to be removed. Raises NotFoundError, MountedError, StorageError."""
        self.entry(entry_id)
        return self.drop(entry_id)

    # After a kill -------------------------------------------------------------------------------------------

    def complete(self, row_id: int, slug: str, made_at: datetime) -> bool:
        """Finish the deletion of an instance whose folder is gone but whose row is there; False when it was none."""
        for entry_id in sorted(self._doomed_ids(), reverse=True):
            if entry_id.split("-", 1)[1] == slug and deleted_at(entry_id) >= made_at:
                self._finish(slug, self._doom_part, entry_id)
                return True
        for entry in self.entries():
            same = entry.card.get("id", row_id) == row_id and entry.card["slug"] == slug
            if same and entry.deleted_at >= made_at and INSTANCE in self._parts(entry.id):
                self._finish(slug, self._throw, entry.id)
                return True
        return False

    def _doom_part(self, moves: Moves, source: Path, part: str) -> None:
        moves.move(source, self._homes[part] / f"{DOOMED}{moves.entry_id}")

    def _finish(self, slug: str, move: Callable[[Moves, Path, str], None], entry_id: str) -> None:
        outputs = self._homes[OUTPUTS] / slug
        if os.path.lexists(outputs):
            with storage("Finishing a deletion"):
                move(Moves(entry_id), outputs, OUTPUTS)

    def complete_restoration(self, entry_id: str, slug: str) -> None:
        """Bring back what an interrupted restoration left in the trash; the folder itself is back already."""
        if not ENTRY.fullmatch(entry_id):
            return
        outputs = self._parts(entry_id).get(OUTPUTS)
        if outputs is not None and not os.path.lexists(self._homes[OUTPUTS] / slug):
            with storage("Finishing a restoration"):
                self._carry(Moves(entry_id), outputs, self._homes[OUTPUTS] / slug)
        self.drop(entry_id)

    def sweep(self, living: Mapping[int, str]) -> list[Path]:
        """Doom the rest of every entry that is partly doomed, and return all that is to be removed.

        ``living``: the instances that there are and their slugs; a deletion of theirs that did not begin is forgotten.
        """
        for entry_id in self._doomed_ids():
            with suppress(StorageError, ConflictError):
                self.drop(entry_id)
        for name in filter(ENTRY.fullmatch, _listed(self._folder)):
            with suppress(OSError):
                (self._folder / name).rmdir()
        for entry in self.entries():
            unmoved = not self._parts(entry.id) and living.get(entry.card.get("id", 0)) == entry.card["slug"]
            if unmoved and os.path.lexists(self._homes[INSTANCE] / str(entry.card["slug"])):
                with suppress(StorageError, ConflictError):
                    self.drop(entry.id)
        return self._doomed()

    def _doomed(self) -> list[Path]:
        places = [self._folder]
        for home in self._homes.values():
            places += [home, home / BESIDE]
        return [place / name for place in places for name in _listed(place) if _is_doomed(name)]

    def _doomed_ids(self) -> set[str]:
        return {path.name.removeprefix(DOOMED) for path in self._doomed()}


def _write_card(entry: Path, card: dict[str, Any], folder: Path | None) -> None:
    """Write an entry's card. On a full disk the one in the instance's folder is enough."""
    try:
        write_whole(entry / TRASH_CARD, json.dumps(card).encode(), 0o600)
    except OSError as error:
        if error.errno not in FULL or folder is None or not read_card(folder):
            raise


def _is_doomed(name: str) -> bool:
    return name.startswith(DOOMED) and ENTRY.fullmatch(name.removeprefix(DOOMED)) is not None


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    return not path.is_symlink() and path.is_dir()


def _read_json(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        data = json.loads(read_small(path, CARD_MAX))
        if isinstance(data, dict):
            return data
    return {}


def _read_size(folder: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(read_small(folder / TRASH_SIZE, 40))
    return None


def _differences(source: Path, copied: Path) -> Iterator[Path]:
    """Yield what a copy lacks or has otherwise: kinds, sizes, links' targets and the bytes of files."""
    if source.is_symlink() or not source.is_dir():
        if not _same_file(source, copied):
            yield source
        return
    if not _is_folder(copied) or set(_listed(source)) != set(_listed(copied)):
        yield source
        return
    for name in _listed(source):
        yield from _differences(source / name, copied / name)


def _same_file(one: Path, other: Path) -> bool:
    if one.is_symlink():
        return other.is_symlink() and one.readlink() == other.readlink()
    if other.is_symlink() or not other.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    with open(one, "rb") as first, open(other, "rb") as second:
        while block := first.read(2**20):
            if second.read(2**20) != block:
                return False
    return True
