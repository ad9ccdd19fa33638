"""A terminal's session without a program: when its viewers are woken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aikore.terminal.session import FLOOD, Session
from aikore.terminal.shell import Shell


class NoProgram:
    """A pseudo-terminal on which nothing runs."""

    has_a_program = False

    def foreground(self) -> str:
        return ""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


async def test_a_flood_is_gathered_for_a_moment_and_an_echo_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aikore.terminal.session.GATHER", 0.2)
    session = Session("one", Shell(Path("/")), 2**20)
    session._pty = NoProgram()  # type: ignore[assignment]
    viewer = session.attach(None)
    for _ in range(3):
        viewer.wake.clear()
        session._printed(b"k")
        assert viewer.wake.is_set(), "what is typed is echoed at once"
    viewer.wake.clear()
    session._printed(b"x" * FLOOD)
    session._printed(b"x" * FLOOD)
    assert not viewer.wake.is_set()
    async with asyncio.timeout(1):
        await viewer.wake.wait()
    assert session._scrollback.end == 3 + 2 * FLOOD
