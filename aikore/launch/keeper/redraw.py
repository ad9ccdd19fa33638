"""Folds what a program redraws: progress bars are stored once, as last drawn, and shown live meanwhile.

A line redrawn with CR alone is held as its bytes (:class:`Fold`); as soon as a program moves the cursor to other lines,
they are rows of a small model of a terminal (:class:`.block.Block`), which knows how far up the program goes. What no
longer can be redrawn goes to the store at once, in order; what was drawn and then wiped is stored too.
"""

from __future__ import annotations

import re

from aikore.launch.keeper.block import FIRST_PAUSE, Block, Store
from aikore.launch.keeper.row import HELD_LINE_MAX, last_drawn
from aikore.launch.keeper.terminal import LOOK_BACK

MOVES = re.compile(rb"\x1b(?!\[[0-9;:]*+m)(?:\[(?:[0-9;]*+[A-HJfsu]|[12]K|\?25l)|[78DEMc])")
"""What moves the cursor or wipes. Colours, the most usual escapes, are told first and cost little."""
HIDE = b"\x1b[?25l"
LONE_CR = re.compile(rb"\r(?!\n)")
REDRAWN_BACK = re.compile(rb"\x08+(?=[^\x00-\x1f\x7f])")
"""Backspaces that something is drawn after, as spinners do; others are only characters of the output."""
CUT = re.compile(rb"(?:\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)?|\x08+)\Z")
"""What ends before it can be told what it is."""
CUT_MAX = 256


class Fold:
    """Between a program's output and the store. Ordinary output passes untouched."""

    def __init__(self, store: Store) -> None:
        self.held: bytearray | None = None
        """A line redrawn with CR, as it came."""
        self._store = store
        self._block: Block | None = None
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
        if (escapes or data.endswith(b"\b")) and (cut := CUT.search(data, max(0, len(data) - CUT_MAX))):
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
        self._block = Block(self._store)
        return above + data

    def _end_block(self, finish: bool) -> None:
        block, self._block = self._block, None
        if block:
            block.settle(finish)


def _first_move(data: bytes, escapes: bool) -> int:
    """Return where the cursor is moved first other than by CR and LF, -1 when it is not."""
    back = REDRAWN_BACK.search(data) if b"\b" in data else None
    found = MOVES.search(data, 0, back.start() if back else len(data)) if escapes else None
    first = found or back
    return first.start() if first else -1


def _lines(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
