"""What the room of logs adds to the house."""

from __future__ import annotations

from aikore.base.rooms import Room
from aikore.base.websockets import Removed
from aikore.instances.manager import Manager
from aikore.logs import api


def make(manager: Manager, removed: Removed) -> Room:
    """Reading, searching and following the logs of instances."""
    return Room(routes=api.router(manager.logs_folder, removed).routes)
