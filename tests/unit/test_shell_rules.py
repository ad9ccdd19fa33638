"""Rules of our shell scripts, each with its reason."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from aikore.blueprints.header import parse_header

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions.sh"
STOCK = sorted((ROOT / "blueprints").glob("*.sh"))
IMAGE = sorted(
    path for path in (ROOT / "docker/root").rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh")
)
SCRIPTS = [FUNCTIONS, *STOCK, ROOT / "entry.sh", *IMAGE, ROOT / "tools/install", ROOT / "tools/base-image"]


def place(script: Path) -> str:
    return str(script.relative_to(ROOT))


def output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode or done.stdout else ""


@pytest.mark.parametrize("script", SCRIPTS, ids=place)
def test_its_shell_can_read_it(script: Path) -> None:
    shell = "sh" if script.read_text().startswith("#!/bin/sh") else "bash"
    assert output(shell, "-n", str(script)) == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=place)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    """Unquoted words and lost exit codes are what breaks launches on other people's machines."""
    assert output("shellcheck", "-x", str(script)) == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=place)
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


@pytest.mark.parametrize("script", [ROOT / "entry.sh", *IMAGE], ids=place)
def test_a_script_of_the_image_may_be_executed(script: Path) -> None:
    """COPY keeps the mode; s6 would try a service without it again and again."""
    assert os.access(script, os.X_OK)
