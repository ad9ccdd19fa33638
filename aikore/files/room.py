"""What the room of files adds to the house."""

from __future__ import annotations

from aikore.base.rooms import Room
from aikore.config.home import HomeSettings
from aikore.files import api
from aikore.instances.manager import Manager


def make(settings: HomeSettings, manager: Manager) -> Room:
    """The files and outputs of instances."""
    return Room(routes=api.router(settings, manager.registry.usable).routes)
