"""The folders of instances, their launch scripts and the trash. All functions block: call them in a thread.

Nothing is deleted through a link, and nothing is half-written: files are replaced whole, folders are moved by one
rename.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aikore.config import Settings
from aikore.disk import directory_size, open_plain, read_small, remove_tree, require_space, storage, write_whole
from aikore.errors import InvalidError, NotFoundError
from aikore.launch.desktop import FOLDER_NAME as DESKTOP
from aikore.launch.keeper import ROTATED
from aikore.naming import contained

SCRIPT_NAME = "launch.sh"
SCRIPT_MAX = 2**20
"""Bytes a launch script may have."""

FILES_TRASH = ".aikore-trash"
"""Folder in an instance's folder with the files that were deleted from it; it goes where the instance goes."""

NOT_COPIED = ("env", "logs", "run.json", "run.lock", "stage", DESKTOP, FILES_TRASH)
"""What belongs to one installation or one run; a copy makes its own. Environments hold absolute paths."""

TAIL_BYTES = 16384
TAIL_LINES = 60
"""How much of a log's end is looked at for the cause of a failure."""

TRASH_NAME = re.compile(r"\d{8}T\d{12}-[a-z0-9-]{1,63}")
TRASH_CARD = "instance.json"


def script_version(content: bytes) -> str:
    """Return the version of a script: a digest of its bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


def clean_script(content: str) -> bytes:
    """Return a script as it is stored. Raises InvalidError for what bash could not run."""
    data = content.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    if len(data) > SCRIPT_MAX:
        raise InvalidError(f"The script has {len(data)} bytes; {SCRIPT_MAX} are possible.")
    if b"\0" in data or any("\ud800" <= char <= "\udfff" for char in content):
        raise InvalidError("The script holds a NUL or broken Unicode character, which bash cannot read. Remove it.")
    return data


def last_lines(folder: Path, since: int = 0) -> tuple[str, ...]:
    """Return the last lines with text of an instance's log, without colours, each cut at 500 characters.

    ``since`` is the log's offset at which the run began; what lies before was said by another one.
    """
    logs = folder / "logs"
    with suppress(OSError), open(open_plain(logs / "output.log"), "rb") as log:
        log.seek(max(0, since - _log_start(logs), os.fstat(log.fileno()).st_size - TAIL_BYTES))
        text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", log.read(2 * TAIL_BYTES)).replace(b"\r", b"\n")
        texts = [line.decode("utf-8", "replace").rstrip()[:500] for line in text.split(b"\n") if line.strip()]
        return tuple(texts[-TAIL_LINES:])
    return ()


def _log_start(logs: Path) -> int:
    """Return the offset at which the current log file begins: where the newest rotated one ends."""
    newest = max(filter(None, map(ROTATED.match, os.listdir(logs))), key=lambda found: found[1], default=None)
    return int(newest[1]) + (logs / newest[0]).lstat().st_size if newest else 0


@dataclass(frozen=True, slots=True)
class TrashEntry:
    """A deleted instance. ``card`` holds its row."""

    id: str
    card: dict[str, Any]
    deleted_at: datetime
    size: int


class InstanceFiles:
    """The folders of all instances of one home."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def folder(self, slug: str) -> Path:
        return self._settings.instances_dir / slug

    def outputs(self, slug: str) -> Path:
        return self._settings.outputs_dir / slug

    def slug_in_use(self, slug: str) -> bool:
        """Say whether a folder already bears the slug, dangling links included."""
        return any(os.path.lexists(path) for path in (self.folder(slug), self.outputs(slug)))

    def create(self, slug: str, script: bytes) -> None:
        """Make the folders of a new instance with its launch script; all of it or nothing."""
        require_space(self._settings.home, self._settings.disk_reserve_bytes)
        with storage("Creating the instance's folder"):
            self._undoing(slug, lambda: self._fill_new(slug, script))

    def _fill_new(self, slug: str, script: bytes) -> None:
        self.folder(slug).mkdir(mode=0o755)
        (self.folder(slug) / "logs").mkdir()
        self.outputs(slug).mkdir(mode=0o755)
        write_whole(self.folder(slug) / SCRIPT_NAME, script, 0o755)

    def copy(self, source: str, target: str) -> None:
        """Clone an instance's files; its environment, desktop, logs and outputs are not copied."""
        origin = self.folder(source)
        needed = sum(directory_size(p) for p in origin.iterdir() if p.name not in NOT_COPIED and not p.is_symlink())
        require_space(self._settings.home, self._settings.disk_reserve_bytes, needed)

        def work() -> None:
            shutil.copytree(origin, self.folder(target), symlinks=True, ignore=_ignore_at_top(origin))
            (self.folder(target) / "logs").mkdir()
            self.outputs(target).mkdir()

        with storage("Copying the instance"):
            self._undoing(target, work)

    def _undoing(self, slug: str, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            self.discard(slug)
            raise

    def discard(self, slug: str) -> None:
        """Remove the folders of an instance whose creation failed."""
        for path in (self.folder(slug), self.outputs(slug)):
            with suppress(OSError):
                remove_tree(path)

    def read_script(self, slug: str) -> bytes:
        """Return the launch script. Raises NotFoundError when there is none that bash should read."""
        advice = "Save the script anew."
        try:
            return read_small(self._script_path(slug), SCRIPT_MAX)
        except FileNotFoundError:
            raise NotFoundError(f"{SCRIPT_NAME} of {slug} is not there. {advice}") from None
        except OSError as error:
            raise NotFoundError(f"{SCRIPT_NAME} of {slug} {_fault(error)}. {advice}") from error

    def write_script(self, slug: str, content: bytes) -> None:
        require_space(self._settings.home, 0, len(content))
        with storage("Saving the launch script"):
            write_whole(self._script_path(slug), content, 0o755)

    def keep_old_script(self, slug: str) -> None:
        """Lay the present script beside itself before it is replaced."""
        name = f"{SCRIPT_NAME}.{datetime.now(UTC):%Y%m%dT%H%M%S}.bak"
        with storage("Keeping the old launch script"):
            write_whole(self.folder(slug) / name, self.read_script(slug))

    def _script_path(self, slug: str) -> Path:
        return contained(self.folder(slug), SCRIPT_NAME)

    # The trash ----------------------------------------------------------------------------------------------

    def trash(self, slug: str, card: dict[str, Any]) -> str:
        """Move an instance's folders to the trash and return the entry's id. The folder's rename is the decision."""
        entry_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{slug}"
        entry = self._settings.trash_dir / entry_id
        with storage("Moving the instance to the trash"):
            self._settings.trash_dir.mkdir(exist_ok=True)
            entry.mkdir()
            try:
                write_whole(entry / TRASH_CARD, json.dumps(card).encode(), 0o600)
                if self.folder(slug).exists():
                    self.folder(slug).rename(entry / "instance")
            except OSError:
                remove_tree(entry)
                raise
            if self.outputs(slug).exists():
                self.outputs(slug).rename(entry / "outputs")
        return entry_id

    def list_trash(self) -> list[TrashEntry]:
        """Return the deleted instances, newest first."""
        entries = []
        if self._settings.trash_dir.is_dir():
            for folder in sorted(self._settings.trash_dir.iterdir(), reverse=True):
                with suppress(OSError, ValueError, KeyError, NotFoundError):
                    entries.append(self.trash_entry(folder.name))
        return entries

    def trash_entry(self, entry_id: str) -> TrashEntry:
        """Return one entry. Raises NotFoundError."""
        folder = self._settings.trash_dir / entry_id
        if not TRASH_NAME.fullmatch(entry_id) or not _real_directory(folder):
            raise NotFoundError(f"The trash holds no {entry_id[:100]!r}.")
        try:
            card = json.loads((folder / TRASH_CARD).read_bytes())
        except (OSError, ValueError) as error:
            raise NotFoundError(f"The trash entry {entry_id} has no readable {TRASH_CARD}.") from error
        when = datetime.strptime(entry_id.split("-", 1)[0], "%Y%m%dT%H%M%S%f")
        return TrashEntry(entry_id, card, when, directory_size(folder))

    def restore(self, entry_id: str, slug: str) -> None:
        """Move an entry's folders back, under ``slug``."""
        entry = self._settings.trash_dir / entry_id
        with storage("Restoring the instance"):
            if (entry / "outputs").exists():
                (entry / "outputs").rename(self.outputs(slug))
            else:
                self.outputs(slug).mkdir(exist_ok=True)
            (entry / "instance").rename(self.folder(slug))
            remove_tree(entry)

    def remove_trash(self, entry_id: str) -> None:
        """Delete an entry for good."""
        self.trash_entry(entry_id)
        with storage("Emptying the trash"):
            remove_tree(self._settings.trash_dir / entry_id)

    def trashed_ids(self) -> set[int]:
        """Return the instance ids of all trash entries."""
        return {entry.card["id"] for entry in self.list_trash() if "id" in entry.card}


def _fault(error: OSError) -> str:
    """Say what is wrong with a file that was to be read."""
    match error.errno:
        case errno.EINVAL | errno.ELOOP | errno.EISDIR:
            return "is no plain file"
        case errno.EFBIG:
            return f"has more than {SCRIPT_MAX} bytes"
        case _:
            return f"cannot be read: {error.strerror}"


def _real_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _ignore_at_top(origin: Path) -> Callable[[str, list[str]], set[str]]:
    return lambda folder, names: set(NOT_COPIED) & set(names) if Path(folder) == origin else set()
