"""The image, built once from the real Dockerfile, and containers of it. Without podman these tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.container import Container, Podman

Run = Callable[..., Container]


@pytest.fixture(scope="session")
def podman() -> Podman:
    if not shutil.which("podman"):
        pytest.skip("There is no podman; as root with apt, `make image-test` installs it.")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    podman = Podman(cache / "aikore-image")
    podman.prepare()
    return podman


@pytest.fixture(scope="session")
def base(podman: Podman) -> str:
    """An image to build on, which this machine can run. Where it cannot, CI fails and everybody else skips."""
    try:
        name = podman.base()
        podman("run", "--rm", "--pull=never", name, "true")
    except Exception as problem:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"podman cannot run containers here: {problem}")
    return name


@pytest.fixture(scope="session")
def image(podman: Podman, base: str) -> str:
    """The image without desktops."""
    return podman.build(base, DESKTOP="", VERSION="0.0.test")


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
