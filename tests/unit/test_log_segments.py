"""Views, offsets, tails, characters and times of a rotated log."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikore.logs import times
from aikore.logs.reader import Cursor, read_text, tail_offset, whole_characters
from aikore.logs.segments import view
from tests.helpers.logs import keeper_log, numbered, write_index


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_an_empty_folder_is_an_empty_log(tmp_path: Path) -> None:
    with view(tmp_path / "not-there") as log:
        assert (log.start, log.end, log.read(0, 100).data) == (0, 0, b"")


def test_offsets_go_on_over_rotated_files(tmp_path: Path) -> None:
    data = numbered(0, 2000)
    keeper_log(tmp_path, rotate=4096).write(data)
    with view(tmp_path) as log:
        assert len(log.segments) > 5
        assert (log.start, log.end) == (0, len(data))
        assert log.read(0, 10**7).data == data
        assert log.read(4000, 9000).data == data[4000:13000]
        assert log.read(len(data), 10).data == b""


def test_reading_what_was_rotated_away_begins_at_the_oldest_kept_byte(tmp_path: Path) -> None:
    data = numbered(0, 2000)
    keeper_log(tmp_path, rotate=4096, keep=2).write(data)
    with view(tmp_path) as log:
        piece = log.read(10, 100)
        assert log.start > 0
        assert piece.offset == log.start
        assert piece.data == data[log.start : log.start + 100]


def test_a_file_removed_from_the_middle_is_a_gap_and_not_shifted_text(tmp_path: Path) -> None:
    data = numbered(0, 2000)
    keeper_log(tmp_path, rotate=4096).write(data)
    with view(tmp_path) as log:
        removed = log.segments[2]
        removed.path.unlink()
        first = log.read(0, 10**7)
        assert first.data == data[: removed.start]
        second = log.read(first.next, 10**7)
        assert second.offset == removed.end
        assert second.data == data[removed.end :]


def test_the_current_file_missing_for_an_instant_hides_nothing_rotated(tmp_path: Path) -> None:
    data = numbered(0, 300)
    keeper_log(tmp_path, rotate=4096).write(data)
    with view(tmp_path) as log:
        start = log.segments[-1].start
    (tmp_path / "output.log").rename(tmp_path / f"output.{start:020d}.log")
    with view(tmp_path) as log:
        assert log.read(0, 10**6).data == data


def test_a_pinned_view_survives_removal_of_its_files(tmp_path: Path) -> None:
    data = numbered(0, 1000)
    writer = keeper_log(tmp_path, rotate=4096, keep=3)
    writer.write(data)
    before = open_files()
    with view(tmp_path) as log:
        log.pin()
        writer.write(numbered(1000, 3000))
        assert log.read(log.start, 10**6).data == data[log.start :]
    assert open_files() == before


def test_views_taken_while_the_log_rotates_at_full_speed_are_consistent(tmp_path: Path) -> None:
    writer = keeper_log(tmp_path, rotate=4096, keep=50)
    data = numbered(0, 40000)
    before = open_files()

    def write() -> None:
        for at in range(0, len(data), 700):
            writer.write(data[at : at + 700])

    thread = threading.Thread(target=write)
    thread.start()
    taken = 0
    while thread.is_alive() or not taken:
        with view(tmp_path) as log:
            start = max(log.start, log.end - 6000)
            piece = log.read(start, log.end - start)
            assert piece.data == data[piece.offset : piece.next]
            taken += 1
    thread.join()
    assert open_files() == before


def test_a_cursor_reads_every_byte_once_while_the_log_rotates(tmp_path: Path) -> None:
    writer = keeper_log(tmp_path, rotate=4096)
    data = numbered(0, 40000)
    thread = threading.Thread(target=lambda: [writer.write(data[at : at + 999]) for at in range(0, len(data), 999)])
    cursor = Cursor(tmp_path, 0)
    thread.start()
    read = bytearray()
    while thread.is_alive() or len(read) < len(data):
        piece = cursor.read(5000)
        assert piece.offset == len(read)
        read += piece.data
        if not piece.data and not thread.is_alive() and len(read) < len(data):
            assert cursor.read(5000).data, "nothing more comes"
    thread.join()
    cursor.close()
    assert bytes(read) == data


@pytest.mark.parametrize("size", [1, 10, 500, 5000])
def test_a_tail_begins_at_a_line_start(tmp_path: Path, size: int) -> None:
    data = numbered(0, 1000)
    keeper_log(tmp_path, rotate=4096).write(data)
    with view(tmp_path) as log:
        offset = tail_offset(log, size)
        assert len(data) - size <= offset <= len(data)
        assert data[offset - 1] == ord("\n")


def test_a_tail_that_is_exactly_lines_keeps_the_first(tmp_path: Path) -> None:
    keeper_log(tmp_path).write(b"one\ntwo\nthree\n")
    with view(tmp_path) as log:
        assert read_text(log, tail_offset(log, 10), 100).text == "two\nthree\n"


def test_the_tail_of_one_endless_line_begins_in_it_at_a_whole_character(tmp_path: Path) -> None:
    keeper_log(tmp_path).write("é".encode() * 1000)
    with view(tmp_path) as log:
        assert set(read_text(log, tail_offset(log, 101), 200).text) == {"é"}


def test_an_offset_behind_the_end_answers_with_the_end(tmp_path: Path) -> None:
    keeper_log(tmp_path).write(b"abc\n")
    with view(tmp_path) as log:
        assert read_text(log, 10**9, 100) == read_text(log, 4, 100)


@given(st.text(), st.integers(1, 7))
def test_text_read_in_pieces_is_the_whole_text(text: str, size: int) -> None:
    data, out, held = text.encode(), "", b""
    for at in range(0, len(data), size):
        held += data[at : at + size]
        cut = whole_characters(held)
        out += held[:cut].decode("utf-8", "replace")
        held = held[cut:]
    assert out + held.decode("utf-8", "replace") == text


@given(st.binary(max_size=40))
def test_at_most_three_bytes_of_anything_are_held_back(data: bytes) -> None:
    assert len(data) - 3 <= whole_characters(data) <= len(data)


def test_times_are_found_in_rotated_and_current_files(tmp_path: Path) -> None:
    (tmp_path / f"output.{0:020d}.log").write_bytes(b"a" * 100)
    (tmp_path / "output.log").write_bytes(b"b" * 100)
    write_index(tmp_path / f"output.{0:020d}.idx", (0, 1000.0), (40, 1001.0))
    write_index(tmp_path / "output.idx", (100, 1002.0), (150, 1003.0))
    with view(tmp_path) as log:
        assert [times.time_at(log, at) for at in (0, 39, 40, 99, 100, 149, 150)] == [
            1000.0,
            1000.0,
            1001.0,
            1001.0,
            1002.0,
            1002.0,
            1003.0,
        ]
        assert times.time_at(log, 500) is None
        assert [mark.offset for mark in times.marks(log, 50, 150, 100)] == [40, 100]
        assert len(times.marks(log, 0, 200, 2)) == 2


def test_a_missing_or_torn_index_gives_no_time_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_bytes(b"b" * 100)
    with view(tmp_path) as log:
        assert times.time_at(log, 5) is None
        (tmp_path / "output.idx").write_bytes(b"12345")
        assert times.time_at(log, 5) is None
        assert times.marks(log, 0, 100, 10) == []


def test_the_keepers_own_index_gives_times(tmp_path: Path) -> None:
    keeper_log(tmp_path, rotate=4096).write(numbered(0, 1000))
    with view(tmp_path) as log:
        assert times.time_at(log, 0) is not None
        assert times.time_at(log, log.end - 1) is not None
