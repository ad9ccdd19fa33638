"""The folder of a run before its keeper starts: nothing lies in the way, and the lock is ours.

The lock on ``run.lock`` is inherited by the keeper alone, so it lives as long as the keeper.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aikore.base import procfs
from aikore.base.errors import StorageError
from aikore.launch.keeper.files import open_plain
from aikore.launch.layout import LOCK_NAME, LOGS_NAME, PLAIN


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in procfs.EXHAUSTED:
            raise
        raise StorageError(f"The run could not be prepared in {folder}: {error.strerror}.") from error


def prepare_folder(folder: Path) -> None:
    """Make the folder of logs. Raises StorageError when something that a run writes to is no plain file."""
    with _writing(folder):
        logs = folder / LOGS_NAME
        if os.path.lexists(logs) and not logs.is_dir():
            raise _unfit(logs, "it is no folder")
        logs.mkdir(exist_ok=True)
        for name in PLAIN:
            path = folder / name
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise _unfit(path, "it is no plain file")


def _unfit(path: Path | str, why: str) -> StorageError:
    return StorageError(f"AiKore could not write to {path}: {why}. Remove it and start again.")


def open_folder(folder: Path) -> int:
    with _writing(folder):
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def take_lock(folder: int, path: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, None when a keeper (or another manager) has it."""
    try:
        fd = open_plain(LOCK_NAME, os.O_RDWR, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _unfit(path / LOCK_NAME, "it is no plain file") from error
        if error.errno in procfs.EXHAUSTED:
            raise
        raise StorageError(f"The run could not be prepared in {path}: {error.strerror}.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(LOCK_NAME, dir_fd=folder, follow_symlinks=False)):
            return fd
    except OSError:
        pass
    os.close(fd)
    return None


def is_locked(folder: Path) -> bool:
    """Say whether somebody holds the lock of a folder. What is no lock locks nothing."""
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in procfs.EXHAUSTED:
            raise
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False
