"""Terminals with several viewers, viewers who come late, and viewers who are gone without a word."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.helpers.server import AiKoreServer
from tests.helpers.terminal import Terminal

SCROLLBACK = 65536


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AiKoreServer]:
    server = AiKoreServer(tmp_path_factory.mktemp("viewers") / "home", terminal_scrollback=SCROLLBACK)
    server.variables["HOME"] = str(server.home)  # nobody's own shell files
    try:
        yield server.start()
    finally:
        server.clean_up()


class Wire:
    """A line between a viewer and the house that can go dead: nothing passes any more, and nobody closes it."""

    def __init__(self, port: int) -> None:
        self._inner = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._dead = threading.Event()
        self._ends: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                inner = socket.create_connection(("127.0.0.1", self._inner))
                self._ends += [outer, inner]
                for ends in ((outer, inner), (inner, outer)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while not self._dead.is_set() and (data := source.recv(65536)):
                if self._dead.is_set():
                    return
                to.sendall(data)

    def die(self) -> None:
        self._dead.set()

    def close(self) -> None:
        for end in self._ends:
            end.close()


# Who answers ----------------------------------------------------------------------------------------------------


def answers(viewer: Terminal) -> list[dict[str, object]]:
    viewer.take(0.2)
    return [control for control in viewer.controls if control["type"] == "answers"]


def test_one_of_several_viewers_answers_and_the_next_one_when_it_leaves(house: AiKoreServer) -> None:
    first = Terminal(house)
    first.run("echo shown")
    second = Terminal(house, session=first.id)
    third = Terminal(house, session=first.id)
    assert answers(first) == [{"type": "answers", "from": 0}]
    assert answers(second) == answers(third) == []
    first.close()
    second.wait(lambda: answers(second), "the oldest one takes over")
    second.run("echo more")
    third.control(type="answer")
    third.wait(lambda: answers(third), "whom a person turns to answers")
    second.wait(lambda: answers(second)[-1].get("until"), "and the other one no longer")
    assert answers(second)[-1]["until"] == answers(third)[-1]["from"] == third.next, "every byte is answered by one"
    second.close()
    house.http.delete(f"/api/terminals/{first.id}")


def test_who_comes_to_an_old_terminal_answers_nothing_of_its_history(house: AiKoreServer) -> None:
    first = Terminal(house)
    first.run("printf '\\e[c'")
    first.close()
    again = Terminal(house, session=first.id)
    assert again.started["reset"] is True
    assert answers(again) == [{"type": "answers", "from": again.started["end"]}]
    house.http.delete(f"/api/terminals/{first.id}")


# The picture of a full-screen program ---------------------------------------------------------------------------

PROGRAMS = {
    "vi": ("vi -u NONE long.txt", "line 17", "\x1b:q!\r", "jk"),
    "less": ("LESS= less long.txt", "line 17", "q", "jk"),
    "htop": ("htop -d 1", "CPU%", "q", ""),
    "top": ("top -d 0.1", "%CPU", "q", ""),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_who_comes_late_sees_the_whole_picture_of_a_full_screen_program(house: AiKoreServer, program: str) -> None:
    command, shown, leave, keys = PROGRAMS[program]
    first = Terminal(house)
    first.run("seq -f 'line %g' 200 > long.txt")
    first.control(type="resize", columns=80, rows=24)
    first.send(f"{command}\r")
    first.wait(lambda: shown in first.text, f"{program} shows itself")
    begun = first.next
    while first.next - begun < SCROLLBACK * 1.5:  # its first drawing goes out of the scrollback
        if keys:
            first.send(keys * 40)
        assert first.take(5), f"{program} draws"
    while keys and first.take(0.3):  # it comes to rest
        pass
    late = Terminal(house, session=first.id)
    late.control(type="resize", columns=80, rows=24)
    assert late.started["offset"] == late.started["end"] or program == "top", "half a picture is not shown"

    def whole() -> bool:
        first.take(0.01)
        lines = [line for line in late.screen.display if line.strip()]
        return shown in late.text and len(lines) >= 20

    late.wait(whole, "the whole screen is drawn again")
    if keys:
        late.wait(lambda: not late.take(0.3) and not first.take(0.3) and late.text == first.text, "both see the same")
        assert "\x1b[?1049h" in late.started["restore"]
    late.send(leave)
    late.wait(lambda: not late.take(0.2), "the program ends")
    assert late.run("stty size; echo back").split() == ["24", "80", "back"], "its size is what it was"
    first.close(), late.close()
    house.http.delete(f"/api/terminals/{first.id}")


def test_who_comes_late_has_the_modes_that_were_switched_on_long_ago(house: AiKoreServer) -> None:
    first = Terminal(house)
    first.run("printf '\\e[?1000h\\e[?1006h\\e[?25l\\e[?7l\\e[?7h\\e='")
    first.send("seq 1 30000; echo do''ne\r")
    first.wait(lambda: first.output.endswith(b"\r\ndone\r\n") or b"\ndone\r\n" in first.output[-200:], "it is long ago")
    late = Terminal(house, session=first.id)
    assert late.started["restore"].replace("\x1b[?2004h", "") == "\x1b[?25l\x1b[?1000h\x1b[?1006h\x1b="
    first.close(), late.close()
    house.http.delete(f"/api/terminals/{first.id}")


# Gone without a word --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flood", [False, True], ids=["quiet", "while it prints"])
def test_a_viewer_whose_network_is_gone_gives_the_size_back_within_15_seconds(house: AiKoreServer, flood: bool) -> None:
    large = Terminal(house, draw=False)
    large.control(type="resize", columns=120, rows=40)
    wire = Wire(house.port)
    small = Terminal(house, draw=False, session=large.id, port=wire.port)
    small.control(type="resize", columns=40, rows=10)
    large.wait(lambda: large.controls[-1].get("columns") == 40, "the smallest counts")
    if flood:
        large.send("yes flood\r")
        small.wait(lambda: len(small.output) > 200_000)
    wire.die()
    gone = time.monotonic()
    large.wait(lambda: large.controls[-1].get("columns") == 120, "who is there gets the size back", 30)
    assert time.monotonic() - gone < 15
    wire.close(), large.close()
    house.http.delete(f"/api/terminals/{large.id}")
