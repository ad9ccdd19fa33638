"""Walks the folders of an instance by descriptors, so that no link is ever followed. Blocking; run it in a thread.

Every folder on the way is opened relative to the one before it and never through a link, and what is done is done
relative to the last descriptor. So a path cannot lead out, whatever changes on the disk meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aikore.base.disk import require_no_mounts
from aikore.base.errors import (
    AiKoreError,
    ConflictError,
    ForbiddenError,
    InvalidPathError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
)
from aikore.config.home import HomeSettings
from aikore.launch.layout import AIKORES_OWN, CARD_NAME, FILES_TRASH, SCRIPT_NAME


class OtherDiskError(StorageError):
    """One rename does not reach where something is to go."""


DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PLAIN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
RENAME_NOREPLACE = 1
"""Flag of renameat2(2): fail where the new name exists."""


Parts = tuple[str, ...]
_libc = ctypes.CDLL(None, use_errno=True)


class PlaceName(StrEnum):
    """The two folders of an instance."""

    INSTANCE = "instance"
    OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True)
class Place:
    """One folder of one instance."""

    name: PlaceName
    parent: Path
    slug: str
    reserve: int = 0

    @contextmanager
    def folder(self, parts: Parts) -> Iterator[int]:
        """Open a folder below; yields its descriptor. Raises NotFoundError or InvalidPathError."""
        with refusals("/".join(parts)):
            fd = os.open(self.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for part in (self.slug, *parts):
                    below = os.open(part, DIRECTORY, dir_fd=fd)
                    os.close(fd)
                    fd = below
                yield fd
            finally:
                os.close(fd)

    @contextmanager
    def parent_of(self, parts: Parts) -> Iterator[tuple[int, str]]:
        """Open the folder that holds what ``parts`` names; yields its descriptor and the last name."""
        if not parts:
            raise InvalidPathError("This is the folder itself. Name something in it.")
        if self.name is PlaceName.INSTANCE and parts == (CARD_NAME,):  # it holds values that not everybody may see
            raise NotFoundError(f"There is no {CARD_NAME!r}.")
        with self.folder(parts[:-1]) as fd:
            yield fd, parts[-1]

    @contextmanager
    def file(self, parts: Parts) -> Iterator[int]:
        """Open a plain file for reading; yields its descriptor. Raises InvalidPathError for anything else."""
        with self.parent_of(parts) as (fd, name), opened(fd, name) as file:
            yield file

    def require_changeable(self, parts: Parts) -> None:
        """Raise ReadOnlyError for what AiKore itself relies on."""
        own = AIKORES_OWN if self.name is PlaceName.INSTANCE else {FILES_TRASH}
        if parts and parts[0] in own:
            advice = "Use the script's own editor." if parts[0] == SCRIPT_NAME else "A terminal can still do so."
            raise ReadOnlyError(f"{parts[0]} belongs to AiKore and is not changed from here. {advice}")


def place_of(settings: HomeSettings, slug: str, name: PlaceName) -> Place:
    """Return a folder of an instance."""
    parent = settings.instances_dir if name is PlaceName.INSTANCE else settings.outputs_dir
    return Place(name, parent, slug, settings.disk_reserve_bytes)


@contextmanager
def opened(folder: int, name: str) -> Iterator[int]:
    """Open a plain file of a folder for reading. Raises InvalidPathError for links and special files."""
    with refusals(name):
        if not stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
            raise InvalidPathError(f"{name[:200]!r} is a link, a folder or a special file; only plain files are read.")
        fd = os.open(name, PLAIN, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise InvalidPathError(f"{name[:200]!r} is no plain file.")
            yield fd
        finally:
            os.close(fd)


def lstat_at(folder: int, name: str) -> os.stat_result | None:
    """Return what lies there, links not followed; None when nothing does."""
    with suppress(FileNotFoundError):
        return os.lstat(name, dir_fd=folder)
    return None


def require_unmounted(folder: int, name: str, doing: str) -> None:
    """Raise MountedError where something is mounted at or below what the folder holds by this name."""
    require_no_mounts(Path(f"/proc/self/fd/{folder}").readlink() / name, doing)


def rename_new(source: int, name: str, target: int, new_name: str) -> None:
    """Move something to a name that must be free. Raises FileExistsError."""
    if hasattr(_libc, "renameat2"):
        if _libc.renameat2(source, os.fsencode(name), target, os.fsencode(new_name), RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(number, os.strerror(number), new_name)
    if lstat_at(target, new_name) is not None:  # a file system that cannot tell (NFS, FAT)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name)
    os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)


@contextmanager
def refusals(path: str) -> Iterator[None]:
    """Turn what the disk refuses inside the block into errors that say what to do."""
    try:
        yield
    except OSError as error:
        raise _told(error, path[:200] or "the folder") from error


def _told(error: OSError, path: str) -> AiKoreError:
    reason = error.strerror or str(error)
    match error.errno:
        case errno.ENOENT:
            return NotFoundError(f"There is no {path!r}.")
        case errno.ENOTDIR | errno.ELOOP:
            return InvalidPathError(
                f"{path!r} goes through a link or something that is no folder. Links are not followed."
            )
        case errno.EINVAL:
            return InvalidPathError(f"{path!r} cannot be moved into itself.")
        case errno.ENAMETOOLONG:
            return InvalidPathError(f"The name of {path!r} is too long for this disk. Shorten it.")
        case errno.EEXIST | errno.ENOTEMPTY | errno.EISDIR:
            return ConflictError(f"{path!r} already exists. Choose another name.")
        case errno.EACCES | errno.EPERM:
            return ForbiddenError(f"AiKore's user has no right to {path!r} on the disk: {reason}.")
        case errno.EXDEV:
            return OtherDiskError(f"{path!r} lies on another disk. Copy it in a terminal, or remove it for good.")
        case errno.ENOSPC | errno.EDQUOT:
            return StorageError("The disk is full. Nothing was changed; free some space and try again.")
        case _:
            return StorageError(f"{path!r} could not be used: {reason}. Nothing was changed.")
