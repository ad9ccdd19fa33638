"""An app that listens where it is told, which need not be its own port, and answers ``mine``.

Variables: ``ADDRESS`` and ``OTHER_PORT`` say where, ``STATUS`` what it answers, ``WAIT_FOR`` a file it waits for before
it listens, ``CLOSE_FOR`` a file for whose time it does not listen.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from pathlib import Path


def listen(port: int) -> socket.socket:
    address = os.environ.get("ADDRESS", "127.0.0.1")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        try:
            return socket.create_server((address, port), family=family, dualstack_ipv6=address == "::")
        except OSError:
            time.sleep(0.05)


def answer(listener: socket.socket) -> None:
    if not select.select([listener], [], [], 0.05)[0]:
        return
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        status = os.environ.get("STATUS", "200")
        connection.sendall(
            f"HTTP/1.1 {status} Own\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nmine".encode()
        )


def main(port: int) -> None:
    wait_for, close_for = os.environ.get("WAIT_FOR"), os.environ.get("CLOSE_FOR")
    while wait_for and not Path(wait_for).exists():
        time.sleep(0.02)
    while True:
        with listen(port) as listener:
            while not (close_for and Path(close_for).exists()):
                answer(listener)
        while close_for and Path(close_for).exists():
            time.sleep(0.02)


if __name__ == "__main__":
    main(int(os.environ.get("OTHER_PORT") or sys.argv[1]))
