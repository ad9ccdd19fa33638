"""From which figures on people are told unasked."""

from __future__ import annotations

from pydantic import Field

from aikore.config.group import Group


class NoticeSettings(Group):
    """Notices."""

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
