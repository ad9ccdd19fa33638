"""Who gets a connection to a port: IPv4 and IPv6 listeners of one port are two things."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from aikore.base import sockets
from tests.helpers.server import free_ports


@pytest.fixture(params=["kernel", "tables"])
def port(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port, looked at in both ways."""
    if request.param == "tables":
        monkeypatch.setattr(sockets, "_dump", _no_kernel)
    return free_ports(1)[0]


def _no_kernel(port: int, family: int) -> Iterator[sockets.Listener]:
    raise OSError("sock_diag is forbidden")


def listener(address: str, port: int, v6only: bool = False) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        one.setsockopt(socket.SOL_SOCKET, option, 1)
    if ":" in address:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
    one.bind((address, port))
    one.listen()
    return one


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def test_nobody_listens_on_a_free_port(port: int) -> None:
    assert (sockets.listening(port), sockets.local(port)) == ([], set())


def test_the_most_exact_listener_gets_the_connection(port: int) -> None:
    with ExitStack() as stack:
        for address in ("::", "0.0.0.0", "127.0.0.1"):
            one = stack.enter_context(listener(address, port))
            assert sockets.local(port) == {inode(one)}, address
            with socket.create_connection(("127.0.0.1", port)):
                one.settimeout(5)
                one.accept()[0].close()


def test_a_listener_on_ipv6_loopback_gets_nothing_of_ipv4(port: int) -> None:
    with listener("::1", port) as one:
        assert sockets.local(port) == set()
        assert [(found.inode, found.address) for found in sockets.listening(port)] == [(inode(one), "::1")]
        with listener("127.0.0.1", port) as other:
            assert sockets.local(port) == {inode(other)}


def test_an_ipv4_address_in_ipv6_dress_is_that_address(port: int) -> None:
    with listener("::ffff:127.0.0.1", port) as one, listener("0.0.0.0", port):
        assert sockets.local(port) == {inode(one)}


def test_all_who_share_a_port_are_told(port: int) -> None:
    with listener("127.0.0.1", port) as one, listener("127.0.0.1", port) as other:
        assert sockets.local(port) == {inode(one), inode(other)}


def test_the_kernel_tells_who_is_for_ipv6_alone() -> None:
    (port,) = free_ports(1)
    with listener("::", port, v6only=True):
        assert sockets.local(port) == set()
        assert sockets.blocking(port, "127.0.0.1") == set()
        assert sockets.blocking(port, "::")


@pytest.mark.parametrize(
    ("taken", "host", "blocked"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("::1", "127.0.0.1", False),
        ("::1", "0.0.0.0", False),
        ("127.0.0.1", "::1", False),
        ("::1", "::", True),
        ("::1", "localhost", True),
    ],
)
def test_an_address_is_blocked_by_what_would_get_its_connections(
    port: int, taken: str, host: str, blocked: bool
) -> None:
    with listener(taken, port) as one:
        assert sockets.blocking(port, host) == ({inode(one)} if blocked else set())
