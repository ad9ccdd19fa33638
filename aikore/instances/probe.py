"""Finds out whether an app answers. Owns the looking; what it means is the lifecycle's matter."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

import h11

from aikore import procfs
from aikore.launch.protocol import Handle


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


async def stranger(handle: Handle, port: int) -> str | None:
    """Name the program that listens on ``port`` if it is not of the handle's tree; None when all is well."""
    return await asyncio.to_thread(_stranger, handle, port)


def _stranger(handle: Handle, port: int) -> str | None:
    inodes = procfs.listeners(port)
    if not inodes or procfs.holds_socket(handle.pids(), inodes):
        return None
    return procfs.describe_listener(port)
