"""Searching a log: what is found, what is shown, where it stops, how little it needs."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikore.logs import search as searching
from aikore.logs.search import Result, search
from aikore.logs.segments import view
from tests.helpers.logs import keeper_log, numbered


def found(folder: Path, text: str, offset: int = 0, **options: object) -> Result:
    with view(folder) as log:
        return search(log, text, offset, **options)  # type: ignore[arg-type]


def test_a_match_tells_its_offset_line_and_time(tmp_path: Path) -> None:
    keeper_log(tmp_path).write(b"first\nsome Error here\r\nlast\n")
    result = found(tmp_path, "error")
    assert result.done
    (match,) = result.matches
    assert (match.offset, match.line_text) == (11, "some Error here")
    assert match.time is not None


def test_a_line_is_given_once(tmp_path: Path) -> None:
    keeper_log(tmp_path).write(b"ab ab ab\nab\n")
    assert [match.offset for match in found(tmp_path, "ab").matches] == [0, 9]


def test_case_is_ignored_unless_asked_for_in_other_alphabets_too(tmp_path: Path) -> None:
    keeper_log(tmp_path).write("FEHLER über\nfehler ÜBER\n".encode())
    assert len(found(tmp_path, "Über").matches) == 2
    assert len(found(tmp_path, "FEHLER").matches) == 2
    assert [match.offset for match in found(tmp_path, "fehler", ignore_case=False).matches] == [13]
    assert [match.offset for match in found(tmp_path, "über", ignore_case=False).matches] == [7]


def test_a_limit_stops_and_next_goes_on_without_loss_or_repeat(tmp_path: Path) -> None:
    keeper_log(tmp_path, rotate=4096).write(numbered(0, 3000))
    offsets: list[int] = []
    at, done = 0, False
    while not done:
        result = found(tmp_path, "line", at, limit=7)
        offsets += [match.offset for match in result.matches]
        at, done = result.next, result.done
    assert len(offsets) == 3000
    assert offsets == sorted(set(offsets))


def test_a_match_across_files_and_chunks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CHUNK", 7)
    (tmp_path / f"output.{0:020d}.log").write_bytes(b"abc\nneed")
    (tmp_path / "output.log").write_bytes(b"le here\nneedle\n")
    result = found(tmp_path, "needle")
    assert [(match.offset, match.line_text) for match in result.matches] == [(4, "needle here"), (16, "needle")]


def test_no_match_is_made_up_across_a_gap(tmp_path: Path) -> None:
    (tmp_path / f"output.{0:020d}.log").write_bytes(b"nee")
    (tmp_path / f"output.{10:020d}.log").write_bytes(b"dle\n")
    assert found(tmp_path, "needle").matches == []


def test_an_overlong_line_is_cut_around_the_match_in_flat_memory(tmp_path: Path) -> None:
    size = 100 * 2**20
    with open(tmp_path / "output.log", "wb") as log:
        for _ in range(size // 2**20):
            log.write(b"x" * 2**20)
        log.write(b"needle")
        log.write(b"y" * 2**20)
    tracemalloc.start()
    result = found(tmp_path, "needle", seconds=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (match,) = result.matches
    assert match.offset == size
    assert "needle" in match.line_text
    assert len(match.line_text) <= 2000
    assert peak < 12 * 2**20


def test_time_and_cancelling_stop_a_search_that_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CHUNK", 1000)
    keeper_log(tmp_path).write(numbered(0, 1000) + b"needle\n")
    for result in (found(tmp_path, "needle", seconds=0), found(tmp_path, "needle", cancelled=lambda: True)):
        assert not result.done
        assert result.matches == []
        assert 0 < result.next < 2000
        assert len(found(tmp_path, "needle", result.next).matches) == 1


@given(st.lists(st.sampled_from(["ab", "b", "\n", "é", "É", "xyz", "a"]), max_size=60), st.integers(2, 9))
def test_every_line_that_holds_the_text_is_found(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    data = "".join(parts)
    (folder / "output.log").write_bytes(data.encode())
    before, searching.CHUNK = searching.CHUNK, chunk
    try:
        for text in ("ab", "é", "yza"):
            lines = [line for line in data.split("\n") if text in line.lower()]
            assert [match.line_text for match in found(folder, text).matches] == lines
    finally:
        searching.CHUNK = before
