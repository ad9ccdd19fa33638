"""What a program has switched on in the emulators of its viewers: private modes, the alternate screen.

Reads the output as it passes and keeps no picture: enough to bring an emulator that missed the switches into the same
state, after which the program redraws. Pure and bounded.
"""

from __future__ import annotations

import re

ALTERNATE = frozenset({47, 1047, 1049})
"""DECSET numbers that switch to the alternate screen (xterm control sequences)."""
DEFAULT_ON = frozenset({7, 25})
"""Autowrap and the visible cursor."""
KEPT = frozenset({1, 5, 6, 7, 9, 25, 45, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004}) | ALTERNATE

SWITCH = re.compile(rb"\x1b(?:\[\?([0-9;]{1,64})([hl])|\[!(p)|([c=>]))")
CUT = re.compile(rb"\x1b(?:\[(?:!|\?[0-9;]{0,64})?)?\Z")
LONGEST = 70


class Modes:
    """The switches of one terminal. ``entered`` and ``left`` are the offsets of the last changes of screen."""

    def __init__(self) -> None:
        self.entered: int | None = None
        """Where the sequence begins that switched to the alternate screen last."""
        self.left: int | None = None
        """Behind the sequence that switched back last."""
        self._changed: dict[int, bool] = {}
        self._keypad = False
        self._cut = b""

    @property
    def alternate(self) -> bool:
        """Say whether the alternate screen is shown: a full-screen program runs."""
        return any(self._changed.get(number) for number in ALTERNATE)

    def feed(self, data: bytes, end: int) -> None:
        """Take output; ``end`` is the offset behind it."""
        if self._cut:
            data = self._cut + data
            self._cut = b""
        if b"\x1b" not in data:
            return
        start = end - len(data)
        for found in SWITCH.finditer(data):
            self._take(found, start)
        if cut := CUT.search(data, max(0, len(data) - LONGEST)):
            self._cut = cut[0]

    def _take(self, found: re.Match[bytes], start: int) -> None:
        numbers, switch, soft, plain = found.groups()
        shown = self.alternate
        if plain == b"c":
            self._changed.clear()
            self._keypad = False
        elif plain:
            self._keypad = plain == b"="
        elif soft:
            for number in (1, 6, 7, 25):
                self._changed.pop(number, None)
            self._keypad = False
        else:
            for number in {int(one) for one in numbers.split(b";") if one} & KEPT:
                self._changed[number] = switch == b"h"
        if self.alternate and not shown:
            self.entered = start + found.start()
        elif shown and not self.alternate:
            self.left = start + found.end()

    def restore(self, alternate: bool) -> str:
        """Return what brings a fresh emulator into this state, to the alternate screen only when asked to."""
        said = "\x1b[?1049h" if alternate and self.alternate else ""
        for number, on in sorted(self._changed.items()):
            if number not in ALTERNATE and on != (number in DEFAULT_ON):
                said += f"\x1b[?{number}{'h' if on else 'l'}"
        return said + ("\x1b=" if self._keypad else "")
