"""The programs that make a desktop, each a process that is started again when it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence

LONG_LIFE = 60.0
PAUSE_MOST = 60.0


class Part:
    """A program of the desktop that is started again when it ends, after growing pauses."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.command = command
        self.pid = 0
        self.started = 0.0
        self.due: float | None = None
        self.failures = 0

    @property
    def is_due(self) -> bool:
        return self.due is not None and self.due <= time.monotonic()

    def start(self, environment: Mapping[str, str]) -> None:
        self.started, self.due = time.monotonic(), None
        try:
            self.pid = spawn(self.command, environment)
        except OSError as error:
            say(f"The {self.name} of the desktop cannot be started: {self.command[0]}: {error.strerror}")

    def ended(self, how: str) -> None:
        now = time.monotonic()
        self.failures = 0 if now - self.started > LONG_LIFE else self.failures + 1
        pause = min(2.0 ** max(self.failures - 1, 0), PAUSE_MOST)
        self.pid, self.due = 0, now + pause
        say(f"The {self.name} of the desktop {how}; it starts again in {pause:.0f} s.")


def say(words: str) -> None:
    """Write into the instance's log."""
    os.write(1, f"[aikore] {words}\n".encode())


def wait_words(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"with code {os.waitstatus_to_exitcode(status)}"


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: str = os.devnull,
    blocked: Iterable[signal.Signals] = (),
) -> int:
    """Start a program in a session of its own, its output in a file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    return os.posix_spawnp(
        command[0],
        list(command),
        {**environment, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
        setsigmask=blocked,
    )


def send(leader: int, number: int) -> None:
    """Signal a program of the desktop with all that it started."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass


def gone(pid: int, wait: bool = False) -> bool:
    try:
        return os.waitpid(pid, 0 if wait else os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
