"""Finds out, before anything is made, whether the data folder lies where AiKore can live. Blocking."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from aikore.base.disk import MOUNTS, unescaped
from aikore.base.errors import StartupError

LACKING = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK, errno.ENXIO})
"""What a file system fails with that does not know a thing. A full disk is told by whoever writes first."""

NETWORK = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs",
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.smbnetfs", "fuse.glusterfs",
))  # fmt: skip
"""Kinds of file systems that lie on another machine, as mountinfo names them."""

Trial = Callable[[Path], None]


def _link(folder: Path) -> None:
    (folder / "link").symlink_to("nowhere")


def _lock(folder: Path) -> None:
    with open(folder / "lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _socket(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{fd}/socket")  # the path of a socket must be short
    finally:
        os.close(fd)


LINKS: Mapping[str, Trial] = {"symbolic links": _link}
LOCKS: Mapping[str, Trial] = {"file locks": _lock}
SOCKETS: Mapping[str, Trial] = {"Unix sockets": _socket}


def require_abilities(home: Path, run_dir: Path, nginx_dir: Path | None) -> None:
    """Raise StartupError where a folder of AiKore's lies on a file system that cannot hold what AiKore needs there."""
    _require(home, {**LINKS, **LOCKS}, "AIKORE_HOME")
    _require(run_dir, SOCKETS, "AIKORE_RUNTIME_DIR")
    if nginx_dir is not None:
        _require(nginx_dir, LINKS, "AIKORE_RUNTIME_DIR")


def on_network(*databases: Path) -> str:
    """Return what people should know of databases that lie on a network file system; "" where none does."""
    shared = [path for path in databases if _mount(path)[0] in NETWORK]
    if not shared:
        return ""
    names, one = " and ".join(path.name for path in shared), len(shared) == 1
    return (
        f"{names} {'lies' if one else 'lie'} on {_file_system(shared[0])}. SQLite needs a local disk: a network file "
        "system does not promise the locks and the shared memory it works with, and a lost connection may damage the "
        "database. Put AIKORE_HOME on a local disk, and what is large (models, outputs, instances) on the share."
    )


def _require(folder: Path, trials: Mapping[str, Trial], setting: str) -> None:
    ground = next(path for path in (folder, *folder.parents) if path.is_dir())
    lacking = []
    with suppress(OSError), tempfile.TemporaryDirectory(prefix=".aikore-", dir=ground) as trial_ground:
        lacking = [name for name, trial in trials.items() if _fails(trial, Path(trial_ground))]
    if lacking:
        raise StartupError(
            f"{folder} lies on {_file_system(ground)}, which has no {' and no '.join(lacking)}. "
            f"AiKore needs them there: choose a folder on another file system with {setting}."
        )


def _fails(trial: Trial, folder: Path) -> bool:
    try:
        trial(folder)
    except OSError as error:
        return error.errno in LACKING
    return False


def _file_system(folder: Path) -> str:
    """Return a person's words for the file system a folder lies on: `vfat (mounted at /media/stick)`."""
    kind, point = _mount(folder)
    return f"{kind or 'a file system'} (mounted at {point})"


def _mount(path: Path) -> tuple[str, Path]:
    """Return the kind of the file system a path lies on, "" where it is unknown, and where that is mounted."""
    place = path.resolve()
    found = ("", Path("/"))
    with suppress(OSError, ValueError, IndexError), open(MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields, _, rest = line.partition(" - ")
            point = Path(unescaped(fields.split(" ")[4]))
            if place.is_relative_to(point) and len(point.parts) >= len(found[1].parts):
                found = (rest.split(" ")[0], point)
    return found
