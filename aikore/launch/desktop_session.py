"""The desktop of one run: an X display, a window manager, the app and a browser that shows it.

The keeper starts it in place of the launch script, as a script of its own with the standard library only; its orders
are one JSON object, the only argument. It lives as long as the app does and ends as the app ends. A browser, a window
manager or a display server that ends is started again; a program with a window of its own cannot outlive its display.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path

X_SOCKETS = "/tmp/.X11-unix"  # noqa: S108 — the X protocol's own place
COOKIE = b"MIT-MAGIC-COOKIE-1"
ANY_HOST = 0xFFFF
"""FamilyWild of Xauth: the machine's name may change."""
DISPLAY_TIMEOUT = 15.0
MANAGER_TIMEOUT, MANAGER_LOOK = 5.0, 0.03
LOOK_INTERVAL = 0.3
LONG_LIFE = 60.0
PAUSE_MOST = 60.0
END_PATIENCE = 2.0
PR_SET_CHILD_SUBREAPER = 36
DISPLAY_FAILED = 70
"""Exit code: EX_SOFTWARE, sysexits.h."""
STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
"""Signals by which a keeper ends a run. They are for the app: the display must outlive it."""

WINDOW_MANAGER = """<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <desktops><number>1</number><popupTime>0</popupTime></desktops>
  <focus><focusNew>yes</focusNew></focus>
  <keyboard/>
  <mouse>
    <context name="Client">
      <mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
    </context>
    <context name="Titlebar">
      <mousebind button="Left" action="Drag"><action name="Move"/></mousebind>
    </context>
    <context name="Close">
      <mousebind button="Left" action="Click"><action name="Close"/></mousebind>
    </context>
  </mouse>
  <menu/>
  <applications>
    <application type="normal"><decor>no</decor><maximized>yes</maximized><focus>yes</focus></application>
  </applications>
</openbox_config>
"""
"""No menus and no keys: whoever looks on gets no terminal by them."""

FIREFOX_PREFERENCES = {
    "app.normandy.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.sessionstore.resume_from_crash": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "trailhead.firstrun.didSeeAboutWelcome": True,
}
PROFILE_LOCKS = ("SingletonLock", "SingletonCookie", "SingletonSocket", "lock", ".parentlock")
"""Marks of a browser that uses the profile: Chromium's and Firefox'. A killed one leaves them."""


def say(words: str) -> None:
    """Write into the instance's log."""
    os.write(1, f"[aikore] {words}\n".encode())


def wait_words(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"with code {os.waitstatus_to_exitcode(status)}"


def write_authority(path: Path, display: int, cookie: bytes) -> None:
    """Write the file by which programs of this user may use the display (format: Xau(3))."""
    fields = (b"", str(display).encode(), COOKIE, cookie)
    entry = struct.pack(">H", ANY_HOST) + b"".join(struct.pack(">H", len(field)) + field for field in fields)
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(entry)


class XClient:
    """The little of the X protocol that tells whether a program shows a window."""

    def __init__(self, display: int, cookie: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        self._socket.connect(f"{X_SOCKETS}/X{display}")
        padding = -len(COOKIE) % 4
        hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(COOKIE), len(cookie))
        self._socket.sendall(hello + COOKIE + bytes(padding) + cookie)
        accepted, length = struct.unpack("<BxxxxxH", self._take(8))
        body = self._take(length * 4)
        if accepted != 1:
            raise OSError("the display refused us")
        self._base = struct.unpack_from("<I", body, 4)[0]
        vendor, formats = struct.unpack_from("<H", body, 16)[0], body[21]
        self._root = struct.unpack_from("<I", body, 32 + vendor + -vendor % 4 + 8 * formats)[0]
        self._list = self._atom(b"_NET_CLIENT_LIST")

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise OSError("the display is gone")
            data += piece
        return data

    def _ask(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        while True:
            head = self._take(32)
            if head[0] == 1:
                return head + self._take(struct.unpack_from("<I", head, 4)[0] * 4)
            if head[0] == 0:
                raise OSError("the display answered with an error")

    def _atom(self, name: bytes) -> int:
        words = 2 + (len(name) + 3) // 4
        answer = self._ask(struct.pack("<BBHHxx", 16, 0, words, len(name)) + name + bytes(-len(name) % 4))
        return int(struct.unpack_from("<I", answer, 8)[0])

    def _listed(self) -> tuple[int, int]:
        """Return the type and length of the window manager's list of windows; type 0: there is no list."""
        answer = self._ask(struct.pack("<BBHIIIII", 20, 0, 6, self._root, self._list, 0, 0, 1))
        return struct.unpack_from("<I", answer, 8)[0], struct.unpack_from("<I", answer, 16)[0]

    def has_manager(self) -> bool:
        """Say whether a window manager is at work."""
        return self._listed()[0] != 0

    def has_window(self) -> bool:
        """Say whether the window manager holds a window."""
        return self._listed()[1] > 0

    def close(self) -> None:
        self._socket.close()


def answers(port: int, path: str) -> bool:
    """Say whether the app answers HTTP below 500."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            request = (
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nUser-Agent: AiKore\r\n\r\n"
            )
            connection.sendall(request.encode())
            words = connection.recv(64).split()
    except OSError:
        return False
    return len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() and int(words[1]) < 500


class Part:
    """A program of the desktop that is started again when it ends, after growing pauses."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.command = command
        self.pid = 0
        self.started = 0.0
        self.due: float | None = None
        self.failures = 0

    def ended(self, how: str) -> None:
        now = time.monotonic()
        self.failures = 0 if now - self.started > LONG_LIFE else self.failures + 1
        pause = min(2.0 ** max(self.failures - 1, 0), PAUSE_MOST)
        self.pid, self.due = 0, now + pause
        say(f"The {self.name} of the desktop {how}; it starts again in {pause:.0f} s.")


class Desktop:
    """The display and all that is on it."""

    def __init__(self, orders: dict[str, object]) -> None:
        self.orders = orders
        self.number = int(str(orders["display"]))
        self.folder = Path(str(orders["folder"]))
        self.cookie = os.urandom(16)
        self.environment = {
            **os.environ,
            "DISPLAY": f":{self.number}",
            "XAUTHORITY": str(self.folder / "Xauthority"),
        }
        self.server = Part("display server", [str(word) for word in orders["server"]])  # type: ignore[attr-defined]
        self.app = 0
        self.stopping = False
        self.manager = Part("window manager", self._window_manager())
        self.browser = Part("browser", [str(word) for word in orders["browser"]])  # type: ignore[attr-defined]
        self.parts = [self.manager]
        self.awaits_page = bool(self.browser.command)
        self.awaits_window = bool(orders["window"])
        self.client: XClient | None = None

    def _window_manager(self) -> list[str]:
        return ["openbox", "--sm-disable", "--config-file", str(self.folder / "openbox.xml")]

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "window").unlink(missing_ok=True)
        (self.folder / "openbox.xml").write_text(WINDOW_MANAGER)
        write_authority(self.folder / "Xauthority", self.number, self.cookie)
        profile = self.folder / "profile"
        profile.mkdir(mode=0o700, exist_ok=True)
        lines = (f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in FIREFOX_PREFERENCES.items())
        (profile / "user.js").write_text("".join(lines))

    def start_server(self) -> bool:
        """Start the display server and wait until it takes programs; False when it does not."""
        self.server.started, self.server.due = time.monotonic(), None
        ready, tell = os.pipe()
        os.set_inheritable(tell, True)
        try:
            self.server.pid = self.spawn([*self.server.command, "-displayfd", str(tell)], "server.log", STOPS)
        except OSError as error:
            say(f"The display server cannot be started: {self.server.command[0]}: {error.strerror}")
        os.close(tell)
        found = has_line(ready, DISPLAY_TIMEOUT)
        os.close(ready)
        if found:
            self.lay_keyboard()
        else:
            self.kill_server()
        return found

    def lay_keyboard(self) -> None:
        try:
            compiler = self.spawn(["xkbcomp", "-w0", str(self.orders["keymap"]), f":{self.number}"], "")
        except OSError as error:
            say(f"The keyboard of the desktop is the US one: xkbcomp: {error.strerror}")
        else:
            gone(compiler, wait=True)

    def last_words(self) -> str:
        try:
            with open(self.folder / "server.log", "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 2000))
                words = log.read(2000).decode("utf-8", "replace").splitlines()
        except OSError:
            words = []
        last = " / ".join(line.strip() for line in words if line.strip())[-600:]
        return f"Its last words: {last or 'none'}"

    def start_manager(self) -> None:
        """Start the window manager and wait for it: what opens its window earlier may be overlooked for good."""
        self._start(self.manager)
        deadline = time.monotonic() + MANAGER_TIMEOUT
        client = None
        while self.manager.pid and time.monotonic() < deadline:
            try:
                client = client or XClient(self.number, self.cookie)
                if client.has_manager():
                    break
            except OSError:
                break
            time.sleep(MANAGER_LOOK)
        if client:
            client.close()

    def spawn(self, command: list[str], output: str, blocked: set[signal.Signals] | None = None) -> int:
        """Start a program in a session of its own, its output in a file of the desktop's folder."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        path = str(self.folder / output) if output else os.devnull
        return os.posix_spawnp(
            command[0],
            command,
            {**self.environment, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, path, flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)],
            setsid=True,
            setsigmask=blocked or set(),
        )

    def hold_app(self) -> int:
        """Start the launch script below a process that lives as long as anything of the app; return that process."""
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            command = [str(word) for word in self.orders["command"]]  # type: ignore[attr-defined]
            script = os.posix_spawnp(command[0], command, self.environment, setsid=True, setsigmask=[])
            end_as(last_status(script))
        finally:
            os._exit(127)

    def run(self) -> int:
        """Return the app's wait status, or that of a desktop that failed."""
        while True:
            self._do_what_is_due()
            given = signal.sigtimedwait(STOPS | {signal.SIGCHLD}, self._patience())
            if given and given.si_signo in STOPS:
                self.stopping = True
            status = self._reap()
            if status is not None:
                return status

    def _patience(self) -> float:
        now = time.monotonic()
        due = [part.due - now for part in (self.server, *self.parts) if part.due is not None]
        if self.awaits_page or self.awaits_window:
            due.append(LOOK_INTERVAL)
        return max(0.0, min(due, default=86400.0))

    def _do_what_is_due(self) -> None:
        if self.stopping:
            for part in (self.server, *self.parts):
                part.due = None
            self.awaits_page = self.awaits_window = False
        if is_due(self.server):
            self._start_server_again()
        if not self.server.pid:
            return
        for part in filter(is_due, self.parts):
            self._start(part)
        if self.awaits_page and answers(int(str(self.orders["port"])), str(self.orders["path"])):
            self.awaits_page = False
            self.parts.append(self.browser)
            self._start(self.browser)
        if self.awaits_window and self._sees_window():
            self.awaits_window = False
            (self.folder / "window").touch()

    def _start(self, part: Part) -> None:
        if part is self.browser:
            for name in PROFILE_LOCKS:
                (self.folder / "profile" / name).unlink(missing_ok=True)
        part.started, part.due = time.monotonic(), None
        try:
            part.pid = self.spawn(part.command, "")
        except OSError as error:
            say(f"The {part.name} of the desktop cannot be started: {part.command[0]}: {error.strerror}")

    def _start_server_again(self) -> None:
        up = self.start_server()
        if not up:
            self.server.ended("did not start")
        for part in self.parts:
            part.due = 0.0 if up else None

    def _lose_display(self, status: int) -> None:
        """The app goes on without its display; what else was on it has ended or hangs."""
        self.server.ended(f"ended {wait_words(status)}")
        self.kill_server()
        say(self.last_words())
        for part in self.parts:
            if part.pid:
                send(part.pid, signal.SIGKILL)
            part.pid, part.due = 0, None

    def _sees_window(self) -> bool:
        try:
            self.client = self.client or XClient(self.number, self.cookie)
            seen = self.client.has_window()
        except OSError:
            self.client = None
            return False
        if seen:
            self.client.close()
            self.client = None
        return seen

    def _reap(self) -> int | None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                return None
            if pid == self.app:
                return status
            if self.stopping:
                continue
            if pid == self.server.pid and self.orders["window"]:
                say(f"The desktop's display server ended {wait_words(status)}, so the run is over. {self.last_words()}")
                return DISPLAY_FAILED << 8
            if pid == self.server.pid:
                self._lose_display(status)
            for part in self.parts:
                if pid == part.pid:
                    part.ended(f"ended {wait_words(status)}")

    def end(self) -> None:
        """End what is on the display, then the display, and leave no socket of it."""
        left = [part.pid for part in self.parts if part.pid]
        for pid in left:
            send(pid, signal.SIGTERM)
        deadline = time.monotonic() + END_PATIENCE
        while left and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
            left = [pid for pid in left if not gone(pid)]
        for pid in [part.pid for part in self.parts if part.pid]:
            send(pid, signal.SIGKILL)
        self.kill_server()

    def kill_server(self) -> None:
        """End the display server and remove its sockets, unless somebody else took their place."""
        if self.server.pid:
            send(self.server.pid, signal.SIGKILL)
            gone(self.server.pid, wait=True)
        self.server.pid = 0
        for path in map(str, self.orders["leftovers"]):  # type: ignore[call-overload]
            if not is_served(path):
                Path(path).unlink(missing_ok=True)


def is_due(part: Part) -> bool:
    return part.due is not None and part.due <= time.monotonic()


def is_served(path: str) -> bool:
    """Say whether somebody takes connections at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def has_line(fd: int, patience: float) -> bool:
    """Say whether a whole line comes, before the other side closes or the patience ends."""
    deadline = time.monotonic() + patience
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = os.read(fd, 64)
        if not data or data.endswith(b"\n"):
            return bool(data)
    return False


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


def last_status(script: int) -> int:
    """Return the script's wait status when nothing of it is left, or as soon as it failed."""
    status = 0
    while True:
        try:
            pid, given = os.wait()
        except ChildProcessError:
            return status
        if pid == script:
            status = given
            if status:
                return status


def end_as(status: int) -> None:
    """End in the way that a wait status tells."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def main() -> None:
    """Hold the desktop from the app's start to its end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS | {signal.SIGCHLD})
    desktop = Desktop(json.loads(sys.argv[1]))
    try:
        desktop.prepare()
    except OSError as error:
        say(f"The desktop cannot be prepared: {error}")
        sys.exit(74)  # EX_IOERR
    if not desktop.start_server():
        say(f"The desktop's display server did not start. {desktop.last_words()}")
        sys.exit(DISPLAY_FAILED)
    desktop.start_manager()
    desktop.app = desktop.hold_app()
    status = desktop.run()
    desktop.end()
    end_as(status)


if __name__ == "__main__":
    main()
