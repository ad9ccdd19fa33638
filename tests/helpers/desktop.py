"""Instances with a desktop, and what is seen of one through its socket."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection

from tests.helpers.server import AiKoreServer, wait_until

APP = Path(__file__).parents[1] / "apps/desktop_app.py"
RED, GREEN = "#c81e64", "#14963c"


def painted(server: AiKoreServer, name: str, colour: str = RED) -> dict[str, Any]:
    """Make and start an instance whose page on its desktop has a colour."""
    server.blueprint("painted", f"exec {sys.executable} {APP}")
    server.create(name, "painted", persistent_mode=True, environment={"COLOUR": colour})
    return server.start_and_wait(name.lower())


def state(instance: dict[str, Any], server: AiKoreServer) -> dict[str, Any]:
    """Return what the page told its server."""
    return dict(server.http.get(f"/app/{instance['slug']}/state").json())


def wait_for_page(instance: dict[str, Any], server: AiKoreServer) -> dict[str, Any]:
    """Return the page's state once the browser on the desktop runs it."""

    def runs() -> dict[str, Any] | None:
        now = state(instance, server)
        return now if int(now["count"]) > 0 else None

    return wait_until(runs, 40, "the browser on the desktop shows the page")


class Viewer:
    """A small RFB client (RFC 6143) on the socket of a desktop."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._data = b""
        self._take(12)
        socket.send(b"RFB 003.008\n")
        self._take(self._take(1)[0])
        socket.send(b"\x01")  # security type None
        assert self._take(4) == bytes(4)
        socket.send(b"\x01")  # shared
        self.width, self.height = struct.unpack(">HH", self._take(4))
        self._take(16)
        self.name = self._take(struct.unpack(">I", self._take(4))[0]).decode()
        pixels = struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        socket.send(pixels + struct.pack(">BxHi", 2, 1, 0))  # raw encoding alone

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            piece = self._socket.recv(timeout=20)
            assert isinstance(piece, bytes)
            self._data += piece
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def colour(self, x: int, y: int) -> str:
        """Return the colour of a pixel as the screen now is."""
        self._socket.send(struct.pack(">BBHHHH", 3, 0, x, y, 1, 1))
        while True:
            kind = self._take(1)[0]
            if kind == 0:
                (count,) = struct.unpack(">xH", self._take(3))
                for _ in range(count):
                    _, _, width, height, _ = struct.unpack(">HHHHi", self._take(12))
                    pixels = self._take(width * height * 4)
                return "#" + bytes(reversed(pixels[:3])).hex()
            if kind == 3:
                self._take(struct.unpack(">xxxI", self._take(7))[0])
            assert kind in (2, 3), f"message {kind}"

    def type(self, text: str) -> None:
        for character in text:
            for down in (1, 0):
                self._socket.send(struct.pack(">BBxxI", 4, down, ord(character)))
