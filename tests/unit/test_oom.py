"""The kernel's counters of kills for want of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikore.instances.oom import OomWatch, counter_files

V2 = "low 0\nhigh 0\nmax 7\noom 3\noom_kill {}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


@pytest.mark.parametrize(
    ("lines", "file", "text"),
    [
        ("0::/user.slice/a.scope\n", "cgroup/user.slice/a.scope/memory.events", V2),
        ("0::/elsewhere\n", "cgroup/memory.events", V2),
        ("4:memory,blkio:/a/b\n0::/\n", "cgroup/memory/a/b/memory.oom_control", V1),
        ("4:memory:/outside\n", "cgroup/memory/memory.oom_control", V1),
        ("1:cpu:/\n", "proc/vmstat", "pgfault 1\noom_kill {}\n"),
    ],
)
def test_a_kill_is_known_for_some_seconds_wherever_the_kernel_counts_it(
    tmp_path: Path, lines: str, file: str, text: str
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(lines)
    counter = tmp_path / file
    counter.parent.mkdir(parents=True, exist_ok=True)
    counter.write_text(text.format(4))
    watch = OomWatch(counter_files(tmp_path / "proc", tmp_path / "cgroup"))
    assert not watch.killed_lately(), "what was killed before is no news"
    counter.write_text(text.format(5))
    assert watch.killed_lately()
    watch.look()
    assert watch.killed_lately()
    watch.look()
    assert not watch.killed_lately()


def test_counters_that_cannot_be_read_tell_of_nothing(tmp_path: Path) -> None:
    watch = OomWatch([tmp_path / "missing"])
    watch.look()
    assert not watch.killed_lately()


def test_this_machine_has_a_counter() -> None:
    assert any(file.is_file() for file in counter_files())
