"""What every room needs of a disk: whole writes, bounded reads, free space, mounts. Blocking; call it in a thread.

Whatever lies in a folder that apps write to may be anything: a pipe, a device, a link, a file without end. So it is
read by :func:`read_small`, and nothing that moves or deletes a folder goes on into another file system
(:func:`require_no_mounts`).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aikore.base.errors import MountedError, StartupError, StorageError

MOUNTS = "/proc/self/mountinfo"
RESERVE = 2**20
"""Bytes a :class:`Reserve` keeps: a few transactions, NGINX's configuration and pages, records and cards."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NOT_PLAIN = frozenset({errno.EINVAL, errno.ELOOP, errno.EISDIR, errno.ENXIO})
"""What :func:`open_plain` fails with where something lies that is no plain file."""


@contextmanager
def storage(doing: str) -> Iterator[None]:
    """Turn the disk's refusals inside the block into a StorageError that says what was being done."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in FULL else error.strerror or str(error)
        raise StorageError(f"{doing} failed: {reason}. Nothing was changed.") from error


def require_space(folder: Path | int, reserve: int, needed: int = 0) -> None:
    """Raise StorageError unless ``needed`` bytes fit and ``reserve`` stay free. ``folder`` may be a descriptor."""
    with storage("Looking at the disk"):
        free = shutil.disk_usage(folder).free
    if free < reserve + needed:
        raise StorageError(
            f"Not enough disk: {size_text(free)} left, needs about {size_text(reserve + needed)}. "
            "Free some and try again."
        )


class Reserve:
    """A file that keeps a little room, for what must work on a full disk: deleting to make room, and a start.

    Whoever needs it lends it first and refills it afterwards. Nothing fails for lack of it that would not anyway.
    """

    def __init__(self, path: Path, size: int = RESERVE) -> None:
        self._path = path
        self._size = size

    def lend(self) -> None:
        """Give the room up where there is none besides it."""
        with suppress(OSError):
            if shutil.disk_usage(self._path.parent).free < self._size:
                self._path.unlink(missing_ok=True)

    def refill(self) -> None:
        """Keep as much room as there is, up to the whole reserve. Bytes of chance, which no file system packs."""
        with suppress(OSError), open(self._path, "ab", buffering=0) as file:
            os.fchmod(file.fileno(), 0o600)
            while (missing := self._size - file.tell()) > 0:
                file.write(os.urandom(min(missing, 65536)))


def size_text(count: int) -> str:
    """Return a number of bytes as people say it."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file at once: readers see the old or the new one, a full disk leaves the old one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with open(temporary, "xb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_plain(path: Path | str, dir_fd: int | None = None) -> int:
    """Open a plain file for reading without ever waiting for it; return its descriptor.

    Raises OSError as open(2) does; ELOOP for a link, EINVAL for a pipe or a device, ENXIO for a socket, EISDIR for a
    folder.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=dir_fd)
    kind = os.fstat(fd).st_mode
    if stat.S_ISREG(kind):
        return fd
    os.close(fd)
    number = errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
    raise OSError(number, "is no plain file", str(path))


def read_small(path: Path | str, limit: int, dir_fd: int | None = None) -> bytes:
    """Return the bytes of a plain file that may have at most ``limit`` of them.

    Raises OSError as :func:`open_plain` does, and EFBIG for a longer file.
    """
    fd = open_plain(path, dir_fd)
    with open(fd, "rb") as file:
        data = b"" if os.fstat(fd).st_size > limit else file.read(limit + 1)
        if os.fstat(fd).st_size > limit or len(data) > limit:
            raise OSError(errno.EFBIG, f"has more than {limit} bytes", str(path))
    return data


def mounts_in(folder: Path) -> list[Path]:
    """Return the mount points at or below ``folder``, bind mounts of the same file system too (proc_pid_mountinfo(5)).

    Links in ``folder`` are not followed, the one to ``folder`` itself neither.
    """
    top = folder.parent.resolve() / folder.name
    found = []
    with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            point = Path(unescaped(line.split(" ")[4]))
            if point == top or point.is_relative_to(top):
                found.append(point)
    return sorted(set(found))


def unescaped(text: str) -> str:
    """Return a path as it is from the form it has in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def require_no_mounts(folder: Path, doing: str) -> None:
    """Raise MountedError where another file system is mounted at or below ``folder``; ``doing``: "be deleted"."""
    if mounts := mounts_in(folder):
        named = ", ".join(str(mount) for mount in mounts[:3]) + (" and more" if len(mounts) > 3 else "")
        raise MountedError(
            f"{folder.name} cannot {doing}: something is mounted at {named}. Unmount it first. Nothing was changed."
        )


def directory_size(folder: Path) -> int:
    """Return the bytes below ``folder``, links not followed."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 — a Path costs ten times more
            except OSError:
                continue
    return total


def remove_tree(folder: Path) -> None:
    """Delete a folder; links in it are removed, what they point to is not. Raises MountedError at once."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        require_no_mounts(folder, "be deleted")
        shutil.rmtree(folder)


def private_folder(path: Path) -> None:
    """Make a folder that only this user can enter. Raises StartupError when it is somebody else's or a link."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            raise StartupError(f"{path} belongs to somebody else or is a link. Move it away.")
        path.chmod(0o700)
    except OSError as error:
        raise StartupError(f"{path} cannot be made: {error.strerror}.") from error
