"""Whose an NGINX is: it works on a folder, wherever its record lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikore.base import procfs
from aikore.proxy import processes


def hidden(pid: int) -> Iterator[Path]:
    raise PermissionError
    yield


def test_a_process_works_where_it_stands_or_has_a_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.mkdir()
    other.mkdir()
    assert not processes.works_on(os.getpid(), ours)
    with open(ours / "error.log", "w"):
        assert processes.works_on(os.getpid(), ours)
        assert not processes.works_on(os.getpid(), other)
    monkeypatch.chdir(other)
    assert processes.works_on(os.getpid(), other)


def test_a_master_that_hides_itself_is_believed_by_its_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_folders", hidden)
    monkeypatch.setattr(procfs, "title", lambda pid: f"nginx: master process nginx -p {tmp_path}/ -e error.log")
    assert processes.works_on(1, tmp_path)
    (tmp_path / "copy").mkdir()
    assert not processes.works_on(1, tmp_path / "copy")


def test_what_is_gone_works_on_nothing(tmp_path: Path) -> None:
    assert not processes.works_on(os.getpid(), tmp_path / "missing")
    assert not processes.works_on(2**22 + 1, tmp_path)
