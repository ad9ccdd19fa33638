"""The flag of a route: raised for a run, and never again once that has ended."""

from __future__ import annotations

from pathlib import Path

from aikore.proxy.flags import Flags


def test_a_flag_is_raised_and_lowered(tmp_path: Path) -> None:
    flag = Flags(tmp_path / "up").of("a")
    flag.up(1)
    assert flag.path.is_file()
    flag.down(1)
    assert not flag.path.exists()


def test_what_is_seen_late_of_an_ended_run_changes_nothing(tmp_path: Path) -> None:
    flag = Flags(tmp_path / "up").of("a")
    flag.up(1)
    flag.end(1)
    flag.up(1)
    assert not flag.path.exists()
    flag.up(2)
    flag.down(1)
    assert flag.path.exists()


def test_only_flags_of_living_runs_are_kept(tmp_path: Path) -> None:
    flags = Flags(tmp_path / "up")
    flags.keep({"a"})
    for slug in ("a", "b"):
        flags.of(slug).up(1)
    flags.keep({"a"})
    assert [path.name for path in (tmp_path / "up").iterdir()] == ["a"]
