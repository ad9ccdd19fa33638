"""What /proc tells of processes: their start, the tree below one. The manager reads by ``aikore/base/procfs.py``."""

from __future__ import annotations

import os


def process_start(pid: int) -> int | None:
    """Return the kernel start time of ``pid`` in clock ticks (proc(5), field 22), None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def machine_session() -> str:
    """Name this start of the machine or container: the kernel's boot id and the start of PID 1."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as boot:
            boot_id = boot.read().strip()
    except OSError:
        boot_id = "unknown"
    return f"{boot_id}-{process_start(1)}"


def descendants(root: int) -> set[int]:
    """Return the PIDs below ``root`` as /proc shows them now, zombies left out."""
    parents: dict[int, int] = {}
    zombies: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
            except (OSError, IndexError):
                continue
            parents[int(name)] = int(fields[1])
            if fields[0] == b"Z":
                zombies.add(int(name))
    found: set[int] = set()
    fresh = {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh and pid not in found}
        found |= fresh
    return found - zombies
