"""Whether the kernel has just killed something for want of memory, by the counters it keeps of that.

The counter of our own control group comes first: it counts what was killed in it, whatever ran out. Where it cannot be
read, the machine's counts. Knows nothing of instances.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LOOK_EVERY = 5.0
"""Seconds between two looks; what was killed before the last but one is no news."""
CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


def counter_files(proc: Path = PROC, cgroups: Path = CGROUPS) -> list[Path]:
    """Return the files that count kills, the nearest first: control groups v2 and v1, then the machine's."""
    found: list[Path] = []
    with suppress(OSError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            inside = path.strip("/")
            if not controllers:
                found += [cgroups / inside / "memory.events", cgroups / "memory.events"]
            elif "memory" in controllers.split(","):
                v1 = cgroups / "memory"
                found += [v1 / inside / "memory.oom_control", v1 / "memory.oom_control"]
    return [*found, proc / "vmstat"]


class OomWatch:
    """Remembers the counter of some seconds ago."""

    def __init__(self, files: list[Path] | None = None) -> None:
        self._files = counter_files() if files is None else files
        self._before = self._last = self._read()

    def look(self) -> None:
        """Take down the counter; call it every :data:`LOOK_EVERY` seconds. Blocking."""
        self._before, self._last = self._last, self._read()

    def killed_lately(self) -> bool:
        """Say whether something was killed within the last looks. Blocking."""
        return self._read() > self._before

    def _read(self) -> int:
        for file in self._files:
            with suppress(OSError, ValueError):
                for line in file.read_text().splitlines():
                    name, _, value = line.partition(" ")
                    if name == "oom_kill":
                        return int(value)
        return 0
