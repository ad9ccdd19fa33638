"""The header of a blueprint: inline TOML in comments, as PEP 723 gives scripts. Owns its form and its errors.

::

    # /// aikore
    # name = "ComfyUI"
    # ready = { path = "/system_stats", timeout = 900 }
    # ///
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from aikore.base.errors import InvalidBlueprintError

OPENING = re.compile(r"# /// aikore\s*")
CLOSING = re.compile(r"# ///\s*")
TEXT_MAX = 500
"""Characters of a text in a header."""
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL")
WARN_MOST = 20
"""Texts that make a line a warning."""
TIMEOUT_MAX = 7 * 24 * 3600
_WHERE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")
_TAG = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Ready:
    """When an instance counts as started: its HTTP answers, its process runs, or its window is there."""

    kind: Literal["http", "process", "window"] = "http"
    path: str = "/"
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a blueprint says about itself. Everything has a default, so a script without a header runs too."""

    name: str = ""
    category: str = ""
    description: str = ""
    homepage: str = ""
    provides: tuple[str, ...] = ()
    base_path: Literal["strip", "keep"] = "strip"
    ready: Ready = field(default_factory=Ready)
    stop_signal: str = "SIGTERM"
    warn: tuple[str, ...] = ()
    """Words that make a line of the log a warning."""


@dataclass(frozen=True, slots=True)
class _Block:
    """The TOML of a header and the number of the file's line it begins at."""

    lines: list[str]
    first: int

    def line_of(self, key: str) -> int:
        """Return the file's line that sets ``key``, else the line above the block."""
        wanted = re.compile(rf"""\s*(?:\[?\s*|.*[{{,.\s])["']?{re.escape(key)}["']?\s*[=\].]""")
        numbers = (number for number, line in enumerate(self.lines, self.first) if wanted.match(line))
        return next(numbers, self.first - 1)


class _Refused(Exception):  # noqa: N818 — never leaves this module
    """A value is not as it must be; carries the key whose line is at fault."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def parse_header(text: str) -> Header:
    """Return the header of a script; defaults when it has none.

    Raises InvalidBlueprintError with the number of the line at fault, also as ``line`` in its context.
    """
    block = _find_block(text)
    if block is None:
        return Header()
    values = _read_toml(block)
    try:
        return _make_header(values)
    except _Refused as error:
        raise _error(block.line_of(error.key), str(error)) from None


def _error(line: int, message: str) -> InvalidBlueprintError:
    return InvalidBlueprintError(f"Line {line}: {message}", line=line)


def _find_block(text: str) -> _Block | None:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    openings = [number for number, line in enumerate(lines, 1) if OPENING.fullmatch(line)]
    if not openings:
        return None
    if len(openings) > 1:
        raise _error(openings[1], f"a second header begins here; the first is at line {openings[0]}. Keep one.")
    toml: list[str] = []
    for number, line in enumerate(lines[openings[0] :], openings[0] + 1):
        if CLOSING.fullmatch(line):
            return _Block(toml, openings[0] + 1)
        if line != "#" and not line.startswith("# "):
            raise _error(number, "every line of the header begins with '# ', and '# ///' closes it.")
        toml.append(line[2:])
    raise _error(openings[0], "the header that begins here is not closed by '# ///'.")


def _read_toml(block: _Block) -> dict[str, Any]:
    try:
        return tomllib.loads("\n".join(block.lines))
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        where = _WHERE.search(message)
        inside = int(where[1]) if where and where[1] else max(len(block.lines), 1)
        reason = _WHERE.sub("", message) or "this"
        raise _error(block.first + inside - 1, f"this is not valid TOML: {reason}.") from None
    except RecursionError:
        raise _error(block.first, "the TOML is nested too deeply.") from None


def _make_header(values: Mapping[str, Any]) -> Header:
    _refuse_unknown(values, _KEYS)
    return Header(**{key: _KEYS[key](key, value) for key, value in values.items()})


def _refuse_unknown(values: Mapping[str, Any], known: Mapping[str, object]) -> None:
    for key in values:
        if key not in known:
            raise _Refused(key, f"{key[:60]!r} is not known here; possible are {', '.join(known)}.")


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise _Refused(key, f"{key} must be a text in quotes.")
    if len(value) > TEXT_MAX or not all(char.isprintable() for char in value):
        raise _Refused(key, f"{key} must be one line of at most {TEXT_MAX} printable characters.")
    return value.strip()


def _name(key: str, value: object) -> str:
    text = _text(key, value)
    if not text or len(text) > 80:
        raise _Refused(key, "name must have 1 to 80 characters.")
    return text


def _homepage(key: str, value: object) -> str:
    text = _text(key, value)
    if text and not re.fullmatch(r"https?://[^\s<>\"]+", text):
        raise _Refused(key, "homepage must be an address that begins with http:// or https://.")
    return text


def _choice(*possible: str) -> Callable[[str, object], str]:
    def check(key: str, value: object) -> str:
        if not isinstance(value, str) or value not in possible:
            raise _Refused(key, f"{key} must be one of {', '.join(possible)}.")
        return value

    return check


def _provides(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in value):
        raise _Refused(key, f'{key} must be a list of short names like ["comfyui"].')
    return tuple(dict.fromkeys(cast(list[str], value)))


def _warn(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > WARN_MOST:
        raise _Refused(key, f'{key} must be a list of at most {WARN_MOST} texts like ["IMPORT FAILED"].')
    words = [_text(key, word) for word in value]
    if not all(words):
        raise _Refused(key, f"{key} must not hold an empty text: every line would be a warning.")
    return tuple(dict.fromkeys(words))


def _path(key: str, value: object) -> str:
    text = _text(key, value)
    if not re.fullmatch(r"/[!-~]*", text) or "#" in text:
        raise _Refused(key, "path must begin with '/' and hold no spaces.")
    return text


def _timeout(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused(key, "timeout must be a number of seconds.")
    if not math.isfinite(value) or not 0 < value <= TIMEOUT_MAX:
        raise _Refused(key, f"timeout must be more than 0 and at most {TIMEOUT_MAX} seconds.")
    return float(value)


_READY_KINDS = _choice("http", "process", "window")


def _ready(key: str, value: object) -> Ready:
    if isinstance(value, str):
        return Ready(kind=cast(Literal["http", "process", "window"], _READY_KINDS(key, value)))
    if not isinstance(value, dict):
        raise _Refused(key, 'ready must be "process", "window" or a table like { path = "/", timeout = 60 }.')
    _refuse_unknown(value, _READY_KEYS)
    ready = Ready(**{name: _READY_KEYS[name](name, part) for name, part in value.items()})
    if ready.kind != "http" and "path" in value:
        raise _Refused("path", f"path has no meaning where kind is {ready.kind}; remove it.")
    return ready


_READY_KEYS: dict[str, Callable[[str, object], Any]] = {"kind": _READY_KINDS, "path": _path, "timeout": _timeout}
_KEYS: dict[str, Callable[[str, object], Any]] = {
    "name": _name,
    "category": _text,
    "description": _text,
    "homepage": _homepage,
    "provides": _provides,
    "base_path": _choice("strip", "keep"),
    "ready": _ready,
    "stop_signal": _choice(*STOP_SIGNALS),
    "warn": _warn,
}
