"""Whatever is killed, removed, unmounted, filled or copied: every row tells the truth and the house opens.

No process of ours is unknown, none of another's is touched, and nothing outside is deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.disorder import Disorder, small_disk
from tests.helpers.server import AiKoreServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount disks")

Factory = Callable[..., AiKoreServer]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "home", 96) as home:
        yield home


def play(factory: Factory, home: Path, rounds: int, seed: int) -> None:
    outside = home.parent / "outside"
    server = factory("home", stop_grace=1, health_interval=0.5, health_timeout=3, ready_timeout=20).start()
    disorder = Disorder(server, factory, outside, seed)
    disorder.prepare()
    try:
        disorder.rounds(rounds)
    except Exception as error:
        error.add_note(f"seed {seed}, round {len(disorder.done)}: {disorder.done[-8:]}\n{server.log()}")
        raise
    finally:
        disorder.end()


def test_a_few_rounds_of_harm_leave_the_house_true(home: Path, aikore_factory: Factory) -> None:
    play(aikore_factory, home, 25, seed=11)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_five_hundred_rounds_of_harm_leave_the_house_true(home: Path, aikore_factory: Factory) -> None:
    seed = int(os.environ.get("AIKORE_TEST_SEED", time.time()))
    play(aikore_factory, home, 500, seed)
