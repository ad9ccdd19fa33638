"""Finds out whether an app answers. Owns the looking; what it means is the lifecycle's matter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import h11

from aikore.base import procfs, sockets
from aikore.launch.protocol import Handle
from aikore.proxy.flags import Flag

ELSEWHERE_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where an app is expected to answer: a loopback port and a path."""

    port: int
    path: str


class Answer(Enum):
    """What a look showed."""

    NOBODY = auto()  # nothing listens
    UNWELL = auto()  # something listens but does not answer below 500
    WELL = auto()


async def look(target: Target, timeout: float) -> Answer:
    """Ask the app once; ``timeout`` in seconds."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    except (OSError, TimeoutError):
        return Answer.NOBODY
    try:
        async with asyncio.timeout(timeout):
            status = await _get(reader, writer, target)
    except (OSError, TimeoutError, h11.RemoteProtocolError):
        return Answer.UNWELL
    finally:
        writer.close()
    return Answer.WELL if status < 500 else Answer.UNWELL


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> int:
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", f"127.0.0.1:{target.port}"), ("Connection", "close"), ("User-Agent", "AiKore")]
    writer.write(connection.send(h11.Request(method="GET", target=target.path, headers=headers)) or b"")
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(4096))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("closed without an answer")


class Whose(Enum):
    """Whose listener gets what NGINX sends to an instance's port."""

    NOBODY = auto()
    OWN = auto()
    STRANGER = auto()


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a port showed. ``reason``: what stands in the way of the route, for people."""

    whose: Whose
    reason: str = ""


NameOf = Callable[[int], str | None]
"""Returns the name of the instance that a process belongs to. Any thread may ask."""


def who_has(inodes: set[int], name_of: NameOf) -> str:
    """Name who holds sockets: the instance where it is one, and the program."""
    holder = procfs.holder(inodes)
    if holder.pid is None:
        return str(holder)
    name = name_of(holder.pid)
    return f"the instance {name!r} ({holder.program}, process {holder.pid})" if name else f"another program: {holder}"


class Listening:
    """The port of one run: whether its listener is the run's own, and the flag of its route accordingly.

    A socket belongs to a run for good or never, so only sockets not seen before are looked for among its processes.
    """

    def __init__(self, handle: Handle, port: int, flag: Flag, name_of: NameOf) -> None:
        self._handle = handle
        self._port = port
        self._flag = flag
        self._name_of = name_of
        self._own: set[int] = set()
        self._strange: set[int] = set()
        self._reason = ""
        self._elsewhere = ""
        self._elsewhere_at = time.monotonic() + ELSEWHERE_INTERVAL

    async def look(self) -> Found:
        """Look who gets a connection to the port; raise or lower the flag."""
        return await asyncio.to_thread(self._look)

    async def elsewhere(self) -> str:
        """Say where the run listens on its port instead of where NGINX goes, "" if it does not; looks now and then."""
        if time.monotonic() > self._elsewhere_at:
            self._elsewhere_at = time.monotonic() + ELSEWHERE_INTERVAL
            self._elsewhere = await asyncio.to_thread(self._look_elsewhere)
        return self._elsewhere

    def _look(self) -> Found:
        inodes = self._listener()
        if inodes and inodes == self._own:
            return self._open()
        self._flag.down(self._handle.record.run)
        if not inodes:
            return Found(Whose.NOBODY)
        return Found(Whose.STRANGER, self._reason)

    def _listener(self) -> set[int]:
        """Return the sockets that get a connection, known as own or strange.

        A "no" is looked at twice: the listener may just be replaced, or held by a process that has just begun.
        """
        seen: set[int] = set()
        while inodes := sockets.local(self._port):
            if inodes in (self._own, self._strange):
                break
            if self._holds(inodes):
                self._own = inodes
                break
            if inodes == seen:
                self._strange = inodes
                self._reason = f"Port {self._port} is used by {who_has(inodes, self._name_of)}"
                break
            seen = inodes
        return inodes

    def _open(self) -> Found:
        try:
            self._flag.up(self._handle.record.run)
        except OSError as error:
            return Found(Whose.NOBODY, f"its route cannot be opened: {error.strerror}")
        return Found(Whose.OWN)

    def _holds(self, inodes: set[int]) -> bool:
        """Say whether the run has all of these sockets; mostly its first process or a child of that one has them."""
        first = self._handle.record.pid
        near = {first, *procfs.children(first)} if first else set()
        return procfs.held(near, inodes) == inodes or procfs.held(self._handle.pids(), inodes) == inodes

    def _look_elsewhere(self) -> str:
        others = {listener.inode: listener.address for listener in sockets.listening(self._port)}
        for inode in procfs.held(self._handle.pids(), set(others)) if others else ():
            shown = f"[{others[inode]}]" if ":" in others[inode] else others[inode]
            return f"listens on {shown}:{self._port} only; let it listen on 127.0.0.1, where AiKore looks for it"
        return ""
