"""How instances start, stop, are watched and log."""

from __future__ import annotations

from pydantic import Field

from aikore.config.desktops import DesktopSettings
from aikore.config.door import DoorSettings
from aikore.config.group import PortRange, port_pool
from aikore.config.home import HomeSettings


class InstanceSettings(DesktopSettings, DoorSettings, HomeSettings):
    """Instances."""

    instance_ports: PortRange = Field(
        "19000-19999", description="Loopback ports instances listen on, one each for life."
    )
    stop_grace: float = Field(10.0, ge=0, le=3600, description="Seconds a program gets to end before SIGKILL.")
    ready_timeout: float = Field(
        300.0, gt=0, description="Seconds until a starting instance reads `stalled`, where its blueprint says nothing."
    )
    health_interval: float = Field(20.0, gt=0, description="Seconds between looks at a started instance.")
    health_timeout: float = Field(60.0, gt=0, description="Seconds without an answer until `stalled`.")
    autostart_parallel: int = Field(4, ge=1, le=64, description="Instances that start at the same time by autostart.")
    log_rotate_bytes: int = Field(64 * 2**20, ge=4096, description="Size at which an instance's log is rotated.")
    log_keep: int = Field(16, ge=1, le=1000, description="Rotated log files kept per instance.")

    @property
    def instance_port_pool(self) -> range:
        return port_pool(self.instance_ports)
