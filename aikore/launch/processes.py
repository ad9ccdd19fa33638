"""Looks at processes through /proc: marks, listeners, liveness. Owns no process."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from aikore.launch.keeper import descendants, process_start

LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (include/net/tcp_states.h)."""

RUN_MARK = "AIKORE_RUN"


def alive(pid: int, start: int) -> bool:
    """Say whether ``pid`` is still the process that started at ``start`` (clock ticks) and no zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return False
    return int(fields[19]) == start and fields[0] not in (b"Z", b"X")


def marked(run_uuid: str) -> set[int]:
    """Return the processes that carry ``AIKORE_RUN=<run_uuid>`` in their environment."""
    mark = f"{RUN_MARK}={run_uuid}".encode()
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                if mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.add(int(name))
    return found


def kill_marked(run_uuid: str, patience: float = 5.0) -> set[int]:
    """Kill what a dead keeper left behind, children of the found ones too; return the PIDs that would not go.

    Blocks up to ``patience`` seconds: run it in a thread.
    """
    deadline = time.monotonic() + patience
    while True:
        left = marked(run_uuid)
        for pid in list(left):
            left |= descendants(pid)
        left -= {os.getpid()}
        left = {pid for pid in left if _state(pid) not in (b"Z", b"X", b"")}
        if not left or time.monotonic() > deadline:
            return left
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        time.sleep(0.01)


def _state(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()[0]
    except (OSError, IndexError):
        return b""


def listeners(port: int) -> set[int]:
    """Return the inodes of sockets that listen on TCP ``port``, in this network namespace."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError), open(table) as rows:
            next(rows)
            for row in rows:
                fields = row.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(int(fields[9]))
    return inodes


def holds_socket(pids: set[int], inodes: set[int]) -> bool:
    """Say whether one of ``pids`` holds one of the sockets."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return any(wanted & _links(pid) for pid in pids)


def _links(pid: int) -> set[str]:
    links = set()
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                links.add(str(Path(f"/proc/{pid}/fd/{fd}").readlink()))
    return links


def describe_listener(port: int) -> str | None:
    """Name the program that listens on ``port``, ``"another program"`` if it is hidden, None if nobody listens."""
    inodes = listeners(port)
    if not inodes:
        return None
    for name in os.listdir("/proc"):
        if name.isdigit() and holds_socket({int(name)}, inodes):
            with suppress(OSError):
                return f"{Path(f'/proc/{name}/comm').read_text().strip()} (process {name})"
    return "another program"


__all__ = [
    "alive",
    "descendants",
    "describe_listener",
    "holds_socket",
    "kill_marked",
    "listeners",
    "marked",
    "process_start",
]
