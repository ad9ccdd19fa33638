"""How many terminals there may be, and how long and how much they keep."""

from __future__ import annotations

from pydantic import Field

from aikore.config.group import Group


class TerminalSettings(Group):
    """Terminals."""

    terminal_idle: float = Field(
        86400.0, gt=0, description="Seconds a terminal that nobody looks at is kept; then its programs are ended."
    )
    terminal_scrollback: int = Field(
        2**20, ge=65536, le=2**28, description="Bytes of output a terminal keeps for viewers who come back."
    )
    terminals: int = Field(64, ge=1, le=10_000, description="Terminals that may be open at the same time.")
