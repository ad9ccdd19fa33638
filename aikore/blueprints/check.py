"""Looks for problems in a script without running it: the header, and ShellCheck or else bash's own parser.

The text goes to the tool by standard input only. Blocking; run it in a thread.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import Any, Literal

from aikore.base.errors import InvalidBlueprintError
from aikore.blueprints.header import parse_header

CHECKED_MAX = 256 * 1024
"""Bytes of a script that is checked."""
TIMEOUT = 5.0
MEMORY_MAX = 512 * 2**20
"""Bytes a tool may take: ShellCheck takes gigabytes for a script full of problems."""
PROBLEMS_MAX = 500
SHELLCHECK = ("shellcheck", "--norc", "--format=json1", "--shell=bash", "--exclude=SC1090,SC1091", "-")
"""Excluded: that the file behind "$AIKORE_FUNCTIONS" is not known here."""
BASH = ("bash", "--norc", "--noprofile", "-n", "/dev/stdin")
_BASH_WORD = re.compile(r"/dev/stdin: line (\d+): (.*)")

Level = Literal["error", "warning", "info", "style"]
Tool = Literal["shellcheck", "bash", "none"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. Lines and columns count from 1, columns in characters; the end lies behind the last one."""

    line: int
    column: int
    end_line: int
    end_column: int
    level: Level
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, and which tool looked at the shell code."""

    tool: Tool
    problems: tuple[Problem, ...]


def check_script(text: str) -> Checked:
    """Return the problems of a script, in the order of its lines, 500 at most."""
    content = text.replace("\r\n", "\n").encode("utf-8", "replace")
    found = _shellcheck(content) or _bash(content)
    problems = sorted((*_header(text), *found.problems), key=lambda problem: (problem.line, problem.column))
    return replace(found, problems=tuple(problems[:PROBLEMS_MAX]))


def _header(text: str) -> list[Problem]:
    try:
        parse_header(text)
    except InvalidBlueprintError as error:
        line = int(str(error.context["line"]))
        return [_whole_line(text, line, "header", re.sub(r"^Line \d+: ", "", error.message))]
    return []


def _shellcheck(content: bytes) -> Checked | None:
    """Ask ShellCheck; None when it is not there or has no answer."""
    done = _run(SHELLCHECK, content)
    if done is None or done.returncode not in (0, 1):
        return None
    try:
        return Checked("shellcheck", tuple(_told(one) for one in json.loads(done.stdout)["comments"]))
    except (ValueError, KeyError, TypeError):
        return None


def _told(comment: dict[str, Any]) -> Problem:
    return Problem(
        comment["line"],
        comment["column"],
        comment["endLine"],
        comment["endColumn"],
        comment["level"],
        f"SC{comment['code']}",
        comment["message"],
    )


def _bash(content: bytes) -> Checked:
    """Have bash read the script without running it. It names the line and stops at the first problem."""
    done = _run(BASH, content)
    if done is None:
        return Checked("none", ())
    words = [found for line in done.stderr.decode("utf-8", "replace").splitlines() if (found := _BASH_WORD.match(line))]
    text = content.decode("utf-8", "replace")
    told = [_whole_line(text, int(found[1]), "bash", found[2]) for found in words if not found[2].startswith("`")]
    return Checked("bash", tuple(told))


def _whole_line(text: str, line: int, code: str, message: str) -> Problem:
    lines = text.split("\n")
    line = max(1, min(line, len(lines)))
    return Problem(line, 1, line, len(lines[line - 1]) + 1, "error", code, message)


def _run(command: tuple[str, ...], content: bytes) -> subprocess.CompletedProcess[bytes] | None:
    """Run a tool within bounds; None when it is not there or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        return None
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(
            [program, *command[1:]], stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd="/"
        ) as running:
            return _await(running, content)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _await(running: subprocess.Popen[bytes], content: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        resource.prlimit(running.pid, resource.RLIMIT_DATA, (MEMORY_MAX, MEMORY_MAX))
        output, errors = running.communicate(content, TIMEOUT)
        return subprocess.CompletedProcess(running.args, running.returncode, output, errors)
    finally:
        running.kill()
