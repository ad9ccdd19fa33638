"""What people are told without having asked: once when it begins, again only after it was over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aikore.config import Settings
from aikore.monitor.notices import Notice, Notices


@pytest.fixture
def notices(tmp_path: Path) -> Notices:
    settings = Settings(
        home=tmp_path, notice_disk_percent=90, notice_gpu_temperature=85, notice_gpu_throttle=30, notice_restarts=3
    )
    return Notices(settings)


def look(notices: Notices, now: float, used: int = 0, **gpu: Any) -> list[Notice]:
    """Take a sample with one GPU."""
    card = {
        "id": "0",
        "uuid": "u",
        "name": "Card",
        "state": "ok",
        "temperature": 40.0,
        "throttle": [],
        "reason": "",
        **gpu,
    }
    disk = {"used": used, "free": 100 - used}
    stats: Any = {"time": now, "host": {"disk": disk}, "gpus": [card], "gpu_problem": ""}
    return notices.look(stats)


def test_a_full_disk_is_told_once_until_it_was_clearly_emptier(notices: Notices) -> None:
    assert len(look(notices, 0, used=91)) == 1
    assert [len(look(notices, second, used=used)) for second, used in enumerate((92, 89, 91, 86, 90), 1)] == [
        0, 0, 0, 0, 1,
    ]  # fmt: skip


def test_heat_must_last_and_a_peak_is_none(notices: Notices) -> None:
    assert look(notices, 0, temperature=90.0) == []
    assert look(notices, 5, temperature=70.0) == []
    assert look(notices, 6, temperature=90.0) == []
    assert "90 °C" in look(notices, 16, temperature=90.0)[0].message


def test_a_power_cap_is_ordinary_and_lasting_heat_throttling_is_not(notices: Notices) -> None:
    assert [look(notices, now, throttle=["power cap"]) for now in (0, 100)] == [[], []]
    assert look(notices, 101, throttle=["thermal (hardware)"]) == []
    assert "slowed down" in look(notices, 132, throttle=["thermal (hardware)"])[0].message


def test_a_lost_gpu_is_an_error_told_once(notices: Notices) -> None:
    assert [notice.level for notice in look(notices, 0, state="lost", temperature=None)] == ["error"]
    assert look(notices, 1, state="lost", temperature=None) == []
    assert look(notices, 2) == []
    assert look(notices, 20) == []
    assert len(look(notices, 21, state="lost", temperature=None)) == 1


def test_repeated_restarts_are_told_once_per_quiet_time(notices: Notices) -> None:
    told = [notices.restarted(1, "One", now) is not None for now in (0, 10, 20, 30, 40)]
    assert told == [False, False, True, False, False]
    assert notices.restarted(2, "Two", 50) is None
    assert [notices.restarted(1, "One", 10_000 + now) is not None for now in (0, 10, 20)] == [False, False, True]


def test_seldom_restarts_are_not_told(notices: Notices) -> None:
    assert [notices.restarted(1, "One", now * 400.0) for now in range(6)] == [None] * 6


def test_zero_turns_each_of_them_off(tmp_path: Path) -> None:
    off = Settings(
        home=tmp_path, notice_disk_percent=0, notice_gpu_temperature=0, notice_gpu_throttle=0, notice_restarts=0
    )
    notices = Notices(off)
    assert look(notices, 0, used=100, temperature=120.0, throttle=["thermal (hardware)"]) == []
    assert look(notices, 100, used=100, temperature=120.0, throttle=["thermal (hardware)"]) == []
    assert notices.restarted(1, "One", 0) is None
