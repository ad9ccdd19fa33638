"""The display server of a desktop: its start, its keyboard, its end."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from aikore.launch.desktop_run.listening import is_served
from aikore.launch.desktop_run.orders import DesktopOrders
from aikore.launch.desktop_run.parts import Part, gone, say, send, spawn

TIMEOUT = 15.0


class DisplayServer(Part):
    """Holds the display's number and its sockets. ``blocked`` are the signals that it must outlive."""

    def __init__(self, orders: DesktopOrders, blocked: Collection[signal.Signals]) -> None:
        super().__init__("display server", orders.server)
        self._display = orders.display
        self._keymap = orders.keymap
        self._sockets = orders.leftovers
        self._output = Path(orders.folder) / "server.log"
        self._blocked = blocked

    def bring_up(self, environment: Mapping[str, str]) -> bool:
        """Start the display server and wait until it takes programs; False when it does not."""
        self.started, self.due = time.monotonic(), None
        ready, tell = os.pipe()
        os.set_inheritable(tell, True)
        try:
            command = [*self.command, "-displayfd", str(tell)]
            self.pid = spawn(command, environment, str(self._output), self._blocked)
        except OSError as error:
            say(f"The display server cannot be started: {self.command[0]}: {error.strerror}")
        os.close(tell)
        found = _has_line(ready, TIMEOUT)
        os.close(ready)
        if found:
            self._lay_keyboard(environment)
        else:
            self.kill()
        return found

    def _lay_keyboard(self, environment: Mapping[str, str]) -> None:
        try:
            compiler = spawn(["xkbcomp", "-w0", self._keymap, f":{self._display}"], environment)
        except OSError as error:
            say(f"The keyboard of the desktop is the US one: xkbcomp: {error.strerror}")
        else:
            gone(compiler, wait=True)

    def last_words(self) -> str:
        try:
            with open(self._output, "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 2000))
                words = log.read(2000).decode("utf-8", "replace").splitlines()
        except OSError:
            words = []
        last = " / ".join(line.strip() for line in words if line.strip())[-600:]
        return f"Its last words: {last or 'none'}"

    def kill(self) -> None:
        """End the display server and remove its sockets, unless somebody else took their place."""
        if self.pid:
            send(self.pid, signal.SIGKILL)
            gone(self.pid, wait=True)
        self.pid = 0
        for path in self._sockets:
            if not is_served(path):
                Path(path).unlink(missing_ok=True)


def _has_line(fd: int, patience: float) -> bool:
    """Say whether a whole line comes, before the other side closes or the patience ends."""
    deadline = time.monotonic() + patience
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = os.read(fd, 64)
        if not data or data.endswith(b"\n"):
            return bool(data)
    return False
