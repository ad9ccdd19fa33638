"""Problems of scripts, as ShellCheck and bash themselves tell them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from aikore.blueprints.check import PROBLEMS_MAX, check_script

STOCK = sorted((Path(__file__).parents[2] / "blueprints").glob("*.sh"))


@pytest.fixture
def only_bash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("path", STOCK, ids=lambda path: path.name)
def test_a_stock_blueprint_has_no_problem(path: Path) -> None:
    checked = check_script(path.read_text())
    assert (checked.tool, checked.problems) == ("shellcheck", ())


def test_shellcheck_says_what_and_where() -> None:
    checked = check_script('#!/usr/bin/env bash\nsource "$AIKORE_FUNCTIONS"\n\tä=1; rm $1\r\n')
    [problem] = [one for one in checked.problems if one.code == "SC2086"]
    assert (checked.tool, problem.line, problem.column, problem.end_line, problem.end_column) == (
        "shellcheck",
        3,
        10,
        3,
        12,
    )
    assert problem.level == "info"
    assert "quote" in problem.message


def test_a_broken_header_is_a_problem_of_its_line() -> None:
    checked = check_script('#!/usr/bin/env bash\n# /// aikore\n# nome = "x"\n# ///\nif\n')
    header, *rest = checked.problems
    assert (header.line, header.level, header.code, header.end_column) == (3, "error", "header", 13)
    assert header.message.startswith("'nome' is not known")
    assert rest


def test_without_shellcheck_bash_tells_of_syntax_errors(only_bash: None) -> None:
    checked = check_script("echo 1\nfor x in; do )\necho x\n")
    [problem] = checked.problems
    assert (checked.tool, problem.line, problem.code, problem.level) == ("bash", 2, "bash", "error")
    assert problem.message == "syntax error near unexpected token `)'"
    assert check_script("rm $x\n").problems == ()
    end = check_script("if true; then\n")
    assert [problem.line for problem in end.problems] == [2]


def test_without_any_tool_the_header_is_still_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    checked = check_script("# /// aikore\nif\n")
    assert checked.tool == "none"
    assert len(checked.problems) == 1


def test_nothing_is_run_or_read(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    text = f"touch {trap}\n$(touch {trap})\n# shellcheck source=/etc/shadow disable=all\nsource x\n"
    check_script(text)
    assert not trap.exists()


def test_a_tool_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "shellcheck"
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    slow.chmod(0o755)
    (tmp_path / "bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("aikore.blueprints.check.TIMEOUT", 0.5)
    began = time.monotonic()
    assert check_script("echo 1\n").tool == "bash"
    assert time.monotonic() - began < 20


def test_a_script_that_would_take_gigabytes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aikore.blueprints.check.MEMORY_MAX", 20 * 2**20)
    assert check_script("rm $x $y $z\n" * 20_000).tool == "bash"


def test_thousands_of_problems_are_cut() -> None:
    assert len(check_script("rm $x\n" * 600).problems) == PROBLEMS_MAX
    odd = check_script("\udc80\x00\x1b[0m $x\n")
    assert odd.tool in ("shellcheck", "bash")
