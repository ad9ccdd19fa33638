"""Stages of launch scripts: whatever an app lays in the place of the file, nobody waits for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aikore.launch.stages import StageWatcher, read_stage


@pytest.fixture
async def stages() -> AsyncIterator[StageWatcher]:
    stages = StageWatcher()
    yield stages
    stages.close()


async def test_a_stage_is_heard(stages: StageWatcher, tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    (tmp_path / "stage").write_text("of the run before")
    await stages.watch(tmp_path, heard.put_nowait, True)
    assert read_stage(tmp_path) == ""
    (tmp_path / "stage").write_text("Installing")
    assert await asyncio.wait_for(heard.get(), 5) == "Installing"


@pytest.mark.parametrize("clear", [True, False])
async def test_a_pipe_in_the_place_of_the_stage_holds_nobody(stages: StageWatcher, tmp_path: Path, clear: bool) -> None:
    os.mkfifo(tmp_path / "stage")
    await stages.watch(tmp_path, print, clear)
    assert read_stage(tmp_path) == ""


async def test_a_link_in_the_place_of_the_stage_is_not_followed(stages: StageWatcher, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "stage").symlink_to("precious")
    await stages.watch(tmp_path, print, True)
    assert (tmp_path / "precious").read_text() == "mine"
    assert read_stage(tmp_path) == ""
