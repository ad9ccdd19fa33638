"""The keyboard of desktops."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aikore.launch import keymap


@pytest.mark.parametrize(
    ("letter", "number"),
    [
        ("ä", 0xE4),
        ("€", 0x20AC),
        ("ł", 0x1B3),
        ("ğ", 0x2BB),
        ("ū", 0x3FE),
        ("я", 0x6D1),
        ("ґ", 0x6AD),
        ("œ", 0x13BD),
        ("–", 0xAAA),
        ("ș", 0x1000219),
    ],
)
def test_a_letter_has_the_number_that_viewers_send(letter: str, number: int) -> None:
    assert keymap.keysym(letter) == number


def test_every_letter_has_a_place_of_its_own() -> None:
    assert len(set(keymap.LETTERS)) == len(keymap.LETTERS) <= len(keymap.FREE_KEYS) * keymap.LEVELS
    assert all(f"0x{keymap.keysym(letter):x}" in keymap.keymap() for letter in keymap.LETTERS)


def test_the_display_servers_own_tool_understands_the_keyboard(tmp_path: Path) -> None:
    source = tmp_path / "keymap.xkb"
    source.write_text(keymap.keymap())
    told = subprocess.run(["xkbcomp", "-w0", "-xkm", source, tmp_path / "out"], capture_output=True, text=True)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")
