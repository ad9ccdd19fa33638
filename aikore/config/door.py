"""Where people reach AiKore and its apps: addresses, certificate, proxies before it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from aikore.config.group import CommaList, Group, PortRange, port_pool


def _sub_path(value: str) -> str:
    value = value.rstrip("/")
    if value and not re.fullmatch(r"(?:/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])+", value):
        raise ValueError(f"{value!r} is no sub-path; write it like /aikore")
    return value


def _address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/\s\\\"'<>]+(?:/[A-Za-z0-9._~/-]*)?", value):
        raise ValueError(f"{value!r} is no address; write it like https://ai.example.org")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(f"{network!r} is no address or network; write it like 10.0.0.1 or 10.0.0.0/8") from None
    return value


class DoorSettings(Group):
    """The door."""

    host: str = Field("127.0.0.1", description="Address NGINX listens on. `0.0.0.0` opens AiKore to the network.")
    port: int = Field(9000, ge=1, le=65535, description="Port NGINX listens on: the only door.")
    root_path: Annotated[str, AfterValidator(_sub_path)] = Field(
        "", description="Sub-path under which a proxy before AiKore serves it, e.g. `/aikore`."
    )
    public_url: Annotated[str, AfterValidator(_address)] = Field(
        "",
        description="Address of the AiKore page for people, e.g. `https://ai.example.org`, where it cannot be guessed.",
    )
    tls_cert: Path | None = Field(None, description="Certificate (PEM) for https; with it AiKore speaks https only.")
    tls_key: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    trusted_proxies: Annotated[CommaList, AfterValidator(_networks)] = Field(
        (), description="Addresses or networks of proxies before AiKore whose `X-Forwarded-*` are believed."
    )
    allowed_hosts: CommaList = Field((), description="More host names that may reach AiKore, separated by commas.")
    allowed_origins: CommaList = Field(
        (), description="Origins besides our own that may write, e.g. `https://studio.example.org`."
    )
    app_domain: str = Field("", description="Domain under which every instance gets `<slug>.<domain>`.")
    app_ports: PortRange = Field(
        "", description="Range of public ports, one per instance, e.g. `9001-9020`; empty: none."
    )

    @model_validator(mode="after")
    def _certificate_with_key(self) -> DoorSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("AIKORE_TLS_CERT and AIKORE_TLS_KEY belong together; set both or none")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise ValueError(f"{path} cannot be read: AIKORE_TLS_CERT and AIKORE_TLS_KEY name PEM files")
        return self

    @property
    def app_port_pool(self) -> range:
        return port_pool(self.app_ports)

    @property
    def cookie_path(self) -> str:
        """Path of the session cookie: the sub-path, or the whole host where instances have ports of their own."""
        return "/" if self.app_ports else self.root_path or "/"

    @property
    def local_url(self) -> str:
        """Address of the page on this machine."""
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else self.host  # noqa: S104
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}{self.root_path}"
