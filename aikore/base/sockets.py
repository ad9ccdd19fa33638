"""Which TCP sockets listen on a port of this network namespace: the kernel is asked (sock_diag(7)), else /proc is read.

/proc/net/tcp costs milliseconds on a machine with many connections, and does not tell which sockets are for IPv6 alone.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
INET_DIAG_SKV6ONLY = 11
TCP_LISTEN = 10
HEADER = struct.Struct("=IHHII")
"""``struct nlmsghdr``: length, type, flags, sequence, port."""
REQUEST = struct.Struct("=BBBxI")
"""``struct inet_diag_req_v2`` up to the socket's identity, which is 48 bytes and begins with its port."""
SOCKET_ID, ANSWER = 48, 72
ANSWER_TIMEOUT = 1.0

LOCAL_ORDER = (("127.0.0.1", "::ffff:127.0.0.1"), ("0.0.0.0",), ("::", "::ffff:0.0.0.0"))  # noqa: S104 — not bound
"""In which order the kernel looks for who gets a connection to 127.0.0.1 (``__inet_lookup_listener``)."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. ``v6only``: it gets no connection by IPv4."""

    inode: int
    address: str
    v6only: bool = False


def listening(port: int) -> list[Listener]:
    """Return the sockets that listen on TCP ``port``, whoever holds them."""
    try:
        return [*_dump(port, socket.AF_INET), *_dump(port, socket.AF_INET6)]
    except OSError:  # a kernel without sock_diag, or a sandbox that forbids it
        return list(_read_tables(port))


def local(port: int) -> set[int]:
    """Return the sockets (inodes) that get a connection to 127.0.0.1. Several share it by SO_REUSEPORT."""
    found = [listener for listener in listening(port) if not listener.v6only]
    for addresses in LOCAL_ORDER:
        if inodes := {listener.inode for listener in found if listener.address in addresses}:
            return inodes
    return set()


def blocking(port: int, host: str) -> set[int]:
    """Return the sockets (inodes) that keep a program from listening on an address; all of the port for a name."""
    try:
        wanted = ip_address(host)
    except ValueError:
        return {listener.inode for listener in listening(port)}
    return {listener.inode for listener in listening(port) if _clash(listener, wanted)}


def _clash(listener: Listener, wanted: Address) -> bool:
    address = ip_address(listener.address)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    if address.version != wanted.version:
        return address.version == 6 and address.is_unspecified and not listener.v6only
    return wanted.is_unspecified or address.is_unspecified or address == wanted


def _dump(port: int, family: int) -> Iterator[Listener]:
    request = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 1 << TCP_LISTEN)
    request += struct.pack("!H", port).ljust(SOCKET_ID, b"\0")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(ANSWER_TIMEOUT)
        kernel.send(HEADER.pack(HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0) + request)
        while True:
            data = kernel.recv(65536)
            while data:
                length, kind, *_ = HEADER.unpack_from(data)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", data, HEADER.size)[0], "sock_diag")
                yield _listener(data[HEADER.size : length])
                data = data[_aligned(length) :]


def _listener(message: bytes) -> Listener:
    """Read a ``struct inet_diag_msg`` and its attributes."""
    family = message[0]
    packed = message[8 : 8 + (4 if family == socket.AF_INET else 16)]
    (inode,) = struct.unpack_from("=I", message, ANSWER - 4)
    return Listener(inode, socket.inet_ntop(family, packed), v6only=_is_v6only(message[ANSWER:]))


def _is_v6only(attributes: bytes) -> bool:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == INET_DIAG_SKV6ONLY:
            return attributes[4] != 0
        attributes = attributes[_aligned(max(length, 4)) :]
    return False


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _read_tables(port: int) -> Iterator[Listener]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError), open(table) as rows:
            next(rows)
            for row in rows:
                fields = row.split()
                address, _, number = fields[1].partition(":")
                if int(fields[3], 16) == TCP_LISTEN and int(number, 16) == port:
                    yield Listener(int(fields[9]), _address(address))


def _address(digits: str) -> str:
    """Return the address that /proc writes as 32-bit words in the machine's own order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
