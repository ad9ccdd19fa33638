"""The folders of instances and their launch scripts. All functions block: call them in a thread.

Nothing is deleted through a link, and nothing is half-written: files are replaced whole, folders are moved by one
rename.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from aikore.base.disk import (
    NOT_PLAIN,
    directory_size,
    open_plain,
    read_small,
    remove_tree,
    require_no_mounts,
    require_space,
    storage,
    write_whole,
)
from aikore.base.errors import InvalidError, NotFoundError
from aikore.config.home import HomeSettings
from aikore.instances.trash import DOOMED, new_entry_id
from aikore.launch.keeper.segments import ROTATED
from aikore.launch.layout import LOG_NAME, LOGS_NAME, NOT_COPIED, SCRIPT_NAME
from aikore.naming import contained

SCRIPT_MAX = 2**20
"""Bytes a launch script may have."""


TAIL_BYTES = 16384
TAIL_LINES = 60
"""How much of a log's end is looked at for the cause of a failure."""


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


def last_lines(folder: Path, since: int = 0, until: int | None = None) -> tuple[str, ...]:
    """Return the last lines with text of an instance's log, without colours, each cut at 500 characters.

    ``since`` is the log's offset at which the run began; what lies before was said by another one. What lies from
    ``until`` on was redrawn to the last (progress bars) and says nothing.
    """
    logs = folder / LOGS_NAME
    with suppress(OSError), open(open_plain(logs / LOG_NAME), "rb") as log:
        begun, size = _log_start(logs), os.fstat(log.fileno()).st_size
        end = size if until is None else min(max(until - begun, 0), size)
        start = max(0, since - begun, end - TAIL_BYTES)
        log.seek(start)
        text = log.read(min(max(end - start, 0), 2 * TAIL_BYTES))
        if end < size:
            text = text[: text.rfind(b"\n") + 1]
        text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text).replace(b"\r\n", b"\n")
        texts = [
            line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace").rstrip()[:500]
            for line in text.split(b"\n")
        ]
        return tuple([one for one in texts if one.strip()][-TAIL_LINES:])
    return ()


def _log_start(logs: Path) -> int:
    """Return the offset at which the current log file begins: where the newest rotated one ends."""
    newest = max(filter(None, map(ROTATED.match, os.listdir(logs))), key=lambda found: found[1], default=None)
    return int(newest[1]) + (logs / newest[0]).lstat().st_size if newest else 0


class InstanceFiles:
    """The folders of all instances of one home."""

    def __init__(self, settings: HomeSettings) -> None:
        self._settings = settings
        self.home = settings.home
        self.root = settings.instances_dir

    def folder(self, slug: str) -> Path:
        return self._settings.instances_dir / slug

    def outputs(self, slug: str) -> Path:
        return self._settings.outputs_dir / slug

    def slug_in_use(self, slug: str) -> bool:
        """Say whether a folder already bears the slug, dangling links included."""
        return any(os.path.lexists(path) for path in (self.folder(slug), self.outputs(slug)))

    def create(self, slug: str, script: bytes) -> None:
        """Make the folders of a new instance with its launch script; all of it or nothing."""
        require_space(self._settings.instances_dir, self._settings.disk_reserve_bytes)
        with storage("Creating the instance's folder"), _undoing() as made:
            self.folder(slug).mkdir(mode=0o755)
            made.append(self.folder(slug))
            (self.folder(slug) / LOGS_NAME).mkdir()
            self.outputs(slug).mkdir(mode=0o755)
            made.append(self.outputs(slug))
            write_whole(self.folder(slug) / SCRIPT_NAME, script, 0o755)

    def complete(self, slug: str) -> None:
        """Make the folders that an instance needs and a taken-in one may lack."""
        with storage("Taking the instance in"):
            (self.folder(slug) / LOGS_NAME).mkdir(exist_ok=True)
            self.outputs(slug).mkdir(mode=0o755, exist_ok=True)

    def copy(self, source: str, target: str) -> None:
        """Clone an instance's files; its environment, desktop, logs and outputs are not copied.

        The clone takes its place when it is whole; what a killed manager made of it is doomed. Raises MountedError.
        """
        origin = self.folder(source)
        with storage("Looking at the instance"):
            tops = [path for path in origin.iterdir() if path.name not in NOT_COPIED]
            for path in tops:
                require_no_mounts(path, "be copied")
            needed = sum(_size(path) for path in tops)
        require_space(self._settings.instances_dir, self._settings.disk_reserve_bytes, needed)
        clone = self.folder(f"{DOOMED}{new_entry_id(target)}")
        with storage("Copying the instance"), _undoing() as made:
            made.append(clone)
            shutil.copytree(origin, clone, symlinks=True, ignore=_ignore(origin))
            (clone / LOGS_NAME).mkdir()
            self.outputs(target).mkdir()
            made.append(self.outputs(target))
            clone.rename(self.folder(target))

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
        require_space(self._settings.instances_dir, 0, len(content))
        with storage("Saving the launch script"):
            write_whole(self._script_path(slug), content, 0o755)

    def keep_old_script(self, slug: str) -> None:
        """Lay the present script beside itself before it is replaced."""
        name = f"{SCRIPT_NAME}.{datetime.now(UTC):%Y%m%dT%H%M%S}.bak"
        with storage("Keeping the old launch script"):
            write_whole(self.folder(slug) / name, self.read_script(slug))

    def _script_path(self, slug: str) -> Path:
        return contained(self.folder(slug), SCRIPT_NAME)


def _fault(error: OSError) -> str:
    """Say what is wrong with a file that was to be read."""
    if error.errno in NOT_PLAIN:
        return "is no plain file"
    if error.errno == errno.EFBIG:
        return f"has more than {SCRIPT_MAX} bytes"
    return f"cannot be read: {error.strerror}"


@contextmanager
def _undoing() -> Iterator[list[Path]]:
    """Yield a list for the folders that the block makes; they are gone again when it fails."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in made:
            with suppress(OSError):
                remove_tree(path)
        raise


def _size(path: Path) -> int:
    """Return the bytes of a file, or of a folder and what lies in it."""
    return directory_size(path) if path.is_dir() and not path.is_symlink() else path.lstat().st_size


def _ignore(origin: Path) -> Callable[[str, list[str]], set[str]]:
    """Leave out, at the top, what is not copied, and everywhere what is no file, folder or link."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        special = {name for name in names if _is_special(Path(folder, name))}
        return special | (set(NOT_COPIED) & set(names) if Path(folder) == origin else set())

    return left_out


def _is_special(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
