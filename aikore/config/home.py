"""The data folder, what lies where in it, and whom AiKore runs as."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, Field

from aikore.config.group import Group, OptionalPath, WholePath

UNIX_SOCKET_PATH_MAX = 100
"""Bytes a Unix socket path may have, with room to spare (Linux: 108, see unix(7))."""

LogLevel = Literal["debug", "info", "warning", "error", "critical"]


def _default_home() -> Path:
    return Path(platformdirs.user_data_path("aikore"))


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class HomeSettings(Group):
    """The data folder and AiKore's own process."""

    home: WholePath = Field(default_factory=_default_home, description="The data folder. `/config` in the container.")
    user: str = Field(
        "",
        description="User that AiKore becomes when root starts it, with all it starts: `aikore` or `1000:1000`.",
    )
    runtime_dir: OptionalPath = Field(
        None, description="Folder of the manager's socket and NGINX's files; empty: in the data folder."
    )
    disk_reserve_bytes: int = Field(
        64 * 2**20, ge=0, description="Free disk below which creating, copying and saving are refused."
    )
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = Field(
        "info", description="AiKore's own log: `debug`, `info`, `warning`, `error` or `critical`."
    )

    @property
    def reserve_file(self) -> Path:
        """The room that is kept for deleting and starting on a full disk."""
        return self.home / "reserve"

    @property
    def instances_dir(self) -> Path:
        return self.home / "instances"

    @property
    def outputs_dir(self) -> Path:
        return self.home / "outputs"

    @property
    def models_dir(self) -> Path:
        return self.home / "models"

    @property
    def custom_blueprints_dir(self) -> Path:
        return self.home / "blueprints"

    @property
    def cache_dir(self) -> Path:
        return self.home / "cache"

    @property
    def trash_dir(self) -> Path:
        return self.home / "trashcan"

    @property
    def secrets_dir(self) -> Path:
        return self.home / "secrets"

    @property
    def nginx_dir(self) -> Path:
        return (self.runtime_dir or self.home) / "nginx"

    @cached_property
    def run_dir(self) -> Path:
        """Folder of the manager's socket: as set, or in the data folder; if that is too long, in ``/tmp`` by user."""
        inside = self.runtime_dir or self.home / "run"
        if len(os.fsencode(inside / "manager.sock")) <= UNIX_SOCKET_PATH_MAX:
            return inside
        return Path(f"/tmp/{self._own_name}")  # noqa: S108 — created 0700 and checked by main

    @property
    def run_dir_is_apart(self) -> bool:
        """Whether that folder lies in ``/tmp``, so that it should go when the house is closed."""
        return self.run_dir.name == self._own_name

    @cached_property
    def door_cache_dir(self) -> Path:
        """Folder of NGINX's cached login checks: in memory where there is ``/dev/shm``, for they hold credentials."""
        shared = Path("/dev/shm")  # noqa: S108 — created 0700 and checked
        return shared / self._own_name if os.access(shared, os.W_OK) else self.run_dir / "door"

    @property
    def _own_name(self) -> str:
        """A name that no other user's and no other data folder's AiKore has."""
        return f"aikore-{os.getuid()}-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]}"

    @property
    def flags_dir(self) -> Path:
        """Folder of the flags by which NGINX knows which routes are up."""
        return self.run_dir / "up"

    @property
    def manager_socket(self) -> Path:
        return self.run_dir / "manager.sock"

    def vnc_socket(self, display: int) -> Path:
        return self.run_dir / f"vnc-{display}.sock"
