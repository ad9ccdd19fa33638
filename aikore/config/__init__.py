"""Settings: every one is a field of a group, with default and help. Reads the environment (``AIKORE_*``), nothing else.

A group belongs to a room. A room names the group it needs in its signatures; who starts AiKore hands it
:class:`Settings`, which is all groups in one.
"""

from __future__ import annotations

from aikore.config.access import AccessSettings
from aikore.config.desktops import DesktopSettings
from aikore.config.door import DoorSettings
from aikore.config.group import Group
from aikore.config.home import HomeSettings
from aikore.config.instances import InstanceSettings
from aikore.config.monitoring import MonitorSettings
from aikore.config.notices import NoticeSettings
from aikore.config.proxy import ProxySettings
from aikore.config.terminals import TerminalSettings

GROUPS: tuple[type[Group], ...] = (
    HomeSettings,
    DoorSettings,
    ProxySettings,
    AccessSettings,
    InstanceSettings,
    DesktopSettings,
    TerminalSettings,
    MonitorSettings,
    NoticeSettings,
)
"""In the order of ``docs/settings.md``."""


class Settings(ProxySettings, AccessSettings, InstanceSettings, TerminalSettings, MonitorSettings, NoticeSettings):
    """All that a person may set."""
