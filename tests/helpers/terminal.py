"""A viewer of a terminal, with a screen of its own (pyte, a VT emulator)."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pyte
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.helpers.server import AiKoreServer


class Screen(pyte.Screen):
    """pyte knows no private form of SGR (XTMODKEYS, which vim sends); it changes nothing that shows."""

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)


class Terminal:
    """A WebSocket to a terminal. ``output`` is all that came, ``controls`` what was told, ``screen`` what shows."""

    def __init__(
        self,
        server: AiKoreServer,
        path: str = "/api/terminal",
        draw: bool = True,
        port: int | None = None,
        **query: Any,
    ) -> None:
        columns, rows = 80, 24
        parts = [f"{key}={value}" for key, value in {"columns": columns, "rows": rows, **query}.items()]
        url = f"ws://127.0.0.1:{port or server.port}{path}?{'&'.join(parts)}"
        credential = {key: value for key, value in server.http.headers.items() if key == "authorization"}
        self.socket: ClientConnection = connect(
            url, proxy=None, max_size=None, compression=None, additional_headers=credential
        ).__enter__()
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.draw = draw
        """Whether the screen is kept: an emulator is too slow for a flood."""
        self.output = b""
        self.controls: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.reason: str | None = ""
        self.started: dict[str, Any] = self.wait(lambda: self.controls, "the terminal tells who it is")[0]
        self.offset = self.started["offset"]

    @property
    def id(self) -> str:
        return str(self.started["id"])

    @property
    def next(self) -> int:
        """The offset behind what was received."""
        return int(self.offset) + len(self.output)

    def take(self, seconds: float = 0.05) -> bool:
        """Take one frame; False when none came in time or the socket is closed."""
        try:
            frame = self.socket.recv(seconds)
        except TimeoutError:
            return False
        except ConnectionClosed:
            self.closed, self.reason = self.socket.close_code, self.socket.close_reason
            return False
        if isinstance(frame, bytes):
            self.output += frame
            if self.draw:
                self.stream.feed(frame)
            return True
        control = json.loads(frame)
        self.controls.append(control)
        if control["type"] == "reset":
            self.offset, self.output = control["offset"], b""
            self.screen.reset()
        if restore := control.get("restore"):
            self.stream.feed(restore.encode())
        return True

    def wait(self, condition: Any, what: str = "", seconds: float = 20.0) -> Any:
        """Take frames until the condition holds."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what}; it shows:\n{self.text}"
            if not self.take() and self.closed:
                found = condition()
                assert found, f"{what}; closed with {self.closed} {self.reason}; it shows:\n{self.text}"
                return found
        return found

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).strip()

    def send(self, data: str | bytes) -> None:
        self.socket.send(data.encode() if isinstance(data, str) else data)

    def control(self, **fields: Any) -> None:
        self.socket.send(json.dumps(fields))

    def run(self, line: str, seconds: float = 20.0) -> str:
        """Run a line in the shell and return what it prints. The marks are put together by the shell alone."""
        mark = str(time.monotonic_ns())
        before = len(self.output)
        self.send(f"echo be''gin-{mark}; {line}; echo en''d-{mark}\r")
        self.wait(lambda: f"end-{mark}".encode() in self.output[before:], line, seconds)
        text = self.output[before:].decode("utf-8", "replace")
        text = text.split(f"begin-{mark}\r\n", 1)[1].split(f"end-{mark}")[0]
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r", "", text)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
