"""Reads, writes, makes, moves and removes files of an instance. Blocking; run it in a thread.

A file is replaced whole: it is written apart on the same disk, and takes its place by one rename.
What fails half-way leaves nothing behind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from aikore.base.disk import require_space
from aikore.base.errors import ConflictError, InvalidError, InvalidPathError, StaleError
from aikore.files.tree import Parts, Place, lstat_at, opened, refusals, rename_new, require_unmounted
from aikore.naming import new_file_parts

TEXT_MAX = 2 * 2**20
"""Bytes of a file that is read or written as text."""
ANY = "*"

_changing = threading.Lock()
"""Held between looking at what a change depends on and the change itself."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text and its version, a digest of its bytes."""

    content: str
    version: str


class NewFile:
    """A file in the making: without a name where the disk can do that, so that nobody sees it and nothing is left.

    Use it in :func:`new_file`.
    """

    def __init__(self, folder: int, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve
        self.name = f".aikore-{uuid4().hex}.part"
        try:
            self.fd = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o644, dir_fd=folder)
            self._named = False
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self.fd = os.open(self.name, flags, 0o644, dir_fd=folder)
            self._named = True

    def write(self, data: bytes) -> None:
        """Append data. Raises StorageError when the disk's reserve would be touched."""
        require_space(self._folder, self._reserve, len(data))
        with refusals(self.name), open(self.fd, "wb", buffering=0, closefd=False) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]

    def take_place(self, name: str, mode: int, replace: bool) -> None:
        """Become the file called ``name``. Raises ConflictError when it exists and is not to be replaced."""
        with refusals(name):
            os.fchmod(self.fd, mode)
            os.fsync(self.fd)
            if not self._named:
                os.link(f"/proc/self/fd/{self.fd}", self.name, dst_dir_fd=self._folder, follow_symlinks=True)
                self._named = True
            if replace:
                os.rename(self.name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            else:
                rename_new(self._folder, self.name, self._folder, name)

    def close(self) -> None:
        """Remove what did not take its place."""
        os.close(self.fd)
        if self._named:
            with suppress(FileNotFoundError):
                os.unlink(self.name, dir_fd=self._folder)


@contextmanager
def new_file(place: Place, folder: int) -> Iterator[NewFile]:
    """Begin a file in a folder; it is gone again unless it takes its place."""
    with refusals("a new file"):
        made = NewFile(folder, place.reserve)
    try:
        yield made
    finally:
        made.close()


def version_of(data: bytes) -> str:
    """Return the version of a file's bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def read_text(place: Place, parts: Parts) -> TextFile:
    """Return a text file. Raises InvalidError when it is too long or no UTF-8 text."""
    with place.file(parts) as fd:
        data = _read(fd, parts[-1])
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidError(f"{parts[-1][:200]!r} is not UTF-8 text. Download it instead.") from None
    if "\0" in text:
        raise InvalidError(f"{parts[-1][:200]!r} holds NUL characters, so it is no text. Download it instead.")
    return TextFile(text, version_of(data))


def _read(fd: int, name: str) -> bytes:
    with refusals(name), open(fd, "rb", closefd=False) as file:
        data = file.read(TEXT_MAX + 1)
    if len(data) > TEXT_MAX:
        raise InvalidError(f"{name[:200]!r} is longer than {TEXT_MAX} bytes. Download it instead.")
    return data


def write_text(place: Place, parts: Parts, content: str, expected: str | None) -> str:
    """Save a text file and return its version.

    ``expected`` is the version that was read, "*" for any; None makes a new file. Raises StaleError, or ConflictError
    when a new file's name is taken.
    """
    place.require_changeable(parts)
    data = _encode(content)
    with place.parent_of(parts) as (folder, name), new_file(place, folder) as new:
        new.write(data)
        with _changing:
            mode = _check_version(folder, name, expected)
            if mode is None:
                new_file_parts(name)
            new.take_place(name, mode or 0o644, replace=mode is not None)
    return version_of(data)


def _encode(content: str) -> bytes:
    try:
        data = content.encode()
    except UnicodeEncodeError:
        raise InvalidError("The text holds a half character (a lone surrogate). Remove it.") from None
    if len(data) > TEXT_MAX:
        raise InvalidError(f"The text has {len(data)} bytes; {TEXT_MAX} are possible. Upload it instead.")
    return data


def _check_version(folder: int, name: str, expected: str | None) -> int | None:
    """Return the mode of the file that is to be replaced, None when there is none. Raises StaleError."""
    present = lstat_at(folder, name)
    if expected is None:
        if present is not None:
            raise ConflictError(f"{name[:200]!r} already exists. Say in If-Match which version you edited.")
        return None
    if present is None:
        if expected == ANY:
            return None
        raise StaleError(f"{name[:200]!r} is gone. Save it without If-Match to make it anew.")
    with opened(folder, name) as fd:
        if expected not in (ANY, version_of(_read(fd, name)) if expected != ANY else ANY):
            raise StaleError(f"{name[:200]!r} was changed since you opened it. Load it again, then save.")
        return stat.S_IMODE(os.fstat(fd).st_mode) & 0o777


def mode_to_replace(folder: int, name: str, overwrite: bool) -> int | None:
    """Return the mode of the file that an upload is to replace; None when the name is free.

    Raises ConflictError: only a plain file is ever replaced, and only with ``overwrite``.
    """
    present = lstat_at(folder, name)
    if present is None:
        return None
    if not stat.S_ISREG(present.st_mode):
        raise ConflictError(f"{name[:200]!r} is a folder, a link or a special file and is not replaced.")
    if not overwrite:
        raise ConflictError(f"{name[:200]!r} already exists. Say overwrite=true to replace it.")
    return stat.S_IMODE(present.st_mode) & 0o777


def place_upload(folder: int, name: str, new: NewFile, overwrite: bool) -> None:
    """Give an uploaded file its name."""
    with _changing:
        mode = mode_to_replace(folder, name, overwrite)
        new.take_place(name, mode or 0o644, replace=mode is not None)


def make_folder(place: Place, parts: Parts) -> None:
    """Make a folder. Raises ConflictError when the name is taken."""
    place.require_changeable(parts)
    with place.parent_of(parts) as (folder, name), refusals(name):
        os.mkdir(name, 0o755, dir_fd=folder)


def move(place: Place, parts: Parts, to: Parts) -> None:
    """Rename something, or move it to another folder of the same place. Never over something that exists."""
    for one in (parts, to):
        place.require_changeable(one)
    if to[: len(parts)] == parts and to != parts:
        raise InvalidPathError(f"{'/'.join(parts)[:200]!r} cannot be moved into itself.")
    with (
        place.parent_of(parts) as (source, name),
        place.parent_of(to) as (target, new_name),
        _changing,
        refusals("/".join(to)),
    ):
        if lstat_at(source, name) is None:
            raise FileNotFoundError(2, "", name)
        require_unmounted(source, name, "be moved")
        rename_new(source, name, target, new_name)


def remove(place: Place, parts: Parts) -> None:
    """Remove something for good; a link itself, never what it points to."""
    place.require_changeable(parts)
    with place.parent_of(parts) as (folder, name), refusals("/".join(parts)):
        status = os.lstat(name, dir_fd=folder)
        require_unmounted(folder, name, "be removed")
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
