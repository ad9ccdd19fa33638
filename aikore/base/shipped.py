"""Where the files lie that come with the program."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def shipped_dir() -> Path:
    """Return the folder of ``blueprints/`` and ``functions.sh``: inside the wheel, or the repository itself."""
    packaged = PACKAGE / "shipped"
    return packaged if packaged.is_dir() else PACKAGE.parent


def static_dir() -> Path:
    """Return the folder of the dashboard's files."""
    return PACKAGE / "static"
