"""`make quick` finds the tests of what was changed."""

from __future__ import annotations

from fnmatch import fnmatch

from tools.touched import ROOT, TOUCHES, known_files, touched


def test_a_change_runs_the_tests_of_its_room_and_changed_tests_themselves() -> None:
    there = known_files()
    found = touched(["aikore/terminal/pty.py", "tests/integration/test_package.py", "README.md"], there)
    assert found == [there[name] for name in ("terminal_tool", "package", "terminal", "terminal_viewers")]


def test_every_test_file_is_reached_from_something() -> None:
    named = {name for names in TOUCHES.values() for name in names.split()}
    assert named == set(known_files())


def test_every_pattern_matches_a_file() -> None:
    files = [
        str(path.relative_to(ROOT)) for top in ("aikore", "blueprints", "tools") for path in (ROOT / top).rglob("*")
    ]
    files += [path.name for path in ROOT.iterdir()]
    assert [pattern for pattern in TOUCHES if not any(fnmatch(file, pattern) for file in files)] == []
