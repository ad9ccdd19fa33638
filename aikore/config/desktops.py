"""Desktops of instances."""

from __future__ import annotations

from pydantic import Field

from aikore.config.group import Group


class DesktopSettings(Group):
    """Desktops."""

    desktop_browser: str = Field(
        "", description="Browser that desktops show apps in: `chromium` or `firefox-esr`; empty: the first one found."
    )
