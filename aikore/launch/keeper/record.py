"""``run.json``: what a keeper notes of its run, for every manager that comes.

Preallocated and overwritten in place, so that it can be written on a full disk. The manager reads it by
``aikore/launch/records.py``, and takes nothing unchecked.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from aikore.launch.keeper.files import open_plain

PROTOCOL = 1
RECORD_SIZE = 4096


class Record(NamedTuple):
    """The fields of ``run.json``, in its order. Times are Unix seconds; ``*_start`` kernel start times in ticks."""

    run: int
    uuid: str
    folder: tuple[int, int]
    """Device and inode of the instance's folder."""
    session: str
    keeper_pid: int
    keeper_start: int | None
    pid: int | None
    script_start: int | None
    pipe: int
    """The inode of the pipe that the log comes through."""
    port: int | None
    state: str
    started_at: float
    log_offset: int
    requested: bool = False
    exit_code: int | None = None
    exit_signal: str | None = None
    ended_at: float | None = None
    words_end: int | None = None
    """The log's offset from which on was only drawn and redrawn."""

    def encode(self) -> bytes:
        return json.dumps({"protocol": PROTOCOL, **self._asdict()}).encode()


class RecordFile:
    """The file of a record. Where its name no longer leads to it, a copy is laid there.

    The file it was opened as is written all the same: who holds that one open learns the end in any case.
    """

    def __init__(self, folder: int, name: str, record: Record) -> None:
        self.record = record
        self._folder = folder
        self._name = name
        self._fd = open_plain(name, os.O_RDWR, 0o600, dir_fd=folder)
        self._write(self._fd)

    def update(self, record: Record) -> None:
        """Take down what changed. What the disk refuses is left out: the run goes on."""
        self.record = record
        try:
            self._write(self._fd)
        except OSError:
            pass
        try:
            if not self._leads_here():
                self._lay_anew()
        except OSError:
            pass

    def _write(self, fd: int) -> None:
        os.pwrite(fd, self.record.encode().ljust(RECORD_SIZE - 1) + b"\n", 0)
        if os.fstat(fd).st_size > RECORD_SIZE:
            os.ftruncate(fd, RECORD_SIZE)

    def _leads_here(self) -> bool:
        try:
            found = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._fd))

    def _lay_anew(self) -> None:
        """Put a copy under the name, in the place of whatever lies there, a folder excepted."""
        temporary = f".{self._name}.new"
        try:
            os.unlink(temporary, dir_fd=self._folder)
        except FileNotFoundError:
            pass
        fd = open_plain(temporary, os.O_WRONLY | os.O_EXCL, 0o600, dir_fd=self._folder)
        try:
            self._write(fd)
            os.rename(temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            os.unlink(temporary, dir_fd=self._folder)
        finally:
            os.close(fd)
