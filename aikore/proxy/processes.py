"""Looks at NGINX's processes through /proc. Starts none; ends only groups it is told to."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (include/net/tcp_states.h)."""


def start_time(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot); None when it is gone or a zombie."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


def title(pid: int) -> str:
    """Return what a process calls itself, "" when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""


def workers(master: int) -> dict[int, bool]:
    """Return the workers of a master: PID → whether it is shutting down."""
    found = {}
    for pid in _children(master):
        name = title(pid)
        if name.startswith("nginx: worker process"):
            found[pid] = "shutting down" in name
    return found


def group_members(group: int) -> set[int]:
    """Return NGINX's processes in a process group."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return {pid for pid in pids if _in_group(pid, group) and title(pid).startswith("nginx")}


def _in_group(pid: int, group: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and int(fields[2]) == group and fields[0] not in (b"Z", b"X")


def kill_group(group: int, patience: float = 5.0) -> bool:
    """Kill NGINX's processes of a group and say whether all are gone. Blocks up to ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while members := group_members(group):
        if time.monotonic() > deadline:
            return False
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap(group)
        time.sleep(0.005)
    reap(group)
    return True


def reap(pid: int) -> None:
    """Collect a dead child; a process that is no child of ours is left alone."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def listener(port: int) -> str | None:
    """Name the program that listens on a TCP port; None when nobody does."""
    inodes = _listening(port)
    if not inodes:
        return None
    links = {f"socket:[{inode}]" for inode in inodes}
    for name in os.listdir("/proc"):
        if name.isdigit() and links & _open_files(int(name)):
            return f"{title(int(name))[:80]!r} (process {name})"
    return "another program"


def _stat(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return []


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # gone, or a kernel without CONFIG_PROC_CHILDREN
        parents = ((int(name), _stat(int(name))) for name in os.listdir("/proc") if name.isdigit())
        return [child for child, fields in parents if fields and int(fields[1]) == pid]
    except OSError:
        return []


def _listening(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _open_files(pid: int) -> set[str]:
    links = set()
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                links.add(str(Path(entry.path).readlink()))
    return links
