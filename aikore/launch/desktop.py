"""Desktops: what an instance in persistent mode runs in. Owns display numbers, sockets and the desktop's command.

The desktop itself is the folder ``desktop_run``, a process below the keeper.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aikore.base.disk import read_small, write_whole
from aikore.base.errors import ConflictError, DesktopMissingError
from aikore.launch import desktop_run
from aikore.launch.desktop_run.listening import is_served
from aikore.launch.desktop_run.orders import DesktopOrders
from aikore.launch.desktop_run.x11 import X_SOCKETS
from aikore.launch.keymap import keymap
from aikore.launch.layout import DESKTOP_NAME

FIRST_DISPLAY, DISPLAYS = 100, 50_000
X_LOCKS = "/tmp/.X{}-lock"  # noqa: S108 — the X servers' own place
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox-esr", "firefox")
SERVERS = ("Xvnc", "Xtigervnc")
CLIPBOARD_MOST = 2**22


@dataclass(frozen=True, slots=True)
class DesktopAddress:
    """Where a desktop lives: its display number, its VNC socket, its folder."""

    display: int
    vnc_socket: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class DesktopPage:
    """What its browser shows: the app's own address on this machine."""

    port: int
    path: str
    browser: str
    """The wanted browser; empty: the first one found."""


def require(browser: str | None) -> None:
    """Raise DesktopMissingError when this machine lacks a program that desktops need.

    ``browser``: the wanted one, empty for any; None where no browser is needed.
    """
    packages = [] if find_server() else ["tigervnc-standalone-server"]
    if not shutil.which("openbox"):
        packages.append("openbox")
    if browser is not None and find_browser(browser) is None:
        packages.append(browser or "chromium")
    if packages:
        raise DesktopMissingError(
            f"This machine cannot show desktops yet. Install what is missing: apt install {' '.join(packages)}."
        )


def find_server() -> str | None:
    """Return TigerVNC's display server. Others of that name, KasmVNC's too, speak something that noVNC does not."""
    return next((found for name in SERVERS if (found := shutil.which(name)) and _is_tigervnc(found)), None)


@cache
def _is_tigervnc(program: str) -> bool:
    """Ask by `-help`: TigerVNC 1.15 answers `-version` with nothing."""
    try:
        told = subprocess.run([program, "-help"], capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"TigerVNC" in told.stdout + told.stderr


def find_browser(wanted: str) -> str | None:
    names = (wanted,) if wanted else BROWSERS
    return next((found for name in names if (found := shutil.which(name))), None)


def choose_display(home: Path, taken: Iterable[int]) -> int:
    """Return a display number for life. Each data folder begins elsewhere, so that two AiKores do not meet."""
    used = set(taken)
    start = zlib.crc32(os.fsencode(home)) % (DISPLAYS // 100) * 100
    for step in range(DISPLAYS):
        number = FIRST_DISPLAY + (start + step) % DISPLAYS
        if number not in used and not is_alive(number):
            return number
    raise ConflictError("There is no free display number. Delete instances that are not used.")


def x_socket(display: int) -> Path:
    return Path(X_SOCKETS) / f"X{display}"


def is_alive(display: int) -> bool:
    """Say whether a display server answers for this number, or holds its lock."""
    for path in (str(x_socket(display)), f"\0{x_socket(display)}"):
        if is_served(path):
            return True
    try:
        os.kill(int(read_small(_lock(display), 64)), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _lock(display: int) -> Path:
    """Return the lock file that display servers of other programs have. Ours have none."""
    return Path(X_LOCKS.format(display))


def leftovers(address: DesktopAddress) -> tuple[Path, ...]:
    """Return the files outside the instance's folder that end with its desktop."""
    return address.vnc_socket, x_socket(address.display)


def clear(address: DesktopAddress) -> bool:
    """Remove what a dead display server left of this number; False when the number is somebody else's."""
    if is_alive(address.display):
        return False
    sockets = x_socket(address.display).parent
    with suppress(OSError):
        sockets.mkdir()
        sockets.chmod(0o1777)
    try:
        for path in (*leftovers(address), _lock(address.display)):
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def lay_keyboard(address: DesktopAddress) -> None:
    """Write the keyboard of the display into the desktop's folder. Raises ConflictError when that cannot be."""
    path = _keyboard(address.folder / DESKTOP_NAME)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, keymap().encode())
    except OSError as error:
        raise ConflictError(f"The desktop cannot be prepared: {path}: {error.strerror}") from None


def _keyboard(folder: Path) -> Path:
    return folder / "keymap.xkb"


def command(inner: Sequence[str], address: DesktopAddress, page: DesktopPage | None, window: bool) -> tuple[str, ...]:
    """Return the command that runs ``inner`` on a desktop.

    ``page`` is shown in a browser once it answers; with ``window`` the first window is told by :func:`window_mark`.
    """
    folder = address.folder / DESKTOP_NAME
    orders = DesktopOrders(
        display=address.display,
        folder=str(folder),
        command=tuple(inner),
        server=_server(address, folder),
        keymap=str(_keyboard(folder)),
        browser=_browser(folder, page) if page else (),
        port=page.port if page else 0,
        path=page.path if page else "/",
        window=window,
        leftovers=tuple(map(str, leftovers(address))),
    )
    return sys.executable, "-I", "-S", "-E", desktop_run.__path__[0], orders.encode()


def window_mark(folder: Path) -> Path:
    """Return the file that is there once a program showed a window on the desktop."""
    return folder / DESKTOP_NAME / "window"


def _server(address: DesktopAddress, folder: Path) -> tuple[str, ...]:
    """No TCP, no password: the socket is this user's alone, and the display wants the cookie.

    ``-displayfd``, which is added later, also makes the server do without a lock file. All viewers come by one socket,
    so a blacklist would shut out everybody for one's broken connections. What is only selected is not sent to viewers:
    it would take the place of what they copied.
    """
    return (
        find_server() or SERVERS[0], f":{address.display}",
        "-rfbunixpath", str(address.vnc_socket), "-rfbunixmode", "0600", "-rfbport", "-1", "-nolisten", "tcp",
        "-SecurityTypes", "None", "-auth", str(folder / "Xauthority"), "-geometry", "1280x800", "-depth", "24",
        "-AlwaysShared", "-AcceptSetDesktopSize", "-noreset", "-desktop", address.folder.name,
        "-UseBlacklist=0", "-SendPrimary=0", "-MaxCutText", str(CLIPBOARD_MOST),
    )  # fmt: skip


def _browser(folder: Path, page: DesktopPage) -> tuple[str, ...]:
    program = find_browser(page.browser)
    if program is None:
        return ()
    profile = str(folder / "profile")
    url = f"http://127.0.0.1:{page.port}{page.path}"
    if "firefox" in Path(program).name:
        return program, "--no-remote", "--profile", profile, "--kiosk", url
    root = ["--no-sandbox", "--test-type"] if os.geteuid() == 0 else []  # test-type: no warning bar above the page
    return (
        program, *root, "--kiosk", f"--user-data-dir={profile}", "--no-first-run", "--no-default-browser-check",
        "--noerrdialogs", "--hide-crash-restore-bubble", "--password-store=basic", "--disable-gpu",
        "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-features=Translate,MediaRouter", "--ozone-platform=x11", url,
    )  # fmt: skip
