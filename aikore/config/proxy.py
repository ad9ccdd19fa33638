"""The NGINX that AiKore runs behind."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from aikore.config.door import DoorSettings
from aikore.config.home import HomeSettings


class NginxMode(StrEnum):
    """Who supervises NGINX."""

    OWN = "own"
    EXTERNAL = "external"
    OFF = "off"


class ProxySettings(DoorSettings, HomeSettings):
    """NGINX."""

    nginx: NginxMode = Field(
        NginxMode.OWN, description="`own`: AiKore starts NGINX; `external`: a supervisor does; `off`: no NGINX."
    )
    nginx_path: str = Field("", description="The nginx program; empty: the system's, else the packaged one.")
    nginx_workers: int = Field(0, ge=0, le=64, description="NGINX worker processes; 0: one per core, 4 at most.")
