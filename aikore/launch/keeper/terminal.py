"""A small model of a terminal: rows, a cursor, and the control sequences by which programs redraw lines.

It has no width, and begins where the program's drawing does: what is above its first row is stored already.
"""

from __future__ import annotations

from aikore.launch.keeper.row import HELD_LINE_MAX, STYLE_MAX, TOKEN, Row, columns

ROWS_MAX = 256
TEXT_MAX = 65536
"""Rows and characters of a block that are held."""
LOOK_BACK = 64
"""Lines above the first movement of the cursor that it may reach."""


class Terminal:
    """The rows that a program may still redraw, and its cursor. What is stored, and when, is a subclass's business."""

    def __init__(self) -> None:
        self._rows = [Row()]
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

    def _above(self, count: int) -> list[Row]:
        """Return rows for the last lines above the first row; fewer where there are no more."""
        raise NotImplementedError

    def _trim(self) -> None:
        """Let go of rows that are too many."""
        raise NotImplementedError

    def _clear_page(self) -> None:
        """The screen is cleared or drawn from its top: what stood there is kept, and what comes is something else."""
        raise NotImplementedError

    # What comes -----------------------------------------------------------------------------------------------

    def _draw(self, data: str) -> None:
        for found in TOKEN.finditer(data):
            parameters, final, escape = found.groups()
            piece = found[0]
            if final:
                self._control(parameters, final, piece)
            elif escape:
                self._escape(escape)
            elif piece >= " " or piece[0] == "\t":
                if self._risen is not None:
                    self._redraw_from(self._risen)
                text = columns(piece)
                self._rows[self._row].put(self._column, text, self._style)
                self._column += len(text)
            elif piece == "\n":
                self._line_feed()
            elif piece == "\r":
                self._column = 0
            elif piece == "\b":
                self._column = max(0, self._column - 1)

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
            self._clear_page()
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
            self._clear_page()

    def _restyle(self, parameters: str, piece: str) -> None:
        codes = parameters.split(";")
        if codes[-1] in ("", "0"):
            self._style = ""
        elif codes[0] in ("", "0") or len(self._style) + len(piece) > STYLE_MAX:
            self._style = piece[:STYLE_MAX]
        elif not self._style.endswith(piece):
            self._style += piece

    # The cursor -----------------------------------------------------------------------------------------------

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
            self._rows.append(Row())

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

    def _erase_line(self, what: int) -> None:
        row = self._rows[self._row]
        row.erase(0 if what else self._column, self._column + 1 if what == 1 else row.width)

    def _erase_display(self, what: int) -> None:
        if what >= 2:
            self._clear_page()
            return
        self._erase_line(what)
        for row in self._rows[self._row + 1 :] if what == 0 else self._rows[: self._row]:
            row.erase(0, row.width)
