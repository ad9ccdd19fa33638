"""One line as it is drawn: pieces of text in their styles, and what the store has of it."""

from __future__ import annotations

import re
import unicodedata

TOKEN = re.compile(
    r"[^\x00-\x08\x0a-\x1f\x7f]+|\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*([0-~])|."
    , re.DOTALL,
)  # fmt: skip
STYLE_MAX = 96
MAY_BE_WIDE = re.compile(
    "[\u1100-\u115f\u231a-\u23f3\u25fd-\u27bf\u2b1b-\u2b55\u2e80-\ud7a3\uf900-\uffe6\U00016fe0-\U0003fffd]"
)
RIGHT_HALF = "\0"
"""Stands behind a character that is two columns wide, so that each column is one character of a row."""
HELD_LINE_MAX = 16384
"""Bytes of a line that are held."""

Runs = list[tuple[str, str]]
"""A row's text from its first column on: pieces of one style each, the style as its SGR sequences."""


class Row:
    """One line of a block. ``kept`` is what the store already has of it."""

    __slots__ = ("ghost", "kept", "open", "passed", "redrawn", "runs", "width")

    def __init__(self) -> None:
        self.runs: Runs = []
        self.width = 0
        self.ghost: Runs | None = None
        """What stood here before it was wiped."""
        self.kept: Runs | None = None
        self.open = b""
        """The bytes of it that are stored, without a line's end."""
        self.passed = False
        """Whether the cursor left it by a line feed."""
        self.redrawn = False
        """Whether something was drawn over what stood there."""

    @property
    def blank(self) -> bool:
        return not any(text.strip(" ") for _, text in self.runs)

    @property
    def drawn(self) -> Runs | None:
        """What is worth to be stored: the last that stood here; None when nothing ever did."""
        return self.ghost if self.blank and self.ghost else self.runs if self.runs else None

    def put(self, column: int, text: str, style: str) -> None:
        end = column + len(text)
        old = self.runs
        if column == self.width:
            if old and old[-1][0] == style:
                old[-1] = (style, old[-1][1] + text)
            else:
                old.append((style, text))
            self.width = end
            return
        self.redrawn = True
        if column == 0 and end >= self.width:
            self.runs = [(style, text)]
        else:
            left = _cut(old, 0, column)
            gap = column - self.width
            self.runs = [*left, *([("", " " * gap)] if gap > 0 else []), (style, text), *_cut(old, end, self.width)]
        self.width = max(self.width, end)
        self._wiped(old)

    def erase(self, start: int, end: int) -> None:
        """Wipe the columns from ``start`` to ``end``."""
        old = self.runs
        self.redrawn = self.redrawn or self.width > start
        if end >= self.width:
            self.runs = _cut(old, 0, start)
            self.width = min(self.width, start)
        else:
            self.runs = [("", " " * end), *_cut(old, end, self.width)]
        self._wiped(old)

    def _wiped(self, old: Runs) -> None:
        if self.blank and any(text.strip(" ") for _, text in old):
            self.ghost = old


def _cut(runs: Runs, start: int, end: int) -> Runs:
    found: Runs = []
    at = 0
    for style, text in runs:
        first, last = max(start - at, 0), max(end - at, 0)
        if piece := text[first:last]:
            if piece[0] == RIGHT_HALF:
                piece = " " + piece[1:]
            if text[last : last + 1] == RIGHT_HALF:
                piece = piece[:-1] + " "
            found.append((style, piece))
        at += len(text)
    return found


def columns(text: str) -> str:
    """Return a text with one character for each column that it takes."""
    return text if text.isascii() else MAY_BE_WIDE.sub(_halves, text)


def _halves(found: re.Match[str]) -> str:
    return found[0] + RIGHT_HALF if unicodedata.east_asian_width(found[0]) in "WF" else found[0]


def to_bytes(runs: Runs) -> bytes:
    said, now = "", ""
    for style, text in runs:
        if style != now:
            said += ("\x1b[0m" if now else "") + style
            now = style
        said += text
    said = said + "\x1b[0m" if now else said.rstrip(" ")
    return said.replace(RIGHT_HALF, "").encode("utf-8", "surrogateescape")


def last_drawn(line: bytes) -> bytes:
    """Return what a terminal would show of a line redrawn with CR: the last non-empty drawing."""
    for drawing in reversed(line.removesuffix(b"\n").split(b"\r")):
        if drawing.strip(b" "):
            return drawing
    return b""


def stored_row(line: bytes, is_open: bool) -> Row:
    """Return the row of a line that the store has."""
    row = Row()
    row.passed = not is_open
    drawn = last_drawn(line) if is_open or not line.endswith(b"\r") else line.removesuffix(b"\r")
    style, column = "", 0
    for found in TOKEN.finditer(drawn.decode("utf-8", "surrogateescape")):
        if found[2] == "m":
            style = "" if found[1] in ("", "0") else (style + found[0])[-STYLE_MAX:]
        elif found[0] >= " " or found[0][0] == "\t":
            text = columns(found[0])
            row.put(column, text, style)
            column += len(text)
    row.kept = list(row.runs)
    row.open = line if is_open else b""
    return row
