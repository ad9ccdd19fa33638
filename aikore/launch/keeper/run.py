"""One run as its keeper holds it: copy its output, end it when asked, tell how it ended."""

from __future__ import annotations

import os
import select
import signal
import time

from aikore.launch.keeper.ladder import INTERVAL, Ladder
from aikore.launch.keeper.log import Log
from aikore.launch.keeper.orders import Orders
from aikore.launch.keeper.record import RecordFile

CHUNK = 65536
HANDLED = (signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD)
"""What the keeper acts on; held back from before the fork until it can."""


class Run:
    """The script ``script_pid`` and all that descends from it."""

    def __init__(self, orders: Orders, log: Log, file: RecordFile, pipe: int, script_pid: int) -> None:
        self._orders = orders
        self._log = log
        self._file = file
        self._pipe = pipe
        self._pipe_open = True
        self._script_pid = script_pid
        self._script_status = 0
        self._requested = False
        self._ladder = Ladder(getattr(signal, orders.stop_signal))

    def hold(self) -> None:
        """Return when nothing of the tree is left."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _take_signals(wake_write)
        poll = select.poll()
        poll.register(wake_read, select.POLLIN)
        poll.register(self._pipe, select.POLLIN)
        while True:
            for fd, _ in poll.poll(self._patience()):
                if fd == wake_read:
                    self._signals(os.read(wake_read, 4096))
                elif not self._copy():
                    poll.unregister(self._pipe)
                    self._pipe_open = False
            if self._ladder.begun:
                self._ladder.step()
            if not self._reap():
                return

    def _patience(self) -> int | None:
        wait = self._log.tick(time.monotonic())
        if self._ladder.begun:
            wait = min(wait or INTERVAL, INTERVAL)
        return None if wait is None else max(1, int(wait * 1000) + 1)

    def _signals(self, numbers: bytes) -> None:
        if signal.SIGQUIT in numbers:
            self._begin_stop(0.0)
        elif signal.SIGTERM in numbers and not self._ladder.begun:
            self._begin_stop(self._orders.stop_grace)

    def _begin_stop(self, grace: float, requested: bool = True) -> None:
        self._requested = self._requested or requested
        self._ladder.begin(grace)
        self._file.update(self._file.record._replace(state="stopping", requested=self._requested))

    def _copy(self) -> bool:
        """Move one chunk from the pipe to the log; False at the pipe's end."""
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return True
        self._log.write(data)
        return bool(data)

    def _reap(self) -> bool:
        """Collect ended children; False when nothing of the tree is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._script_pid:
                self._script_status = status
                if status != 0 and not self._ladder.begun:
                    self._begin_stop(self._orders.stop_grace, requested=False)

    def finish(self) -> None:
        """Store the last output, remove what ends with the run, and note how it ended."""
        if self._pipe_open:
            self._drain()
        self._log.finish()
        for path in self._orders.leftovers:
            try:
                os.unlink(path)
            except OSError:
                pass
        status = self._script_status
        killed = os.WIFSIGNALED(status)
        self._file.update(
            self._file.record._replace(
                state="exited",
                requested=self._requested,
                words_end=self._log.words_end,
                exit_code=None if killed else os.waitstatus_to_exitcode(status),
                exit_signal=_signal_name(os.WTERMSIG(status)) if killed else None,
                ended_at=time.time(),
            )
        )

    def _drain(self) -> None:
        """Take what is still in the pipe, whose end is not waited for: who was not of the tree may hold it open."""
        for _ in range(4096):
            try:
                data = os.read(self._pipe, CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self._log.write(data)


def _take_signals(wake: int) -> None:
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in HANDLED:
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have no name
        return f"SIG{number}"
