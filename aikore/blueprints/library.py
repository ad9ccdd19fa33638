"""The library: stock blueprints, which ship and are read-only, and custom ones in the data folder. Owns their files.

All work here blocks on the disk: call it from a thread.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aikore.base.errors import (
    InvalidBlueprintError,
    InvalidNameError,
    NameTakenError,
    ReadOnlyError,
    StaleError,
    StorageError,
    UnknownBlueprintError,
)
from aikore.blueprints.header import Header, parse_header

log = logging.getLogger(__name__)

SIZE_MAX = 1024 * 1024
"""Bytes of a blueprint."""
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9_-])?")
Source = Literal["stock", "custom"]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One script of the library. With an ``error`` it is shown, but nothing can be made from it."""

    id: str
    file: str
    source: Source
    header: Header
    error: str | None
    content: str

    @property
    def version(self) -> str:
        """What a save must name to be sure that it overwrites only what was read."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:32]


def blueprint_id(name: str) -> str:
    """Return the id that ``name`` or ``name.sh`` stands for. Raises InvalidNameError when it cannot be one."""
    stem = name.removesuffix(".sh")
    if not NAME.fullmatch(stem):
        raise InvalidNameError(
            f"{name[:80]!r} cannot be a blueprint's name; use 1 to 64 letters, digits, spaces, dots, '_' and '-', "
            "beginning with a letter or digit."
        )
    return stem


def clean_content(content: str) -> str:
    """Return a script as it is stored, with Unix line ends. Raises InvalidBlueprintError when it is none."""
    text = content.replace("\r\n", "\n")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidBlueprintError("The script holds a half character (a lone surrogate). Remove it.") from None
    if size > SIZE_MAX:
        raise InvalidBlueprintError(f"The script has {size} bytes; {SIZE_MAX} are possible. Shorten it.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidBlueprintError(f"Line {line}: a script cannot hold a NUL character. Remove it.", line=line)
    return text


class Library:
    """Reads, saves and removes blueprints. Reads the disk on every call, so files put there by hand count at once."""

    def __init__(self, stock_dir: Path, custom_dir: Path) -> None:
        self._stock = stock_dir
        self._custom = custom_dir
        self._writing = threading.Lock()

    def list(self) -> list[Blueprint]:
        """Return all blueprints by name, stock ones first. A broken one is among them, with its error."""
        stock = [_load(self._stock, path.name, "stock") for path in _scripts(self._stock)]
        taken = {one.id.casefold() for one in stock}
        custom = [_load(self._custom, path.name, "custom") for path in _scripts(self._custom)]
        return stock + [_shadowed(one) if one.id.casefold() in taken else one for one in custom]

    def get(self, name: str) -> Blueprint:
        """Return the blueprint called ``name`` or ``name.sh``. Raises UnknownBlueprintError."""
        try:
            stem = blueprint_id(name)
        except InvalidNameError as error:
            raise UnknownBlueprintError(error.message) from error
        for folder, source in self._shelves():
            if os.path.lexists(folder / f"{stem}.sh"):
                return _load(folder, f"{stem}.sh", source)
        raise UnknownBlueprintError(f"There is no blueprint {stem!r}; GET /api/blueprints lists them.")

    def save(self, name: str, content: str, expected: str | None = None) -> Blueprint:
        """Store a custom blueprint and return it.

        Raises NameTakenError for a stock name, InvalidBlueprintError for what is no blueprint, and StaleError when
        ``expected`` is given and is not the stored version ("*" stands for any).
        """
        stem = blueprint_id(name)
        self._refuse_stock_name(stem, NameTakenError, "Save it under another name.")
        text = clean_content(content)
        parse_header(text)
        with self._writing:
            self._refuse_stale(stem, expected)
            _write(self._custom, f"{stem}.sh", text)
        return self.get(stem)

    def delete(self, name: str) -> None:
        """Move a custom blueprint to ``trashcan/blueprints``. Raises UnknownBlueprintError or ReadOnlyError."""
        stem = self.get(name).id
        self._refuse_stock_name(stem, ReadOnlyError, "It cannot be removed.")
        with self._writing:
            self._to_trash(stem)

    def is_stock(self, name: str) -> bool:
        """Tell whether a stock blueprint has this name, in whatever case."""
        stem = name.removesuffix(".sh").casefold()
        return any(path.stem.casefold() == stem for path in _scripts(self._stock))

    def _shelves(self) -> tuple[tuple[Path, Source], tuple[Path, Source]]:
        return (self._stock, "stock"), (self._custom, "custom")

    def _refuse_stock_name(self, stem: str, kind: type[NameTakenError | ReadOnlyError], advice: str) -> None:
        if self.is_stock(stem):
            raise kind(f"{stem!r} is a stock blueprint and ships with AiKore. {advice}")

    def _refuse_stale(self, stem: str, expected: str | None) -> None:
        if expected is None:
            return
        try:
            current = self.get(stem).version
        except UnknownBlueprintError:
            raise StaleError(f"The blueprint {stem!r} is gone. Save it without If-Match to make it anew.") from None
        if expected not in ("*", current):
            raise StaleError(f"The blueprint {stem!r} was changed meanwhile. Read it again, then save.")

    def _to_trash(self, stem: str) -> None:
        trash = self._custom.parent / "trashcan" / "blueprints"
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        try:
            trash.mkdir(parents=True, exist_ok=True)
            place = tempfile.mkdtemp(prefix=f"{stamp}-", dir=trash)
            shutil.move(self._custom / f"{stem}.sh", place)
        except FileNotFoundError:
            raise UnknownBlueprintError(f"The blueprint {stem!r} is gone already.") from None
        except OSError as error:
            raise StorageError(
                f"Removing the blueprint {stem!r} failed: {error.strerror}. It is still there."
            ) from error


def _scripts(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix == ".sh" and not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("the blueprints in %s cannot be read: %s", folder, error.strerror)
        return []
    return sorted(found, key=lambda path: (path.name.casefold(), path.name))


def _shadowed(blueprint: Blueprint) -> Blueprint:
    """Give a custom file with a stock name an id of its own, so that it is seen and can be renamed."""
    error = f"A stock blueprint is called {blueprint.id!r} too. Rename the file."
    return replace(blueprint, id=blueprint.file, error=error)


def _load(folder: Path, file: str, source: Source) -> Blueprint:
    stem = file.removesuffix(".sh")
    header, error, content = Header(), None, ""
    try:
        blueprint_id(stem)
        content = _read(folder, file)
        header = parse_header(content)
    except (InvalidBlueprintError, InvalidNameError) as refused:
        error = refused.message
    return Blueprint(stem, file, source, replace(header, name=header.name or stem), error, content)


def _read(folder: Path, file: str) -> str:
    """Read a script; only a plain file inside ``folder``, links resolved. Raises InvalidBlueprintError."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidBlueprintError(f"{file} is a link that leads out of the blueprints folder. Copy the file here.")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InvalidBlueprintError(f"{file} is not a plain file.")
            return clean_content(stream.read(SIZE_MAX + 1).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidBlueprintError(f"Line {line}: this is not UTF-8 text.", line=line) from None
    except OSError as error:
        raise InvalidBlueprintError(f"{file} cannot be read: {error.strerror}.") from error


def _write(folder: Path, file: str, text: str) -> None:
    """Write through a temporary file, so that readers see the old script or the new one."""
    temporary: str | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(handle)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / file)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(f"Saving the blueprint failed: {error.strerror}. Nothing was changed.") from error
