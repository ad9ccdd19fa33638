"""Chooses ports. An instance keeps its port for life."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from aikore.base.errors import ConflictError


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether nobody listens on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_instance_port(pool: range, taken: Iterable[int]) -> int:
    """Return the lowest port of the pool that no instance has and nobody listens on."""
    used = set(taken)
    for port in pool:
        if port not in used and is_free(port):
            return port
    raise ConflictError(
        f"All ports from {pool.start} to {pool.stop - 1} are in use. Widen AIKORE_INSTANCE_PORTS or delete instances."
    )


def choose_app_port(pool: range, taken: Iterable[int], host: str) -> int | None:
    """Return a free public port, None when the pool is used up: a port route is a convenience."""
    used = set(taken)
    return next((port for port in pool if port not in used and is_free(port, host)), None)
