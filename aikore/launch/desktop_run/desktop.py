"""A desktop from its start to its end: what is on it, what is due, what ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from aikore.launch.desktop_run.app import hold_app
from aikore.launch.desktop_run.display import DisplayServer
from aikore.launch.desktop_run.files import prepare, unlock_profile
from aikore.launch.desktop_run.listening import answers
from aikore.launch.desktop_run.orders import DesktopOrders
from aikore.launch.desktop_run.parts import Part, gone, say, send, wait_words
from aikore.launch.desktop_run.x11 import XClient, write_authority

MANAGER_TIMEOUT, MANAGER_INTERVAL = 5.0, 0.03
PROBE_INTERVAL = 0.3
END_PATIENCE = 2.0
DISPLAY_FAILED = 70
"""Exit code: EX_SOFTWARE, sysexits.h."""
STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
"""Signals by which a keeper ends a run. They are for the app: the display must outlive it."""


class Desktop:
    """The display and all that is on it."""

    def __init__(self, orders: DesktopOrders) -> None:
        self._orders = orders
        self._folder = Path(orders.folder)
        self._cookie = os.urandom(16)
        self._environment = {
            **os.environ,
            "DISPLAY": f":{orders.display}",
            "XAUTHORITY": str(self._folder / "Xauthority"),
        }
        self.server = DisplayServer(orders, STOPS)
        config = str(self._folder / "openbox.xml")
        self._manager = Part("window manager", ["openbox", "--sm-disable", "--config-file", config])
        self._browser = Part("browser", orders.browser)
        self._parts = [self._manager]
        self._app = 0
        self._stopping = False
        self._awaits_page = bool(orders.browser)
        self._awaits_window = orders.window
        self._client: XClient | None = None

    def prepare(self) -> None:
        """Write the desktop's files. Raises OSError."""
        prepare(self._folder)
        write_authority(self._folder / "Xauthority", self._orders.display, self._cookie)

    def start_server(self) -> bool:
        """Start the display server; False when it does not come up."""
        return self.server.bring_up(self._environment)

    def start_manager(self) -> None:
        """Start the window manager and wait for it: what opens its window earlier may be overlooked for good."""
        self._manager.start(self._environment)
        deadline = time.monotonic() + MANAGER_TIMEOUT
        client = None
        while self._manager.pid and time.monotonic() < deadline:
            try:
                client = client or XClient(self._orders.display, self._cookie)
                if client.has_manager():
                    break
            except OSError:
                break
            time.sleep(MANAGER_INTERVAL)
        if client:
            client.close()

    def start_app(self) -> None:
        self._app = hold_app(self._orders.command, self._environment)

    def run(self) -> int:
        """Return the app's wait status, or that of a desktop that failed."""
        while True:
            self._do_what_is_due()
            given = signal.sigtimedwait(STOPS | {signal.SIGCHLD}, self._patience())
            if given and given.si_signo in STOPS:
                self._stopping = True
            status = self._reap()
            if status is not None:
                return status

    def _patience(self) -> float:
        now = time.monotonic()
        due = [part.due - now for part in (self.server, *self._parts) if part.due is not None]
        if self._awaits_page or self._awaits_window:
            due.append(PROBE_INTERVAL)
        return max(0.0, min(due, default=86400.0))

    def _do_what_is_due(self) -> None:
        if self._stopping:
            for part in (self.server, *self._parts):
                part.due = None
            self._awaits_page = self._awaits_window = False
        if self.server.is_due:
            self._start_server_again()
        if not self.server.pid:
            return
        for part in self._parts:
            if part.is_due:
                self._start(part)
        if self._awaits_page and answers(self._orders.port, self._orders.path):
            self._awaits_page = False
            self._parts.append(self._browser)
            self._start(self._browser)
        if self._awaits_window and self._sees_window():
            self._awaits_window = False
            (self._folder / "window").touch()

    def _start(self, part: Part) -> None:
        if part is self._browser:
            unlock_profile(self._folder)
        part.start(self._environment)

    def _start_server_again(self) -> None:
        up = self.start_server()
        if not up:
            self.server.ended("did not start")
        for part in self._parts:
            part.due = 0.0 if up else None

    def _lose_display(self, status: int) -> None:
        """The app goes on without its display; what else was on it has ended or hangs."""
        self.server.ended(f"ended {wait_words(status)}")
        self.server.kill()
        say(self.server.last_words())
        for part in self._parts:
            if part.pid:
                send(part.pid, signal.SIGKILL)
            part.pid, part.due = 0, None

    def _sees_window(self) -> bool:
        try:
            self._client = self._client or XClient(self._orders.display, self._cookie)
            seen = self._client.has_window()
        except OSError:
            self._client = None
            return False
        if seen:
            self._client.close()
            self._client = None
        return seen

    def _reap(self) -> int | None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                return None
            if pid == self._app:
                return status
            if self._stopping:
                continue
            if pid == self.server.pid and self._orders.window:
                how = f"ended {wait_words(status)}, so the run is over. {self.server.last_words()}"
                say(f"The desktop's display server {how}")
                return DISPLAY_FAILED << 8
            if pid == self.server.pid:
                self._lose_display(status)
            for part in self._parts:
                if pid == part.pid:
                    part.ended(f"ended {wait_words(status)}")

    def end(self) -> None:
        """End what is on the display, then the display, and leave no socket of it."""
        left = [part.pid for part in self._parts if part.pid]
        for pid in left:
            send(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_PATIENCE
        while left and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
            left = [pid for pid in left if not gone(pid)]
        for pid in [part.pid for part in self._parts if part.pid]:
            send(pid, signal.SIGKILL)
        self.server.kill()
