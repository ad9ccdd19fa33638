"""The newest output of a terminal, by offsets that count every byte it ever printed. Pure and bounded."""

from __future__ import annotations


class Scrollback:
    """Keeps the last ``size`` bytes. ``start`` and ``end`` are offsets of what is kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = bytearray()
        self.end = 0

    @property
    def start(self) -> int:
        return self.end - len(self._kept)

    def append(self, data: bytes) -> None:
        """Add output; the oldest goes when there is too much.

        Trimmed a quarter at a time, so that a flood does not move the whole buffer for every piece.
        """
        self._kept += data
        self.end += len(data)
        if len(self._kept) > self._size:
            keep = min(self._size * 3 // 4, self._size - 1)
            del self._kept[: len(self._kept) - keep]

    def read(self, offset: int, most: int) -> bytes:
        """Return up to ``most`` bytes from ``offset`` on, which must not lie before :attr:`start`."""
        at = offset - self.start
        assert at >= 0, "this part is gone"
        return bytes(memoryview(self._kept)[at : at + most])

    def resume(self) -> int:
        """Return where somebody who lost the thread begins: after the oldest line break that is kept, if near."""
        found = self._kept.find(b"\n", 0, 65536)
        return self.start + found + 1 if found >= 0 and self.start > 0 else self.start
