"""Folds what a program redraws: progress bars are stored once, as last drawn, and shown live meanwhile.

Part of the keeper: standard library only, and no import of other modules of the house. A line redrawn with CR alone is
held as its bytes (:class:`Fold`); as soon as a program moves the cursor to other lines, they are rows of a small model
of a terminal (:class:`_Block`), which has no width and knows how far up the program goes. What no longer can be
redrawn goes to the store at once, in order; what was drawn and then wiped is stored too.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import Protocol

HELD_LINE_MAX = 16384
"""Bytes of a line that are held."""
ROWS_MAX = 256
TEXT_MAX = 65536
"""Rows and characters of a block that are held."""
LOOK_BACK = 64
"""Lines above the first movement of the cursor that it may reach, and bytes of what is stored of them."""
TAIL_MAX = 16384
HINT_ROWS = 32
"""Rows that a program may redraw which has not moved up yet."""
SLACK = 8
"""Lines beyond what it redrew last by which a program shows that it is done redrawing."""
FIRST_PAUSE = 0.05
"""Seconds after which lines that have ended are no first frame of a block."""
REST_PAUSE = 2.0
"""Seconds after which a program is done that redrew a block, and whose cursor stands behind all of it."""

MOVES = re.compile(rb"\x1b(?!\[[0-9;:]*+m)(?:\[(?:[0-9;]*+[A-HJfsu]|[12]K|\?25l)|[78DEMc])")
"""What moves the cursor or wipes. Colours, the most usual escapes, are told first and cost little."""
HIDE = b"\x1b[?25l"
LONE_CR = re.compile(rb"\r(?!\n)")
CUT = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
CUT_MAX = 256
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

Runs = list[tuple[str, str]]
"""A row's text from its first column on: pieces of one style each, the style as its SGR sequences."""


class Store(Protocol):
    """Where lines go that are final."""

    line_open: bool
    """Whether the last byte stored is no line's end."""

    def append(self, data: bytes, drawn: bool = False) -> None:
        """Store bytes; ``drawn`` ones were redrawn before and are no words that a program said."""

    def tail(self, size: int) -> bytes:
        """Return what was stored last."""

    def redrawn(self, size: int) -> None:
        """Learn that the last ``size`` bytes stored are being redrawn: they were no words either."""


def last_drawn(line: bytes) -> bytes:
    """Return what a terminal would show of a line redrawn with CR: the last non-empty drawing."""
    for drawing in reversed(line.removesuffix(b"\n").split(b"\r")):
        if drawing.strip(b" "):
            return drawing
    return b""


class Fold:
    """Between a program's output and the store. Ordinary output passes untouched."""

    def __init__(self, store: Store) -> None:
        self.held: bytearray | None = None
        """A line redrawn with CR, as it came."""
        self._store = store
        self._block: _Block | None = None
        self._ended = b""
        """Lines drawn once after a CR that have just ended: nested bars begin like that."""
        self._ended_due: float | None = None
        self._rest_due: float | None = None
        self._cut = b""

    @property
    def busy(self) -> bool:
        """Say whether something is held that may be redrawn."""
        return self.held is not None or self._block is not None

    def feed(self, data: bytes) -> None:
        """Take the program's output."""
        self._rest_due = None
        if self._cut:
            data, self._cut = self._cut + data, b""
        escapes = b"\x1b" in data
        if escapes and (cut := CUT.search(data, max(0, len(data) - CUT_MAX))):
            data, self._cut = data[: cut.start()], cut[0]
        if self._block is None:
            moves = _first_move(data, escapes)
            if moves < 0:
                self._feed_lines(data)
                return
            data = self._begin_block(data, moves)
        assert self._block is not None
        if not self._block.feed(data):
            self._block = None

    def picture(self) -> bytes:
        """Return what is drawn now and not stored yet, as lines."""
        if self._block:
            return self._block.picture()
        return last_drawn(bytes(self.held or b""))

    def tick(self, now: float) -> float | None:
        """Store what time alone makes final; return the seconds until the next look, None when nothing waits for it."""
        if self._ended:
            if self._ended_due is None:
                self._ended_due = now + FIRST_PAUSE
            if now < self._ended_due:
                return self._ended_due - now
            self._flush_ended()
        if self._block and self._block.at_rest():
            if self._rest_due is None:
                self._rest_due = now + self._block.rest_pause
            if now < self._rest_due:
                return self._rest_due - now
            self._end_block(finish=False)
        return None

    def finish(self) -> None:
        """Store all that is held: nothing more comes."""
        if self._cut:
            cut, self._cut = self._cut, b""
            if self._block is None:
                self._feed_lines(cut)
        if self._block:
            self._end_block(finish=True)
        if self.held is not None:
            self._store_held(b"\n")
            self._flush_ended(drawn=True)
        self._flush_ended()

    # Lines redrawn with CR alone ------------------------------------------------------------------------------

    def _feed_lines(self, data: bytes) -> None:
        if self.held is None and (b"\r" not in data or LONE_CR.search(data) is None):
            if data:
                self._flush_ended()
                self._store.append(data)
            return
        for line in _lines(data):
            self._take_line(line)

    def _take_line(self, piece: bytes) -> None:
        ended = piece.endswith(b"\n")
        if self.held is None:
            if b"\r" not in piece.removesuffix(b"\n").removesuffix(b"\r" if ended else b""):
                self._flush_ended()
                self._store.append(piece)
                return
            self.held = bytearray()
        self.held += piece
        if ended:
            self._store_held(b"\n")
        elif len(self.held) > HELD_LINE_MAX:
            drawn = last_drawn(bytes(self.held))
            if len(drawn) > HELD_LINE_MAX // 2:
                self._store_held(b"")
            else:
                self.held[:] = drawn + b"\r"

    def _store_held(self, end: bytes) -> None:
        held, self.held = bytes(self.held or b""), None
        line = last_drawn(held)
        drawings = sum(bool(one.strip(b" \n")) for one in held.split(b"\r"))
        if self._store.line_open or not end or drawings > 1:
            self._flush_ended()
            self._store.append((b"\r" if self._store.line_open else b"") + line + end, drawn=True)
            return
        self._ended += line + end
        if len(self._ended) > HELD_LINE_MAX:
            self._flush_ended()

    def _flush_ended(self, drawn: bool = False) -> None:
        if self._ended:
            lines, self._ended = self._ended, b""
            self._store.append(lines, drawn)
        self._ended_due = None

    # Blocks of lines ------------------------------------------------------------------------------------------

    def _begin_block(self, data: bytes, moves: int) -> bytes:
        """Begin a block before the first movement, with the lines above it that are not stored yet."""
        start = moves
        above_too = not data.startswith(HIDE, moves)  # the drawing begins where the cursor is hidden
        for _ in range(LOOK_BACK + 1 if above_too else 1):
            start = data.rfind(b"\n", 0, max(start, 0))
            if start < 0:
                break
        if start >= 0:
            self._feed_lines(data[: start + 1])
            data = data[start + 1 :]
        above, self._ended, self._ended_due = self._ended, b"", None
        if self.held is not None:
            above, self.held = above + bytes(self.held), None
        self._block = _Block(self._store)
        return above + data

    def _end_block(self, finish: bool) -> None:
        block, self._block = self._block, None
        if block:
            block.settle(finish)


def _first_move(data: bytes, escapes: bool) -> int:
    """Return where the cursor is moved first other than by CR and LF, -1 when it is not."""
    back = data.find(b"\b")
    found = MOVES.search(data, 0, back if back >= 0 else len(data)) if escapes else None
    return found.start() if found else back


def _lines(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


class _Row:
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


def _columns(text: str) -> str:
    """Return a text with one character for each column that it takes."""
    return text if text.isascii() else MAY_BE_WIDE.sub(_halves, text)


def _halves(found: re.Match[str]) -> str:
    return found[0] + RIGHT_HALF if unicodedata.east_asian_width(found[0]) in "WF" else found[0]


def _bytes(runs: Runs) -> bytes:
    said, now = "", ""
    for style, text in runs:
        if style != now:
            said += ("\x1b[0m" if now else "") + style
            now = style
        said += text
    said = said + "\x1b[0m" if now else said.rstrip(" ")
    return said.replace(RIGHT_HALF, "").encode("utf-8", "surrogateescape")


class _Block:
    """The lines that a program may still redraw, and its cursor. Above its first row is what is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._rows = [_Row()]
        self._row = 0
        self._column = 0
        self._style = ""
        self._saved = (0, 0)
        self._hidden = False
        self._reach = 0
        """Rows that the program went up from the last one, at most."""
        self._top = 0
        """The row to which it went up last, before it drew again."""
        self._risen: int | None = None
        """The row to which it is going up just now."""
        self._lines_since = 0
        """Lines that were added below since it went up last."""
        self._over = False
        if store.line_open:
            self._rows = self._above(0)
            self._column = self._rows[0].width

    # What comes ----------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> bool:
        """Take output; False when nothing is left to be redrawn."""
        for found in TOKEN.finditer(self._decode.decode(data)):
            parameters, final, escape = found.groups()
            piece = found[0]
            if final:
                self._control(parameters, final, piece)
            elif escape:
                self._escape(escape)
            elif piece >= " " or piece[0] == "\t":
                if self._risen is not None:
                    self._redraw_from(self._risen)
                text = _columns(piece)
                self._rows[self._row].put(self._column, text, self._style)
                self._column += len(text)
            elif piece == "\n":
                self._line_feed()
            elif piece == "\r":
                self._column = 0
            elif piece == "\b":
                self._column = max(0, self._column - 1)
        self._trim()
        if self._done():
            self.settle(finish=False)
        return not self._over

    def _line_feed(self) -> None:
        self._rows[self._row].passed = True
        self._column = 0
        if self._row == len(self._rows) - 1:
            self._lines_since += 1
            if len(self._rows) > ROWS_MAX + LOOK_BACK:
                self._trim()
        self._down(1)

    def _control(self, parameters: str, final: str, piece: str) -> None:
        if final == "m":
            self._restyle(parameters, piece)
            return
        if parameters[:1] in ("?", ">", "<", "="):
            if "25" in parameters[1:].split(";") and final in "hl":
                self._hidden = final == "l"
            return
        numbers = [int(one[:5]) if one.isdigit() else 0 for one in parameters.split(";")]
        count = max(1, numbers[0])
        if final in "AF":
            self._up(count)
        elif final in "BE":
            self._down(min(count, ROWS_MAX))
        elif final == "C":
            self._column = min(self._column + count, HELD_LINE_MAX)
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final == "G":
            self._column = min(count - 1, HELD_LINE_MAX)
        elif final == "K":
            self._erase_line(numbers[0])
        elif final == "J":
            self._erase_display(numbers[0])
        elif final in "Hf":
            self._settle_page()
        elif final == "s":
            self._saved = self._row, self._column
        elif final == "u":
            self._go_back()
        if final in "EF":
            self._column = 0

    def _escape(self, final: str) -> None:
        if final == "M":
            self._up(1)
        elif final in "DE":
            self._down(1)
            self._column = 0 if final == "E" else self._column
        elif final == "7":
            self._saved = self._row, self._column
        elif final == "8":
            self._go_back()
        elif final == "c":
            self._settle_page()

    def _restyle(self, parameters: str, piece: str) -> None:
        codes = parameters.split(";")
        if codes[-1] in ("", "0"):
            self._style = ""
        elif codes[0] in ("", "0") or len(self._style) + len(piece) > STYLE_MAX:
            self._style = piece[:STYLE_MAX]
        elif not self._style.endswith(piece):
            self._style += piece

    # The cursor ----------------------------------------------------------------------------------------------

    def _up(self, count: int) -> None:
        if self._row < count:
            above = self._above(count - self._row)
            self._rows[:0] = above
            self._shift(len(above))
        self._row = max(0, self._row - count)
        self._rise()

    def _down(self, count: int) -> None:
        self._row += count
        while self._row >= len(self._rows):
            self._rows.append(_Row())

    def _go_back(self) -> None:
        row, self._column = self._saved
        self._row = min(max(row, 0), len(self._rows) - 1)
        self._rise()

    def _rise(self) -> None:
        self._risen = self._row
        self._lines_since = 0

    def _redraw_from(self, row: int) -> None:
        self._risen = None
        self._top = row
        self._reach = max(self._reach, len(self._rows) - 1 - row)

    def _shift(self, rows: int) -> None:
        """The first row has another number from now on."""
        self._row += rows
        self._top = max(0, self._top + rows)
        self._saved = self._saved[0] + rows, self._saved[1]

    def _above(self, count: int) -> list[_Row]:
        """Return rows for the last stored lines; with a count of 0 for the line that is not ended."""
        lines = self._store.tail(TAIL_MAX).split(b"\n")
        rest = lines.pop()
        if count == 0:
            return [self._stored(rest, is_open=True)]
        known = sum(row.kept is not None and not row.open for row in self._rows)
        first = max(0, len(lines) - known - min(count, ROWS_MAX))
        self._store.redrawn(sum(len(line) + 1 for line in lines[first:]) + len(rest))
        return [self._stored(line, is_open=False) for line in lines[first : len(lines) - known]]

    @staticmethod
    def _stored(line: bytes, is_open: bool) -> _Row:
        row = _Row()
        row.passed = not is_open
        drawn = last_drawn(line) if is_open or not line.endswith(b"\r") else line.removesuffix(b"\r")
        style, column = "", 0
        for found in TOKEN.finditer(drawn.decode("utf-8", "surrogateescape")):
            if found[2] == "m":
                style = "" if found[1] in ("", "0") else (style + found[0])[-STYLE_MAX:]
            elif found[0] >= " " or found[0][0] == "\t":
                text = _columns(found[0])
                row.put(column, text, style)
                column += len(text)
        row.kept = list(row.runs)
        row.open = line if is_open else b""
        return row

    def _erase_line(self, what: int) -> None:
        row = self._rows[self._row]
        row.erase(0 if what else self._column, self._column + 1 if what == 1 else row.width)

    def _erase_display(self, what: int) -> None:
        if what >= 2:
            self._settle_page()
            return
        self._erase_line(what)
        for row in self._rows[self._row + 1 :] if what == 0 else self._rows[: self._row]:
            row.erase(0, row.width)

    # What is final --------------------------------------------------------------------------------------------

    def at_rest(self) -> bool:
        """Say whether the cursor stands behind all that is drawn, as it does when a program is done."""
        return not self._hidden and self._column == 0 and all(row.blank for row in self._rows[self._row :])

    @property
    def rest_pause(self) -> float:
        return REST_PAUSE if self._reach else FIRST_PAUSE

    def picture(self) -> bytes:
        """Return the rows as they are drawn, without those that the store has."""
        lines = [b"" if row.blank else _bytes(row.runs) for row in self._rows if row.kept != row.runs]
        return b"\n".join(lines).strip(b"\n")

    @property
    def _depth(self) -> int:
        """Rows above the last one that the program may redraw."""
        return self._reach or HINT_ROWS

    def _trim(self) -> None:
        """Store the rows that the program no longer reaches, and those that are too many.

        What it draws may grow downwards: that alone takes the first rows out of its reach only by :data:`SLACK`.
        """
        reached = max(self._top, len(self._rows) - 1 - self._depth - SLACK)
        if self._risen is not None:
            reached = min(self._top, self._risen)
        size = sum(row.width for row in self._rows)
        final = 0
        while final < self._row:
            if not (final < reached or len(self._rows) - final > ROWS_MAX or size > TEXT_MAX):
                break
            size -= self._rows[final].width
            self._emit(self._rows[final], ended=True)
            final += 1
        del self._rows[:final]
        self._shift(-final)

    def _done(self) -> bool:
        """Say whether the program goes on like one that redraws nothing, or holds too much."""
        last = self._rows[self._row]
        if self._lines_since > self._depth + (ROWS_MAX if self._hidden else SLACK) or last.width > HELD_LINE_MAX:
            return True
        if len(self._rows) == 1:
            return not (self._reach or self._hidden or last.runs or last.ghost)
        return sum(row.width for row in self._rows) > TEXT_MAX

    def _settle_page(self) -> None:
        """The screen is cleared or drawn from its top: what stood there is kept, and what comes is something else."""
        self._emit_all(finish=True)
        self._rows, self._row, self._column, self._lines_since = [_Row()], 0, 0, 0
        self._reach, self._top, self._risen = 0, 0, None

    def settle(self, finish: bool) -> None:
        """Store everything in order; with ``finish`` the last line is ended too."""
        self._over = True
        if rest := self._decode.decode(b"", True):  # half a character
            self._rows[self._row].put(self._column, rest, self._style)
        self._emit_all(finish)

    def _emit_all(self, finish: bool) -> None:
        """Store what was wiped and where nothing was drawn again, then the picture."""
        last, below = self._rows[self._row], self._rows[self._row + 1 :]
        for row in (last, *below):
            if row.blank and row.ghost:
                self._emit(row, ended=True)
        for row in self._rows[: self._row]:
            self._emit(row, ended=True)
        drawn = [row for row in below if not row.blank]
        if last.runs and not (last.blank and last.ghost):
            self._emit(last, ended=finish or bool(drawn))
        for row in drawn:
            self._emit(row, ended=True)

    def _emit(self, row: _Row, ended: bool) -> None:
        drawn = row.drawn
        end = b"\n" if ended else b""
        if row.open and self._store.line_open:
            text = _bytes(drawn or [])
            if drawn == row.kept:
                text = b""
            elif text.startswith(row.open):
                text = text[len(row.open) :]
            else:
                text = b"\r" + text
            self._append(text + end, row.redrawn)
        elif drawn is None or drawn == row.kept:
            if row.kept is None and row.passed:
                self._append(b"\n")
        else:
            self._append((b"\n" if self._store.line_open else b"") + _bytes(drawn) + end, row.redrawn)

    def _append(self, data: bytes, drawn: bool = False) -> None:
        if data:
            self._store.append(data, drawn)
