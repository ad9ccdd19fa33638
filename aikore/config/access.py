"""Who gets in."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from aikore.config.door import DoorSettings
from aikore.config.home import HomeSettings


class AuthMode(StrEnum):
    """Whether anybody has to log in."""

    ON = "on"
    OFF = "off"


def _header_name(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", value):
        raise ValueError(f"{value!r} is no header name; write it like Remote-User")
    return value


class AccessSettings(DoorSettings, HomeSettings):
    """Access."""

    auth: AuthMode = Field(
        AuthMode.ON, description="`off`: nobody has to log in. Only for a network where you trust everybody."
    )
    password: SecretStr = Field(
        SecretStr(""), description="The owner's password; empty: the first start prints a link to choose one."
    )
    token: SecretStr = Field(SecretStr(""), description="A fixed API token with scope `admin`, for automation.")
    auth_header: Annotated[str, AfterValidator(_header_name)] = Field(
        "",
        description="Header by which a proxy in `AIKORE_TRUSTED_PROXIES` names who is logged in, e.g. `Remote-User`.",
    )
    auth_header_role: Literal["none", "viewer", "creator", "operator", "admin"] = Field(
        "none",
        description="Role of somebody whom that header names and AiKore does not know: "
        "`viewer`, `creator`, `operator` or `admin`; `none`: refused.",
    )
    session_days: int = Field(30, ge=1, le=3650, description="Days a login lasts.")
    audit_keep: int = Field(10_000, ge=100, le=10_000_000, description="Entries the audit log keeps.")

    @model_validator(mode="after")
    def _header_from_known_proxies(self) -> AccessSettings:
        if self.auth_header and not self.trusted_proxies:
            raise ValueError("AIKORE_AUTH_HEADER needs AIKORE_TRUSTED_PROXIES: anybody could send that header")
        return self
