"""What programs redraw is stored once and moves live, and nothing is lost. Compared with pyte, a terminal emulator."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikore.launch import keeper
from aikore.launch.keeper.log import Log
from aikore.launch.keeper.redraw import Fold
from aikore.launch.keeper.terminal import ROWS_MAX, TEXT_MAX

STREAMS = Path(__file__).parent.parent / "data/progress"
SGR = re.compile(r"\x1b\[[0-9;]*m")


class Memory:
    """A store in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def line_open(self) -> bool:
        return bool(self.data) and self.data[-1] != 0x0A

    @line_open.setter
    def line_open(self, value: bool) -> None: ...

    def append(self, data: bytes, drawn: bool = False) -> None:
        self.data += data

    def redrawn(self, size: int) -> None: ...

    def tail(self, size: int) -> bytes:
        return bytes(self.data[-size:])


def folded(pieces: list[bytes]) -> bytes:
    store = Memory()
    fold = Fold(store)
    for piece in pieces:
        fold.feed(piece)
        fold.tick(0.0)
    fold.finish()
    return bytes(store.data)


def lines(data: bytes) -> list[str]:
    shown = (line.rpartition("\r")[2] for line in SGR.sub("", data.decode()).split("\n"))
    return [line.rstrip() for line in shown if line.strip()]


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def bars(step: int, count: int = 8) -> list[bytes]:
    return [b"bar %d: %5d of 20000" % (number, step) for number in range(count)]


# Blocks that are drawn again and again --------------------------------------------------------------------------


def ending_in_a_line(step: int) -> bytes:
    return (b"\x1b[8A" if step else b"") + b"".join(b"\r\x1b[2K" + bar + b"\n" for bar in bars(step))


def ending_within_a_line(step: int) -> bytes:
    back = b"\r\x1b[2K" + b"\x1b[1A\x1b[2K" * 7 if step else b"\x1b[?25l"
    return back + b"\n".join(bars(step))


def each_by_itself(step: int) -> bytes:
    frame = b""
    for number, bar in enumerate(bars(step)):
        frame += b"\n" * number + b"\r" + bar + b"\x1b[A" * number
    return frame


@pytest.mark.parametrize("frame", [ending_in_a_line, ending_within_a_line, each_by_itself])
def test_eight_bars_redrawn_20000_times_are_stored_once(tmp_path: Path, frame: object) -> None:
    log = Log(str(tmp_path), 10**6, 4)
    log.write(b"before\n")
    for step in range(20_001):
        log.write(frame(step))  # type: ignore[operator]
        if step % 1000 == 0:
            log.tick(float(step))
    log.write(b"\n" * 8 + b"after\n")
    log.finish()
    found = lines((tmp_path / "output.log").read_bytes())
    assert found == ["before", *(bar.decode() for bar in bars(20_000)), "after"]


def test_a_block_that_moves_is_shown_live_at_most_five_times_a_second(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 4)

    def live() -> list[str]:
        record = json.loads((tmp_path / "output.live").read_bytes())
        assert record["offset"] == log.offset
        return str(record["text"]).split("\n")

    log.write(ending_within_a_line(0))
    log.tick(100.0)
    assert live() == [bar.decode() for bar in bars(0)]
    log.write(ending_within_a_line(1))
    assert log.tick(100.05) == pytest.approx(0.15)
    assert live() == [bar.decode() for bar in bars(0)]
    log.tick(100.2)
    assert live() == [bar.decode() for bar in bars(1)]
    log.write(b"\n\x1b[?25h")
    wait = log.tick(101.0)
    assert wait is not None
    log.tick(101.0 + wait)
    log.tick(102.0 + wait)
    assert live() == [""]
    assert lines((tmp_path / "output.log").read_bytes()) == [bar.decode() for bar in bars(1)]


def test_a_message_between_two_drawings_is_stored_above_the_bars_and_at_once(tmp_path: Path) -> None:
    log = Log(str(tmp_path), 10**6, 4)
    log.write(each_by_itself(0))
    log.write(b"\r" + b" " * 30 + b"\rnote\n" + each_by_itself(1))
    log.write(each_by_itself(2))
    assert (tmp_path / "output.log").read_bytes() == b"note\n"
    log.write(b"\n" * 8)
    log.finish()
    assert lines((tmp_path / "output.log").read_bytes()) == ["note", *(bar.decode() for bar in bars(2))]


def test_lines_that_were_stored_before_they_are_redrawn_are_stored_anew_only_where_they_changed() -> None:
    found = folded([b"one\ntwo\nthree\n", b"\x1b[2A\r\x1b[2KTWO", b"\n\n", b"after\n"])
    assert found == b"one\ntwo\nthree\nTWO\nafter\n"


def test_what_is_wiped_and_not_drawn_again_is_kept() -> None:
    assert lines(folded([b"\x1b[?25lfirst\nsecond", b"\r\x1b[2K\x1b[1A\x1b[2K", b"\x1b[?25hdone\n"])) == [
        "second",
        "done",
    ]
    assert lines(folded([b"\x1b[?25l", b"working", b"\r\x1b[2K\x1b[?25h"])) == ["working"]
    assert lines(folded([b"a page\n", b"\x1b[H\x1b[2J", b"another\n"])) == ["a page", "another"]


def test_a_spinner_of_backspaces_or_columns_is_stored_once() -> None:
    assert folded([b"wait |", *[b"\b" + b"/-\\|"[at % 4 : at % 4 + 1] for at in range(1000)], b"\bdone\n"]) in (
        b"wait |\rwait done\n",
        b"wait done\n",
    )
    spins = [b"\x1b[2K\x1b[1G%d loading" % at for at in range(1000)]
    assert lines(folded([*spins, b"\x1b[2K\x1b[1Gloaded\n"])) == ["loaded"]


def test_colours_stay_with_their_text() -> None:
    found = folded([b"\x1b[?25l\x1b[31mred\x1b[0m plain\nsecond", b"\r\x1b[1A\x1b[2C\x1b[32mXX\x1b[0m\n\n"])
    assert found == b"\x1b[31mre\x1b[0m\x1b[32mXX\x1b[0mplain\nsecond\n".replace(b"XX\x1b[0mplain", b"XX\x1b[0mplain")


@pytest.mark.parametrize("name", sorted(path.stem for path in STREAMS.glob("*.bin")))
@pytest.mark.parametrize("size", [1, 7, 64, 4096, 10**6])
def test_real_progress_bars_are_stored_as_they_look_at_the_end(name: str, size: int) -> None:
    data = (STREAMS / f"{name}.bin").read_bytes()
    screen = pyte.Screen(100, 60)
    pyte.ByteStream(screen).feed(data.replace(b"\n", b"\r\n"))
    shown = [line.rstrip() for line in screen.display if line.strip()]
    found = lines(folded(in_pieces(data, size)))
    if name != "rich-transient":  # it wipes all it drew; that is kept
        assert found == shown
    assert found[-1] == shown[-1] and set(shown) <= set(found)


# Anything ---------------------------------------------------------------------------------------------------------

TEXT = st.text(st.sampled_from("abcXYZ 0189%|#äλ█"), min_size=1, max_size=12)
STEP = st.one_of(
    TEXT,
    st.sampled_from(["\n", "\n", "\r", "\x1b[K", "\x1b[2K", "\x1b[1K", "\x1b[A", "\x1b[B", "\x1b[J", "\x1b[1G", "\b"]),
    st.integers(1, 4).map(lambda n: f"\x1b[{n}A"),
    st.integers(1, 9).map(lambda n: f"\x1b[{n}C"),
    st.integers(30, 37).map(lambda n: f"\x1b[{n}m"),
    st.just("\x1b[0m"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=40), st.integers(1, 50))
def test_what_a_terminal_shows_is_stored_however_it_came(steps: list[str], size: int) -> None:
    text = "\x1b[?25l" + "".join(steps)
    screen = pyte.Screen(400, 100)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    shown = [line.rstrip() for line in screen.display if line.strip()]
    found = iter(lines(folded(in_pieces(text.encode(), size))))
    assert all(line in found for line in shown), "in this order, among what was wiped"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.integers(1, 100))
def test_output_without_movements_is_stored_byte_by_byte(data: bytes, size: int) -> None:
    plain = data.translate(None, b"\r\x1b\x08")
    assert folded(in_pieces(plain, size)) == plain


@pytest.mark.parametrize(
    ("program", "stored"),
    [
        ("日本語テスト\n\x1b[A\x1b[4CXY\n", "日本XYテスト"),
        ("日本語 10%\n\x1b[A\x1b[8G20%\n", "日本語 20%"),
        ("日本語 100%\n\x1b[A\x1b[6C\x1b[K\n", "日本語"),
        ("🤗 loading 10%\n\x1b[A\x1b[11C99%\n", "🤗 loading 99%"),
        ("日本語\n\x1b[A\x1b[1CX\n", " X本語"),
        ("日本語\n\x1b[A\x1b[2CX\n", "日X 語"),
        ("日本\b\bX\n", "日X"),
        ("━━ █▌ ⠋ 10%\n\x1b[A\x1b[9G20%\n", "━━ █▌ ⠋ 20%"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_wide_character_takes_two_columns_and_goes_as_a_whole(program: str, stored: str, size: int) -> None:
    program = f"\x1b[?25l{program}"
    assert [line.rstrip() for line in lines(folded(in_pieces(program.encode(), size)))] == [stored]


COLOURS = st.lists(st.sampled_from(["x\n", "\x1b[m", "\x1b[0m", "\x1b[1;31m", "\x1b[38:5:9m", "\x1b[38;2;1;2;3m", "m"]))


@settings(max_examples=200, deadline=None)
@given(COLOURS, st.integers(1, 40))
def test_colours_are_no_movements_however_they_are_cut(pieces: list[str], size: int) -> None:
    text = "".join(pieces).encode()
    assert folded(in_pieces(text, size)) == text


@pytest.mark.parametrize("move", [b"\x1b[A", b"\x1b[2A", b"\x1b[2;3H", b"\x1b[1K", b"\x1b[?25l", b"\x1b8", b"\x1bM"])
def test_a_movement_among_colours_is_seen(move: bytes) -> None:
    fold = Fold(Memory())
    fold.feed(b"\x1b[1;31mred\x1b[0m\n" * 9 + move + b"m\x1b[32mgreen\x1b[0m")
    assert fold.busy


MOVEMENT = st.sampled_from(
    [b"\x1b[", b"\x1b[2A", b"\x1b[99999999B", b"\x1b[?25l", b"\r", b"\n", b"\x1b]0;x", b"\xe2\x96"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=20), MOVEMENT), max_size=60))
def test_nothing_that_a_program_writes_upsets_the_fold(pieces: list[bytes]) -> None:
    folded(pieces)


def test_what_is_held_is_bounded() -> None:
    store = Memory()
    fold = Fold(store)
    fold.feed(b"\x1b[?25l")
    for number in range(20_000):
        fold.feed(b"x" * 300 + b" %d\n" % number + (b"\x1b[%dA\n" % (number % 300) if number % 7 == 0 else b""))
        held = fold.picture()
        assert held.count(b"\n") <= 2 * ROWS_MAX and len(held) <= 2 * TEXT_MAX
    for _ in range(1000):
        fold.feed(b"y" * 1000)
        assert len(fold.picture()) <= 2 * TEXT_MAX
    fold.finish()
    assert store.data.count(b"y") == 1_000_000
    assert {b"x 19999", b"x 15000"} <= {line[-7:] for line in bytes(store.data).split(b"\n")}


# In the keeper ------------------------------------------------------------------------------------------------------


def loaded_by_the_keeper(folder: Path) -> set[str]:
    code = f"import runpy, sys; runpy.run_path({keeper.__path__[0]!r}, run_name='keeper'); print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-E", "-c", code]
    return set(subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True).stdout.split())


def test_the_keeper_folds_as_a_script_of_its_own(tmp_path: Path) -> None:
    """It is started by its path, isolated from the environment, and finds its other files all the same."""
    assert "aikore.launch.keeper.redraw" in loaded_by_the_keeper(tmp_path)
    assert not os.listdir(tmp_path)


def test_the_keeper_loads_its_own_folder_alone_and_nothing_heavy(tmp_path: Path) -> None:
    loaded = loaded_by_the_keeper(tmp_path)
    own = {name for name in loaded if name.startswith("aikore") and not name.startswith("aikore.launch.keeper")}
    assert own == {"aikore", "aikore.launch", "aikore.launch.layout"}
    assert not loaded & {"asyncio", "dataclasses", "inspect", "logging", "pathlib", "socket", "subprocess"}
