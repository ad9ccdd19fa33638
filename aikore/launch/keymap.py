"""The keyboard of desktops: the letters of many languages have a key each. Pure text.

A VNC server gives a letter without a key one when it is first typed. Programs learn of that too late: they lose the
letter, Chromium most of them. So the letters lie ready, on keys that no real keyboard is asked for.
"""

from __future__ import annotations

FREE_KEYS = (*range(182, 203), *range(208, 256))
"""Key codes without a letter. What lies below makes browsers go back, reload or stop."""
LEVELS = 4
"""Letters of a key: alone, with Shift, with AltGr, with both. A VNC server looks at no others."""

LETTERS = (
    "".join(map(chr, range(0xA0, 0x100)))
    + "ĀāĂăĄąĆćČčĎďĐđĒēĖėĘęĚěĞğĢģĪīĮįİıĶķĹĺĻļĽľŁłŃńŅņŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŪūŮůŰűŲųŹźŻżŽžȘșȚțẞ"
    + "".join(map(chr, range(ord("А"), ord("я") + 1)))
    + "ЁёІіЇїЄєҐґ"
    + "€„“”‚‘’‹›–—…•™"
)
CHARACTER_SETS = {
    0x000: "latin-1",
    0x100: "iso8859-2",
    0x200: "iso8859-3",
    0x300: "iso8859-4",
    0x600: "koi8-u",
    0x1300: "iso8859-15",
}
"""What the numbers of X's older keysyms are made of: a set, and the letter's place in it."""
SIGNS = {
    "€": 0x20AC,
    "—": 0xAA9,
    "–": 0xAAA,
    "…": 0xAAE,
    "™": 0xAC9,
    "‘": 0xAD0,
    "’": 0xAD1,
    "“": 0xAD2,
    "”": 0xAD3,
    "•": 0xAE6,
    "‚": 0xAFD,
    "„": 0xAFE,
}


def keysym(character: str) -> int:
    """Return the number by which X and VNC viewers know a letter or sign."""
    if character in SIGNS:
        return SIGNS[character]
    for base, name in CHARACTER_SETS.items():
        try:
            return base | character.encode(name)[0]
        except UnicodeEncodeError:
            continue
    return 0x1000000 | ord(character)


def keymap() -> str:
    """Return what ``xkbcomp`` reads: the US keyboard, and the letters on the free keys."""
    codes, symbols = [], []
    for at, code in enumerate(FREE_KEYS):
        letters = LETTERS[at * LEVELS : (at + 1) * LEVELS]
        if letters:
            codes.append(f"<K{code}> = {code};")
            names = ", ".join(f"0x{keysym(letter):x}" for letter in letters)
            symbols.append(f'key <K{code}> {{ type[group1] = "FOUR_LEVEL", symbols[group1] = [ {names} ] }};')
    return f"""xkb_keymap {{
xkb_keycodes {{ include "evdev+aliases(qwerty)" {" ".join(codes)} }};
xkb_types {{ include "complete" }};
xkb_compat {{ include "complete" }};
xkb_symbols {{ include "pc+us" {" ".join(symbols)} }};
}};
"""
