"""Lines of several logs in the order of time."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from aikore.logs import merged, times
from aikore.logs.merged import Line, merge
from aikore.logs.segments import view
from tests.helpers.logs import keeper_log, write_index


def write(folder: Path, data: bytes, *marks: tuple[int, float]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "output.log").write_bytes(data)
    write_index(folder / "output.idx", *marks)
    return folder


def pages(folders: list[Path], limit: int) -> list[Line]:
    """Read everything page by page; return it oldest first."""
    found: list[Line] = []
    with ExitStack() as opened:
        logs = {number: opened.enter_context(view(folder)) for number, folder in enumerate(folders, 1)}
        before = {number: log.end for number, log in logs.items()}
        done = False
        while not done:
            page = merge(logs, before, limit)
            assert len(page.lines) <= limit
            found, before, done = page.lines + found, page.before, page.done
    return found


def test_lines_are_merged_by_time(tmp_path: Path) -> None:
    one = write(tmp_path / "one", b"a\nb\nc\n", (0, 10.0), (2, 30.0), (4, 50.0))
    two = write(tmp_path / "two", b"x\ny\nz", (0, 20.0), (2, 40.0), (4, 60.0))
    for limit in (1, 2, 6, 100):
        lines = pages([one, two], limit)
        assert "".join(line.text for line in lines) == "axbycz"
    assert lines[1] == Line(2, 0, 20.0, "x")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"\n\n", ["", ""]),
        (b"a", ["a"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\n" * 70_000, [""] * 70_000),
        (b"x" * 65_535 + b"\nend\n", ["x" * 4096, "end"]),
        (b"x" * 65_536 + b"\n" + b"y" * 65_535 + b"\n", ["x" * 4096, "y" * 4096]),
        (b"head" + b"x" * 200_000 + b"\nend", ["head" + "x" * 4092, "end"]),
    ],
)
def test_lines_are_whole_however_they_lie_in_blocks(tmp_path: Path, data: bytes, lines: list[str]) -> None:
    folder = write(tmp_path / "one", data, (0, 10.0))
    assert [line.text for line in pages([folder], 50_000)] == lines
    for line in pages([folder], 50_000):
        begin = data[line.offset : line.offset + 4096].partition(b"\n")[0]
        assert begin.decode() == line.text


def test_a_line_without_an_end_is_cut_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", b"first\n" + b"x" * 5_000_000 + b"\nlast\n", (0, 1.0))
    texts = [line.text for line in pages([folder], 100)]
    assert (texts[0], texts[-1]) == ("first", "last")
    assert 4 <= len(texts) <= 12


def test_random_logs_of_many_files_give_every_line_once(tmp_path: Path) -> None:
    rng = random.Random(5)
    folders, expected = [], {}
    for number in (1, 2, 3):
        log = keeper_log(tmp_path / str(number), rotate=20_000)
        lines = [b"%d-%d %s" % (number, n, b"x" * rng.choice((0, 3, 50, 9000))) for n in range(300)]
        for line in lines:
            log.write(line + b"\n")
        folders.append(tmp_path / str(number))
        expected[number] = [line[:4096].decode() for line in lines]
    found = pages(folders, 37)
    for number in expected:
        assert [line.text for line in found if line.instance == number] == expected[number]
    moments = [line.time for line in found]
    assert moments == sorted(moments)


def test_a_file_missing_in_the_middle_joins_no_lines(tmp_path: Path) -> None:
    log = keeper_log(tmp_path, rotate=4096)
    data = b"".join(b"line %d %s\n" % (n, b"x" * 40) for n in range(400))
    for at in range(0, len(data), 50):
        log.write(data[at : at + 50])
    rotated = sorted(tmp_path.glob("output.0*.log"))
    rotated[len(rotated) // 2].unlink()
    texts = [line.text for line in pages([tmp_path], 1000)]
    assert len(texts) < 400
    assert all(text in data.decode() for text in texts), "halves beside the gap stay halves"


def test_a_clock_that_went_back_does_not_disorder_a_log(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", b"a\nb\nc\n", (0, 10.0), (2, 5.0), (4, 20.0))
    assert [(line.text, line.time) for line in pages([folder], 10)] == [("a", 5.0), ("b", 5.0), ("c", 20.0)]


def test_a_time_is_found_in_a_log(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", b"a\nb\nc\n", (0, 10.0), (2, 30.0), (4, 50.0))
    with view(folder) as log:
        found = {moment: times.offset_at(log, moment) for moment in (5.0, 10.0, 11.0, 30.0, 45.0, 60.0)}
    assert found == {5.0: 0, 10.0: 0, 11.0: 2, 30.0: 2, 45.0: 4, 60.0: 6}
    with view(tmp_path / "nothing") as log:
        assert times.offset_at(log, 5.0) == 0


def test_a_page_that_takes_too_long_is_given_as_it_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", b"a\n" * 1000, (0, 1.0))
    with view(folder) as log:
        page = merge({1: log}, {1: log.end}, 1000, patience=0)
    assert (len(page.lines), page.done, page.before) == (1, False, {1: 1998})
    assert merged.PATIENCE > 0
