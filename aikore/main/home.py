"""The data folder and the folders of sockets, made and held for one manager alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from aikore.base.abilities import require_abilities
from aikore.base.disk import Reserve, private_folder
from aikore.base.errors import StartupError
from aikore.config import Settings
from aikore.config.proxy import NginxMode


@contextlib.contextmanager
def hold_home(settings: Settings) -> Iterator[None]:
    """Make the data folder and hold it for this manager alone. Raises StartupError."""
    home = settings.home
    require_abilities(home, settings.run_dir, None if settings.nginx is NginxMode.OFF else settings.nginx_dir)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "manager.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(
            f"The data folder {home} cannot be written: {error.strerror}. "
            "Make it writable for this user or choose another one with AIKORE_HOME."
        ) from error
    try:
        _take_home(home, lock)
        Reserve(settings.reserve_file).lend()
        _make_folders(settings)
        with _runtime_locks(settings):
            yield
    finally:
        os.close(lock)


def _take_home(home: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        raise StartupError(
            f"Another AiKore (process {holder or 'unknown'}) already runs on {home}. "
            "Use that one, end it, or choose another data folder with AIKORE_HOME."
        ) from error
    with contextlib.suppress(OSError):  # a full disk; only people read it
        os.pwrite(lock, f"{os.getpid():<19}\n".encode(), 0)


@contextlib.contextmanager
def _runtime_locks(settings: Settings) -> Iterator[None]:
    """Hold the folders of sockets and of NGINX: two data folders may be set to the same. Raises StartupError."""
    with contextlib.ExitStack() as held:
        for folder in {settings.run_dir, settings.runtime_dir or settings.run_dir}:
            held.callback(os.close, _lock_runtime(folder, settings.home))
        yield


def _lock_runtime(folder: Path, home: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "house.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"{folder} cannot be written: {error.strerror}. Make it writable for this user.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder, _, other = os.pread(lock, 4096, 0).decode("utf-8", "replace").strip().partition(" ")
        os.close(lock)
        raise StartupError(
            f"Another AiKore (process {holder or 'unknown'}, data folder {other or 'unknown'}) has its sockets in "
            f"{folder}. Give this one a folder of its own with AIKORE_RUNTIME_DIR."
        ) from error
    with contextlib.suppress(OSError):  # on a full disk the lock holds all the same; only its message knows less
        text = f"{os.getpid()} {home}\n".encode(errors="surrogateescape")
        os.pwrite(lock, text, 0)
        os.ftruncate(lock, len(text))
    return lock


def _make_folders(settings: Settings) -> None:
    folders = (
        settings.instances_dir,
        settings.outputs_dir,
        settings.models_dir,
        settings.custom_blueprints_dir,
        settings.cache_dir,
        settings.trash_dir,
    )
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"{error.filename} cannot be made: {error.strerror}. Make {settings.home} writable for this user."
        ) from error
    private_folder(settings.run_dir)
