"""Lines of a log that a blueprint warns of: found as the log grows, over rotations, without reading it twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aikore.instances import warned
from aikore.instances.warned import Warned, WarnedBook, look

WORDS = ("IMPORT FAILED",)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "output.log").write_bytes(b"an older run: IMPORT FAILED\n")
    return tmp_path


def write(logs: Path, text: str) -> None:
    with open(logs / "output.log", "ab") as log:
        log.write(text.encode())


def rotate(logs: Path, start: int) -> None:
    (logs / "output.log").rename(logs / f"output.{start:020d}.log")
    (logs / "output.log").touch()


def test_lines_are_counted_once_and_the_first_is_told_without_its_colours(logs: Path) -> None:
    begin = (logs / "output.log").stat().st_size
    at = look(logs, WORDS, Warned(3, begin))
    assert at == Warned(3, begin)
    write(logs, "fine\n  \x1b[31m0.1 seconds (IMPORT FAILED): /nodes/a\x1b[0m\nfine\nIMPORT FAI")
    at = look(logs, WORDS, at)
    assert (at.count, at.text, at.offset) == (1, "0.1 seconds (IMPORT FAILED): /nodes/a", begin + 5)
    write(logs, "LED: b\n")
    at = look(logs, WORDS, at)
    assert (at.count, at.offset) == (2, begin + 5)
    assert look(logs, WORDS, at) == at
    write(logs, "IMPORT FAILED at the very end")
    assert look(logs, WORDS, at).count == 2
    assert look(logs, WORDS, at, last=True).count == 3


def test_a_log_is_followed_over_rotations_and_what_is_gone_is_passed_by(logs: Path) -> None:
    write(logs, "x\nIMPORT")
    first = (logs / "output.log").stat().st_size
    rotate(logs, 0)
    write(logs, " FAILED over the edge\n")
    at = look(logs, WORDS, Warned(1, 28))
    assert (at.count, at.text, at.offset) == (1, "IMPORT FAILED over the edge", 30)
    second = (logs / "output.log").stat().st_size
    rotate(logs, first)
    write(logs, "IMPORT FAILED in the third\n")
    (logs / f"output.{0:020d}.log").unlink()
    late = look(logs, WORDS, Warned(1, 28))
    assert (late.count, late.offset) == (1, first + second), "the line whose beginning is gone is none of this"
    assert late.seen == first + second + len("IMPORT FAILED in the third\n")


def test_one_look_reads_a_bounded_part_and_one_that_is_far_behind_leaves_some_out(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warned, "LOOK_MOST", 100)
    monkeypatch.setattr(warned, "BEHIND_MOST", 1000)
    write(logs, "".join(f"{number:03d} IMPORT FAILED\n" for number in range(20)))
    at, steps = Warned(1, 28), 0
    while (after := look(logs, WORDS, at)).seen != at.seen:
        assert after.seen - at.seen <= 100
        at, steps = after, steps + 1
    assert (at.count, steps > 3) == (20, True)
    write(logs, "y" * 5000 + "\nIMPORT FAILED at last\n")
    behind = look(logs, WORDS, at)
    assert behind.seen > at.seen + 3000, "a long line without an end is passed too"
    for _ in range(20):
        behind = look(logs, WORDS, behind)
    assert behind.count == 21


def test_a_log_that_is_a_pipe_or_is_not_there_warns_of_nothing(tmp_path: Path) -> None:
    assert look(tmp_path / "none", WORDS, Warned(1, 0)).count == 0
    os.mkfifo(tmp_path / "output.log")
    assert look(tmp_path, WORDS, Warned(1, 0)).count == 0


def test_a_run_that_ended_is_read_to_its_end_and_then_left_alone() -> None:
    book = WarnedBook()
    begin = book.at(1, 4, 100)
    assert begin == Warned(4, 100)
    found = Warned(4, 300, 2, "IMPORT FAILED", 120)
    assert book.take(1, begin, found, True)
    assert book.at(1, 4, 100) == found
    assert not book.take(1, found, found, True)
    assert book.at(1, 4, 100) is None
    assert book.view(1, 4) == {"count": 2, "text": "IMPORT FAILED", "offset": 120}
    assert book.view(1, 5) is None, "a new run has its own"
    assert book.at(1, 5, 300) == Warned(5, 300)
    later = WarnedBook()
    later.remember(book.memory())
    assert later.at(1, 4, 100) == found
    later.remember("no JSON")
