"""A program on a pseudo-terminal: reading, writing whole, resizing, and its end. Knows nothing of viewers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from ptyprocess import PtyProcess

from aikore.base import procfs
from aikore.terminal.shell import MARK, Shell

READ_SIZE = 65536
READS_AT_ONCE = 16
"""Reads before other tasks have their turn: a pseudo-terminal gives 4 KiB at a time."""

LADDER = (
    (signal.SIGHUP, 0.1),
    (signal.SIGCONT, 0.1),
    (signal.SIGINT, 0.3),
    (signal.SIGTERM, 1.0),
    (signal.SIGKILL, 2.0),
)
"""What the programs of a terminal are sent, and the seconds they get each time (terminado's ladder)."""


def _spawn(command: list[str], environment: dict[str, str]) -> PtyProcess:
    """Start a program as the leader of a session on a new pseudo-terminal.

    By posix_spawn, because forking a threaded manager would copy its locks. The session's leader gets the terminal it
    opens as its controlling one (tty_ioctl(4)); that is why it opens it itself.
    """
    controller, program_side = os.openpty()
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.ttyname(program_side), os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT],
        )
    except BaseException:
        os.close(controller)
        raise
    finally:
        os.close(program_side)
    return PtyProcess(pid, controller)


OnData = Callable[[bytes], None]
OnExit = Callable[[int], None]


class Pty:
    """The program. ``on_data`` gets its output, ``on_exit`` its exit code (negative: the signal that killed it)."""

    def __init__(self, process: PtyProcess, mark: str, on_data: OnData, on_exit: OnExit) -> None:
        self._process = process
        self._mark = mark
        self._on_data = on_data
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[memoryview] = deque()
        self._drained = asyncio.Event()
        self._drained.set()
        self._reading = False
        self._ended = False
        os.set_blocking(process.fd, False)
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._exited)
        self.resume()

    @classmethod
    async def start(cls, shell: Shell, mark: str, size: tuple[int, int], on_data: OnData, on_exit: OnExit) -> Pty:
        """Start a shell; ``size`` in columns and rows. Raises OSError."""
        process = await asyncio.to_thread(_spawn, shell.command(), shell.variables(mark))
        process.setwinsize(size[1], size[0])
        return cls(process, mark, on_data, on_exit)

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    # Output ---------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Read no further: the program waits as soon as the kernel's buffer is full."""
        if self._reading:
            self._loop.remove_reader(self._process.fd)
            self._reading = False

    def resume(self) -> None:
        """Read on."""
        if not self._reading and not self._ended:
            self._loop.add_reader(self._process.fd, self._readable)
            self._reading = True

    def _readable(self) -> None:
        pieces = []
        for _ in range(READS_AT_ONCE):
            try:
                piece = os.read(self._process.fd, READ_SIZE)
            except BlockingIOError:
                break
            except OSError:  # EIO: nobody has the other side open any more
                self.pause()
                break
            if not piece:
                break
            pieces.append(piece)
        if pieces:
            self._on_data(b"".join(pieces))

    # Input ----------------------------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        """Hand input to the program, whole and in order; return when it has been taken."""
        if self._ended or not data:
            return
        self._waiting.append(memoryview(data))
        if len(self._waiting) == 1:
            self._write_some()
        await self._drained.wait()

    def _write_some(self) -> None:
        while self._waiting:
            piece = self._waiting[0]
            try:
                written = os.write(self._process.fd, piece)
            except BlockingIOError:
                written = 0
            except OSError:
                self._waiting.clear()
                break
            if written < len(piece):
                self._waiting[0] = piece[written:]
                if self._drained.is_set():
                    self._drained.clear()
                    self._loop.add_writer(self._process.fd, self._write_some)
                return
            self._waiting.popleft()
        if not self._drained.is_set():
            self._loop.remove_writer(self._process.fd)
            self._drained.set()

    def resize(self, columns: int, rows: int) -> None:
        """Tell the program its size."""
        with suppress(OSError):
            self._process.setwinsize(rows, columns)

    # End ------------------------------------------------------------------------------------------------------

    def _group(self) -> int | None:
        """Return the process group that has the terminal now."""
        try:
            return os.tcgetpgrp(self._process.fd)
        except OSError:
            return None

    @property
    def has_a_program(self) -> bool:
        """Say whether something other than the shell has the terminal."""
        return self._group() not in (None, self.pid)

    def foreground(self) -> str:
        """Return the command that has the terminal now, "" when it cannot be told."""
        group = self._group()
        return "" if group is None else procfs.title(group)[:200]

    def _exited(self) -> None:
        """The shell has ended: take what it still printed, then let go of the terminal."""
        if self._ended:
            return
        self._readable()
        self._ended = True
        self._close()
        _, status = os.waitpid(self.pid, 0)
        self._process.terminated = self._process.closed = True
        self._on_exit(os.waitstatus_to_exitcode(status))

    def _close(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.pause()
        self._waiting.clear()
        if not self._drained.is_set():
            self._loop.remove_writer(self._process.fd)
            self._drained.set()
        self._process.fileobj.close()  # it owns the descriptor and would close it once more

    async def end(self) -> None:
        """End every program of this terminal, detached ones too, step by step; return when none is left."""
        for number, patience in LADDER:
            if not await asyncio.to_thread(self._signal, number):
                return
            deadline = self._loop.time() + patience
            while self._loop.time() < deadline and (pids := await asyncio.to_thread(self.programs)):
                await asyncio.sleep(0.02)
            if not pids:
                return

    def _signal(self, number: signal.Signals) -> set[int]:
        found = self.programs()
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return found

    def programs(self) -> set[int]:
        """Return the programs of this terminal, by the mark in their environment. Blocks on /proc."""
        return {pid for pid in procfs.marked(MARK, self._mark) if procfs.stat(pid)}
