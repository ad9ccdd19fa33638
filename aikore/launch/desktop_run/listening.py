"""Whether somebody answers at a socket of this machine."""

from __future__ import annotations

import socket


def answers(port: int, path: str) -> bool:
    """Say whether the app answers HTTP below 500."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            request = (
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nUser-Agent: AiKore\r\n\r\n"
            )
            connection.sendall(request.encode())
            words = connection.recv(64).split()
    except OSError:
        return False
    return len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() and int(words[1]) < 500


def is_served(path: str) -> bool:
    """Say whether somebody takes connections at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except TimeoutError:
            return True
        except OSError:
            return False
    return True
