"""A program with a window of its own and no port: it fills the screen with a colour after a while."""

from __future__ import annotations

import os
import signal
import struct
import time
from pathlib import Path

from aikore.launch.desktop_run.x11 import XClient

COLOUR = int(os.environ.get("COLOUR", "#1450b4").removeprefix("#"), 16)


class Window(XClient):
    def show(self, width: int = 4000, height: int = 4000) -> None:
        number = self._base + 1
        create = struct.pack("<BBHIIhhHHHHIII", 1, 0, 9, number, self._root, 0, 0, width, height, 0, 1, 0, 2, COLOUR)
        self._socket.sendall(create + struct.pack("<BBHI", 8, 0, 2, number))


if __name__ == "__main__":
    cookie = Path(os.environ["XAUTHORITY"]).read_bytes()[-16:]
    window = Window(int(os.environ["DISPLAY"].removeprefix(":")), cookie)
    time.sleep(float(os.environ.get("DELAY", "0")))
    window.show()
    signal.pause()
