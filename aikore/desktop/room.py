"""What the room of desktops adds to the house."""

from __future__ import annotations

from aikore.base.rooms import Room
from aikore.base.websockets import Removed
from aikore.desktop import api
from aikore.instances.manager import Manager


def make(manager: Manager, removed: Removed) -> Room:
    """The socket between a desktop and its viewers."""
    return Room(routes=api.router(manager.displays.vnc_socket, removed).routes)
