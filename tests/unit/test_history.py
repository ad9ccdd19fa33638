"""The history of figures: rings of seconds and minutes, their questions and their files."""

from __future__ import annotations

import math
from pathlib import Path

from aikore.monitor.archive import Archive
from aikore.monitor.history import MINUTES, SECONDS, SERIES_MOST, History

NOW = 1_800_000_000  # a whole minute


def filled(seconds: int, step: int = 1) -> History:
    """Return a history whose series ``x`` counts the seconds up to NOW."""
    history = History()
    for second in range(NOW - seconds + step, NOW + 1, step):
        history.add(second, {"x": float(second - NOW)})
    return history


def ask(history: History, start: int, step: int, count: int, name: str = "x") -> list[float | None]:
    return history.query([name], start, step, count)[name]


def test_each_second_of_the_last_hour_is_known() -> None:
    history = filled(SECONDS + 100)
    assert ask(history, NOW - 2, 1, 4) == [-2.0, -1.0, 0.0, None]
    oldest = NOW - SECONDS + 1
    assert ask(history, oldest - 1, 1, 2) == [None, float(oldest - NOW)]


def test_a_step_of_several_seconds_is_their_mean() -> None:
    assert ask(filled(100), NOW - 9, 5, 2) == [-7.0, -2.0]


def test_older_times_are_known_by_the_minute() -> None:
    history = filled(3 * SECONDS)
    minute = NOW - 2 * SECONDS
    assert ask(history, minute, 60, 1) == [sum(range(60)) / 60 - 2 * SECONDS]
    assert ask(history, minute, 1, 1) == [None]


def test_the_newest_minute_is_known_before_it_is_over() -> None:
    history = History()
    for second in range(10):
        history.add(NOW + second, {"x": 5.0})
    assert ask(history, NOW, 60, 1) == [5.0]


def test_a_slow_pace_fills_the_seconds_between_and_a_long_gap_stays_a_gap() -> None:
    history = filled(100, step=10)
    assert ask(history, NOW - 5, 1, 3) == [0.0, 0.0, 0.0]
    history.add(NOW + 300, {"x": 1.0})
    assert ask(history, NOW + 1, 1, 1) == [None]
    assert ask(history, NOW + 299, 1, 2) == [None, 1.0]


def test_a_clock_put_back_takes_the_future_away() -> None:
    history = filled(100)
    history.add(NOW - 50, {"x": 7.0})
    assert ask(history, NOW - 51, 1, 3) == [-51.0, 7.0, None]


def test_an_unknown_series_and_a_time_before_all_are_nothing() -> None:
    history = filled(10)
    assert ask(history, NOW - 5, 1, 2, "y") == [None, None]
    assert ask(history, 0, 60, 2) == [None, None]


def test_memory_is_bounded_by_dropping_what_is_silent_for_the_longest() -> None:
    history = History()
    history.add(NOW, {"old": 1.0})
    history.add(NOW + 1, {f"s{number}": 1.0 for number in range(SERIES_MOST)})
    assert len(history.names()) == SERIES_MOST
    assert "old" not in history.names()


def test_what_is_gone_for_good_is_forgotten() -> None:
    history = History()
    history.add(NOW, {"instance.1.cpu": 1.0, "instance.11.cpu": 1.0})
    history.forget("instance.1.")
    assert history.names() == ["instance.11.cpu"]


def test_a_written_history_is_read_as_it_was(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    history = filled(2 * SECONDS)
    for kind in ("seconds", "minutes"):
        archive.save(history, kind)
    read = archive.load(NOW + 60)
    for start, step, count in ((NOW - SECONDS, 1, SECONDS + 1), (NOW - MINUTES * 60, 60, MINUTES + 1)):
        assert ask(read, start, step, count) == ask(history, start, step, count)


def test_minutes_that_were_not_written_are_made_up_from_the_seconds(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    history = filled(600)
    archive.save(history, "seconds")
    read = archive.load(NOW + 60)
    assert ask(read, NOW - 300, 60, 5) == ask(history, NOW - 300, 60, 5)
    read.add(NOW + 1, {"x": 0.0})
    assert not any(math.isnan(value) for value in ask(read, NOW - 60, 60, 2) if value is not None)


def test_files_that_are_cut_off_or_from_the_future_are_left_out(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    archive.save(filled(100), "seconds")
    assert archive.load(NOW - 1000).names() == []
    path = tmp_path / "history" / "seconds.gz"
    path.write_bytes(path.read_bytes()[:-30])
    assert archive.load(NOW + 1).names() == []


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("a file where the folder should be")
    Archive(tmp_path / "history").save(filled(10), "seconds")
