"""The keyboard of desktops: keys for the letters of many languages. Pure text.

A VNC server gives a letter that no key has a new key when it is first typed. Programs learn of it too late and lose that
letter, and Chromium some more. So the letters lie ready, on keys that no real keyboard is asked for.
"""

from __future__ import annotations

from itertools import batched

FREE_KEYS = (*range(182, 203), *range(208, 256))
"""Key codes that neither letters nor browsers use: what lies below makes browsers go back or reload."""
LEVELS = 4
"""Of a key: alone, with Shift, with AltGr, with both. Others the VNC server does not use."""

LATIN_1 = range(0xA0, 0x100)
EXTENDED = "ĀāĂăĄąĆćČčĎďĐđĒēĖėĘęĚěĞğĢģĪīĮįİıĶķĹĺĻļĽľŁłŃńŅņŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŪūŮůŰűŲųŹźŻżŽžȘșȚțẞ"
MARKS = "€„“”‚‘’‹›–—…•™"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяёАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЁ"
NAMES = {"€": "EuroSign"}
