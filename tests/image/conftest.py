"""The image, built from the real Dockerfile, and containers of it. Where there can be none, only CI minds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from tests.e2e.conftest import browser, chromium, page  # noqa: F401 — fixtures for all tests of this level
from tests.helpers.container import Container
from tests.helpers.podman import Podman, storage

Run = Callable[..., Container]


def give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def podman() -> Podman:
    if os.geteuid():
        pytest.skip("The tests' own podman needs root.")
    if not shutil.which("podman"):
        give_up("There is no podman. `make image-test` installs it, as root or with sudo, where apt is.")
    podman = Podman(storage())
    podman.prepare()
    return podman


@pytest.fixture(scope="session")
def image(podman: Podman) -> str:
    try:
        base = podman.base()
        podman("run", "--rm", "--pull=never", "--network=none", base, "true")
    except Exception as problem:
        give_up(f"podman cannot run containers here: {problem}")
    return podman.image(base)


@pytest.fixture(scope="module")
def run(podman: Podman, image: str) -> Iterator[Run]:
    """Make containers, not yet started; they end with the module."""
    containers: list[Container] = []

    def make(*options: str, **settings: object) -> Container:
        containers.append(Container(podman, image, *options, **settings))  # type: ignore[arg-type]
        return containers[-1]

    yield make
    for container in containers:
        container.clean_up()
