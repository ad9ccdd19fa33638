"""Opens files in folders that apps write to."""

from __future__ import annotations

import errno
import os
import stat


def open_plain(path: str, flags: int, mode: int, dir_fd: int | None = None) -> int:
    """Open a plain file, made when it is missing, without following a link or waiting for a pipe."""
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, mode, dir_fd=dir_fd)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is no plain file", path)
