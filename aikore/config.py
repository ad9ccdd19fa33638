"""Settings: every one is a field here, with default and help. Reads the environment (``AIKORE_*``), nothing else."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from aikore.base.errors import StartupError

UNIX_SOCKET_PATH_MAX = 100
"""Bytes a Unix socket path may have, with room to spare (Linux: 108, see unix(7))."""


class NginxMode(StrEnum):
    """Who supervises NGINX."""

    OWN = "own"
    EXTERNAL = "external"
    OFF = "off"


class AuthMode(StrEnum):
    """Whether anybody has to log in."""

    ON = "on"
    OFF = "off"


class PortRange(tuple[int, int]):
    """An inclusive range of TCP ports, written ``9001-9020``."""

    @classmethod
    def parse(cls, text: str) -> PortRange:
        first, _, last = text.partition("-")
        try:
            low, high = int(first), int(last or first)
        except ValueError:
            raise ValueError(f"{text!r} is not a port range; write it like 9001-9020") from None
        if not 1 <= low <= high <= 65535:
            raise ValueError(f"{text!r} is not a port range: ports go from 1 to 65535, the lower one first")
        return cls((low, high))

    @property
    def ports(self) -> range:
        return range(self[0], self[1] + 1)


def _default_home() -> Path:
    return Path(platformdirs.user_data_path("aikore"))


CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """What a person may set. Environment variables carry the prefix ``AIKORE_``."""

    model_config = SettingsConfigDict(env_prefix="AIKORE_", frozen=True, ignored_types=(cached_property,))

    home: Path = Field(default_factory=_default_home, description="The data folder. `/config` in the container.")
    user: str = Field(
        "",
        description="User that AiKore becomes when root starts it, with all it starts: `aikore` or `1000:1000`.",
    )
    runtime_dir: Path | None = Field(
        None, description="Folder of the manager's socket and NGINX's files; empty: in the data folder."
    )
    host: str = Field("127.0.0.1", description="Address NGINX listens on. `0.0.0.0` opens AiKore to the network.")
    port: int = Field(9000, ge=1, le=65535, description="Port NGINX listens on: the only door.")
    auth: AuthMode = Field(
        AuthMode.ON, description="`off`: nobody has to log in. Only for a network where you trust everybody."
    )
    password: SecretStr = Field(
        SecretStr(""), description="The owner's password; empty: the first start prints a link to choose one."
    )
    token: SecretStr = Field(SecretStr(""), description="A fixed API token with scope `admin`, for automation.")
    auth_header: str = Field(
        "",
        description="Header by which a proxy in `AIKORE_TRUSTED_PROXIES` names who is logged in, e.g. `Remote-User`.",
    )
    auth_header_role: Literal["none", "viewer", "creator", "operator", "admin"] = Field(
        "none",
        description="Role of somebody whom that header names and AiKore does not know: "
        "`viewer`, `creator`, `operator` or `admin`; `none`: refused.",
    )
    trusted_proxies: CommaList = Field(
        (), description="Addresses or networks of proxies before AiKore whose `X-Forwarded-*` are believed."
    )
    session_days: int = Field(30, ge=1, le=3650, description="Days a login lasts.")
    audit_keep: int = Field(10_000, ge=100, le=10_000_000, description="Entries the audit log keeps.")
    public_url: str = Field(
        "",
        description="Address of the AiKore page for people, e.g. `https://ai.example.org`, where it cannot be guessed.",
    )
    root_path: str = Field("", description="Sub-path under which a proxy before AiKore serves it, e.g. `/aikore`.")
    tls_cert: Path | None = Field(None, description="Certificate (PEM) for https; with it AiKore speaks https only.")
    tls_key: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    allowed_hosts: CommaList = Field((), description="More host names that may reach AiKore, separated by commas.")
    allowed_origins: CommaList = Field(
        (), description="Origins besides our own that may write, e.g. `https://studio.example.org`."
    )
    app_domain: str = Field("", description="Domain under which every instance gets `<slug>.<domain>`.")
    app_ports: str = Field("", description="Range of public ports, one per instance, e.g. `9001-9020`; empty: none.")
    instance_ports: str = Field("19000-19999", description="Loopback ports instances listen on, one each for life.")
    nginx: NginxMode = Field(
        NginxMode.OWN, description="`own`: AiKore starts NGINX; `external`: a supervisor does; `off`: no NGINX."
    )
    nginx_path: str = Field("", description="The nginx program; empty: the system's, else the packaged one.")
    nginx_workers: int = Field(0, ge=0, le=64, description="NGINX worker processes; 0: one per core, 4 at most.")
    stop_grace: float = Field(10.0, ge=0, le=3600, description="Seconds a program gets to end before SIGKILL.")
    ready_timeout: float = Field(
        300.0, gt=0, description="Seconds until a starting instance reads `stalled`, where its blueprint says nothing."
    )
    health_interval: float = Field(20.0, gt=0, description="Seconds between looks at a started instance.")
    health_timeout: float = Field(60.0, gt=0, description="Seconds without an answer until `stalled`.")
    autostart_parallel: int = Field(4, ge=1, le=64, description="Instances that start at the same time by autostart.")
    log_rotate_bytes: int = Field(64 * 2**20, ge=4096, description="Size at which an instance's log is rotated.")
    log_keep: int = Field(16, ge=1, le=1000, description="Rotated log files kept per instance.")
    terminal_idle: float = Field(
        86400.0, gt=0, description="Seconds a terminal that nobody looks at is kept; then its programs are ended."
    )
    terminal_scrollback: int = Field(
        2**20, ge=65536, le=2**28, description="Bytes of output a terminal keeps for viewers who come back."
    )
    terminals: int = Field(64, ge=1, le=10_000, description="Terminals that may be open at the same time.")
    desktop_browser: str = Field(
        "", description="Browser that desktops show apps in: `chromium` or `firefox-esr`; empty: the first one found."
    )
    sample_interval: float = Field(
        1.0, ge=0.1, le=86400, description="Seconds between two looks at machine, GPUs and instances that people watch."
    )
    sample_idle_interval: float = Field(
        10.0, ge=0.1, le=86400, description="Seconds between two looks while nobody watches."
    )
    history_save_interval: float = Field(
        300.0, ge=1, le=86400, description="Seconds after which the history of these figures is written to disk again."
    )
    notice_disk_percent: float = Field(
        90.0, ge=0, le=100, description="Used share of the data folder's disk that raises a notice; 0: never."
    )
    notice_gpu_temperature: float = Field(
        90.0, ge=0, le=200, description="Degrees Celsius of a GPU that raise a notice; 0: never."
    )
    notice_gpu_throttle: float = Field(
        30.0, ge=0, description="Seconds a GPU is slowed down by heat or a fault that raise a notice; 0: never."
    )
    notice_restarts: int = Field(
        3, ge=0, description="Automatic restarts of an instance within ten minutes that raise a notice; 0: never."
    )
    log_level: str = Field("info", description="AiKore's own log: `debug`, `info`, `warning` or `error`.")
    disk_reserve_bytes: int = Field(
        64 * 2**20, ge=0, description="Free disk below which creating, copying and saving are refused."
    )

    @field_validator("allowed_hosts", "allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(
                    f"{network!r} is no address or network; write it like 10.0.0.1 or 10.0.0.0/8"
                ) from None
        return value

    @field_validator("auth_header")
    @classmethod
    def _header_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", value):
            raise ValueError(f"{value!r} is no header name; write it like Remote-User")
        return value

    @field_validator("root_path")
    @classmethod
    def _sub_path(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not re.fullmatch(r"(?:/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])+", value):
            raise ValueError(f"{value!r} is no sub-path; write it like /aikore")
        return value

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/\s\\\"'<>]+(?:/[A-Za-z0-9._~/-]*)?", value):
            raise ValueError(f"{value!r} is no address; write it like https://ai.example.org")
        return value

    @model_validator(mode="after")
    def _pairs(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("AIKORE_TLS_CERT and AIKORE_TLS_KEY belong together; set both or none")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise ValueError(f"{path} cannot be read: AIKORE_TLS_CERT and AIKORE_TLS_KEY name PEM files")
        if self.auth_header and not self.trusted_proxies:
            raise ValueError("AIKORE_AUTH_HEADER needs AIKORE_TRUSTED_PROXIES: anybody could send that header")
        return self

    @field_validator("app_ports", "instance_ports")
    @classmethod
    def _port_range(cls, value: str) -> str:
        if value:
            PortRange.parse(value)
        return value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("runtime_dir", mode="before")
    @classmethod
    def _absolute_or_none(cls, value: object) -> Path | None:
        return Path(str(value)).expanduser().absolute() if value else None

    @property
    def app_port_pool(self) -> range:
        return PortRange.parse(self.app_ports).ports if self.app_ports else range(0)

    @property
    def instance_port_pool(self) -> range:
        return PortRange.parse(self.instance_ports).ports

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
    def cookie_path(self) -> str:
        """Path of the session cookie: the sub-path, or the whole host where instances have ports of their own."""
        return "/" if self.app_ports else self.root_path or "/"

    @property
    def local_url(self) -> str:
        """Address of the page on this machine."""
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else self.host  # noqa: S104
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}{self.root_path}"

    @property
    def nginx_dir(self) -> Path:
        return (self.runtime_dir or self.home) / "nginx"

    @cached_property
    def run_dir(self) -> Path:
        """Folder of the manager's socket: as set, or in the data folder; if that is too long, in ``/tmp`` by user."""
        inside = self.runtime_dir or self.home / "run"
        if len(os.fsencode(inside / "manager.sock")) <= UNIX_SOCKET_PATH_MAX:
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(f"/tmp/aikore-{os.getuid()}-{digest}")  # noqa: S108 — created 0700 and checked by main

    @cached_property
    def door_cache_dir(self) -> Path:
        """Folder of NGINX's cached login checks: in memory where there is ``/dev/shm``, for they hold credentials."""
        shared = Path("/dev/shm")  # noqa: S108 — created 0700 and checked
        if not os.access(shared, os.W_OK):
            return self.run_dir / "door"
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return shared / f"aikore-{os.getuid()}-{digest}"

    @property
    def flags_dir(self) -> Path:
        """Folder of the flags by which NGINX knows which routes are up."""
        return self.run_dir / "up"

    @property
    def manager_socket(self) -> Path:
        return self.run_dir / "manager.sock"

    def vnc_socket(self, display: int) -> Path:
        return self.run_dir / f"vnc-{display}.sock"


def private_folder(path: Path) -> None:
    """Make a folder that only this user can enter. Raises StartupError when it is somebody else's or a link."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            raise StartupError(f"{path} belongs to somebody else or is a link. Move it away.")
        path.chmod(0o700)
    except OSError as error:
        raise StartupError(f"{path} cannot be made: {error.strerror}.") from error


def shipped_dir() -> Path:
    """Folder that holds ``blueprints/`` and ``functions.sh``: inside the wheel, or the repository itself."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def static_dir() -> Path:
    """Folder of the dashboard's files."""
    return Path(__file__).parent / "static"
