"""The lines that a program may still redraw, between its output and the store: what is final is stored in order."""

from __future__ import annotations

import codecs
from typing import Protocol

from aikore.launch.keeper.row import HELD_LINE_MAX, Row, stored_row, to_bytes
from aikore.launch.keeper.terminal import ROWS_MAX, TEXT_MAX, Terminal

TAIL_MAX = 16384
"""Bytes of what is stored that the cursor may reach."""
HINT_ROWS = 32
"""Rows that a program may redraw which has not moved up yet."""
SLACK = 8
"""Lines beyond what it redrew last by which a program shows that it is done redrawing."""
FIRST_PAUSE = 0.05
"""Seconds after which lines that have ended are no first frame of a block."""
REST_PAUSE = 2.0
"""Seconds after which a program is done that redrew a block, and whose cursor stands behind all of it."""


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


class Block(Terminal):
    """A terminal whose rows go to the store as soon as the program no longer reaches them."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._over = False
        if store.line_open:
            self._rows = self._above(0)
            self._column = self._rows[0].width

    def feed(self, data: bytes) -> bool:
        """Take output; False when nothing is left to be redrawn."""
        self._draw(self._decode.decode(data))
        self._trim()
        if self._done():
            self.settle(finish=False)
        return not self._over

    def at_rest(self) -> bool:
        """Say whether the cursor stands behind all that is drawn, as it does when a program is done."""
        return not self._hidden and self._column == 0 and all(row.blank for row in self._rows[self._row :])

    @property
    def rest_pause(self) -> float:
        return REST_PAUSE if self._reach else FIRST_PAUSE

    def picture(self) -> bytes:
        """Return the rows as they are drawn, without those that the store has."""
        lines = [b"" if row.blank else to_bytes(row.runs) for row in self._rows if row.kept != row.runs]
        return b"\n".join(lines).strip(b"\n")

    def _above(self, count: int) -> list[Row]:
        """Return rows for the last stored lines; with a count of 0 for the line that is not ended."""
        lines = self._store.tail(TAIL_MAX).split(b"\n")
        rest = lines.pop()
        if count == 0:
            return [stored_row(rest, is_open=True)]
        known = sum(row.kept is not None and not row.open for row in self._rows)
        first = max(0, len(lines) - known - min(count, ROWS_MAX))
        self._store.redrawn(sum(len(line) + 1 for line in lines[first:]) + len(rest))
        return [stored_row(line, is_open=False) for line in lines[first : len(lines) - known]]

    # What is final --------------------------------------------------------------------------------------------

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

    def _clear_page(self) -> None:
        """The screen is cleared or drawn from its top: what stood there is kept, and what comes is something else."""
        self._emit_all(finish=True)
        self._rows, self._row, self._column, self._lines_since = [Row()], 0, 0, 0
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

    def _emit(self, row: Row, ended: bool) -> None:
        drawn = row.drawn
        end = b"\n" if ended else b""
        if row.open and self._store.line_open:
            text = to_bytes(drawn or [])
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
            self._append((b"\n" if self._store.line_open else b"") + to_bytes(drawn) + end, row.redrawn)

    def _append(self, data: bytes, drawn: bool = False) -> None:
        if data:
            self._store.append(data, drawn)
