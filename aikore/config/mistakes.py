"""What is wrong with the variables that somebody set, in sentences for that person."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aikore.config import Settings
from aikore.config.group import PREFIX

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

NO_SETTINGS = frozenset(
    {
        # of the command line
        "URL",
        # what launch scripts and terminals are given
        "CACHE_DIR", "FUNCTIONS", "GPU_COMPUTE", "GPU_DRIVER", "GPU_KIND", "GPU_MEMORY", "OPEN_FILES", "REBUILD", "RUN",
        "STAGE_FILE", "TERMINAL",
        # what functions.sh reads
        "CONSTRAINTS", "KFD_NODES", "PIP", "PROBE_SECONDS", "RETRY_PAUSE",
        # once a setting (database/former.py)
        "DATABASE_URL",
        # of docker-compose.yml
        "DATA", "IMAGE", "PUBLISH",
    }
)  # fmt: skip
"""Other variables with our prefix that mean something; a test compares them with the sources."""


def refusals(error: ValidationError) -> list[str]:
    """Return a sentence for each setting that cannot be as it is set."""
    return [_sentence(problem) for problem in error.errors()]


def _sentence(problem: ErrorDetails) -> str:
    text = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{text}."
    name = f"{PREFIX}{problem['loc'][0]}".upper()
    if not text.startswith("Input "):  # a rule of ours, which names the value itself
        return f"{name}: {text}."
    rule = text.removeprefix("Input ").partition(", unable to parse")[0]
    return f"{name} {rule}, not {problem['input']!r}."


def unknown(variables: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable with our prefix that nothing reads: a typo, or of another version."""
    settings = {name.upper() for name in Settings.model_fields}
    for variable in sorted(variables):
        name = variable.upper().removeprefix(PREFIX)
        if variable.upper() == name or name in settings | NO_SETTINGS:
            continue
        near = difflib.get_close_matches(name, sorted(settings), 1)
        hint = f"Did you mean {PREFIX}{near[0]}?" if near else "docs/settings.md lists all there are."
        yield f"{variable} is set, but AiKore has no such setting. {hint}"
