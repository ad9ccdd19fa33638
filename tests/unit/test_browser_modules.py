"""The browser's modules by themselves: ``tests/js`` in Node.js, without a browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/js").glob("*.test.js"))
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="Node.js is missing: the browser's modules are tested in Chromium only")
@pytest.mark.parametrize("name", FILES)
def test_the_modules_of_the_browser_pass_their_own_tests(name: str) -> None:
    assert NODE is not None
    done = subprocess.run([NODE, "--test", name], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
