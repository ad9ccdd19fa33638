"""Fixtures for all levels. Every test has a home and ports of its own and leaves no process behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.helpers.server import AiKoreServer, SharedServer, processes_of, wait_until

os.environ.pop("PYTHONUNBUFFERED", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for `make test &` in a script; children would inherit it
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long forms run by `make soak` (`-m soak`) only."""
    if "soak" not in (config.option.markexpr or ""):
        skipped = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=skipped)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture
def aikore_factory(tmp_path: Path) -> Iterator[Callable[..., AiKoreServer]]:
    """Make AiKore servers, not yet started; their processes end with the test."""
    servers: list[AiKoreServer] = []

    def make(home: str = "home", **settings: object) -> AiKoreServer:
        server = AiKoreServer(tmp_path / home, **settings)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.clean_up()
    for server in servers:
        wait_until(lambda home=server.home: not processes_of(home), 10, "no process is left behind")


@pytest.fixture
def aikore(aikore_factory: Callable[..., AiKoreServer]) -> AiKoreServer:
    """A started AiKore with NGINX."""
    return aikore_factory().start()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    shared = SharedServer(lambda: tmp_path_factory.mktemp("shared") / "home")
    yield shared
    shared.end()


@pytest.fixture
def shared_aikore(_shared: SharedServer) -> Iterator[AiKoreServer]:
    """An AiKore that other tests had before and get after: nothing is on it, but it counts on."""
    yield _shared.take()
    _shared.put_back()
