"""How often the monitor measures and saves."""

from __future__ import annotations

from pydantic import Field

from aikore.config.home import HomeSettings


class MonitorSettings(HomeSettings):
    """Monitoring."""

    sample_interval: float = Field(
        1.0, ge=0.1, le=86400, description="Seconds between two looks at machine, GPUs and instances that people watch."
    )
    sample_idle_interval: float = Field(
        10.0, ge=0.1, le=86400, description="Seconds between two looks while nobody watches."
    )
    history_save_interval: float = Field(
        300.0, ge=1, le=86400, description="Seconds after which the history of these figures is written to disk again."
    )
