"""The little of the X protocol that a desktop needs: its cookie, its sockets, whether a window is shown."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

X_SOCKETS = "/tmp/.X11-unix"  # noqa: S108 — the X protocol's own place
COOKIE = b"MIT-MAGIC-COOKIE-1"
ANY_HOST = 0xFFFF
"""FamilyWild of Xauth: the machine's name may change."""


def write_authority(path: Path, display: int, cookie: bytes) -> None:
    """Write the file by which programs of this user may use the display (format: Xau(3))."""
    fields = (b"", str(display).encode(), COOKIE, cookie)
    entry = struct.pack(">H", ANY_HOST) + b"".join(struct.pack(">H", len(field)) + field for field in fields)
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(entry)


class XClient:
    """The little of the X protocol that tells whether a program shows a window."""

    def __init__(self, display: int, cookie: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(5)
        self._socket.connect(f"{X_SOCKETS}/X{display}")
        padding = -len(COOKIE) % 4
        hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(COOKIE), len(cookie))
        self._socket.sendall(hello + COOKIE + bytes(padding) + cookie)
        accepted, length = struct.unpack("<BxxxxxH", self._take(8))
        body = self._take(length * 4)
        if accepted != 1:
            raise OSError("the display refused us")
        self._base = struct.unpack_from("<I", body, 4)[0]
        vendor, formats = struct.unpack_from("<H", body, 16)[0], body[21]
        self._root = struct.unpack_from("<I", body, 32 + vendor + -vendor % 4 + 8 * formats)[0]
        self._list = self._atom(b"_NET_CLIENT_LIST")

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise OSError("the display is gone")
            data += piece
        return data

    def _ask(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        while True:
            head = self._take(32)
            if head[0] == 1:
                return head + self._take(struct.unpack_from("<I", head, 4)[0] * 4)
            if head[0] == 0:
                raise OSError("the display answered with an error")

    def _atom(self, name: bytes) -> int:
        words = 2 + (len(name) + 3) // 4
        answer = self._ask(struct.pack("<BBHHxx", 16, 0, words, len(name)) + name + bytes(-len(name) % 4))
        return int(struct.unpack_from("<I", answer, 8)[0])

    def _listed(self) -> tuple[int, int]:
        """Return the type and length of the window manager's list of windows; type 0: there is no list."""
        answer = self._ask(struct.pack("<BBHIIIII", 20, 0, 6, self._root, self._list, 0, 0, 1))
        return struct.unpack_from("<I", answer, 8)[0], struct.unpack_from("<I", answer, 16)[0]

    def has_manager(self) -> bool:
        """Say whether a window manager is at work."""
        return self._listed()[0] != 0

    def has_window(self) -> bool:
        """Say whether the window manager holds a window."""
        return self._listed()[1] > 0

    def close(self) -> None:
        self._socket.close()
