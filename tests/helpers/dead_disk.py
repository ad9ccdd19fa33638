"""A disk that never answers: a FUSE file system (fuse(4)) that nobody serves."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MNT_DETACH = 2

can_be_mounted = os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)


@contextmanager
def dead_disk(path: Path) -> Iterator[None]:
    """Mount one for as long as the block lasts; who waits for it fails then. Raises OSError where it is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"dead", os.fsencode(path), b"fuse", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "mount", str(path))
        yield
    finally:
        os.close(server)
        libc.umount2(os.fsencode(path), MNT_DETACH)
