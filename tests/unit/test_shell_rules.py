"""Rules of our shell scripts, each with its reason."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aikore.blueprints.header import parse_header

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions.sh"
STOCK = sorted((ROOT / "blueprints").glob("*.sh"))
SCRIPTS = [FUNCTIONS, *STOCK]


def output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode or done.stdout else ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_can_read_it(script: Path) -> None:
    assert output("bash", "-n", str(script)) == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    """Unquoted words and lost exit codes are what breaks launches on other people's machines."""
    assert output("shellcheck", "-x", str(script)) == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_it_is_formatted(script: Path) -> None:
    assert output("shfmt", "-d", "-i", "4", str(script)) == ""


@pytest.mark.parametrize("script", STOCK, ids=lambda path: path.name)
def test_a_stock_header_parses_and_says_what_it_is(script: Path) -> None:
    header = parse_header(script.read_text())
    assert header.name and header.category and header.description


@pytest.mark.parametrize("script", STOCK, ids=lambda path: path.name)
def test_a_stock_blueprint_ends_in_exec(script: Path) -> None:
    """Then no shell stands between AiKore's signals and the program, and its exit code is the run's."""
    assert script.read_text().rstrip().splitlines()[-1].startswith("exec ")


@pytest.mark.parametrize("script", STOCK, ids=lambda path: path.name)
def test_a_stock_blueprint_stops_at_the_first_error(script: Path) -> None:
    assert "\nset -euo pipefail\n" in script.read_text()
