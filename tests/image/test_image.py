"""The image itself: its size, what it says of itself, what it holds."""

from __future__ import annotations

import json

from tests.helpers.podman import Podman

MEGABYTE = 10**6


def test_the_image_without_its_desktops_is_small(podman: Podman, image: str) -> None:
    layers = podman.layers(image)
    (desktops,) = (size for size, command in layers if "apt-get" in command and "tigervnc" in command)
    size = sum(size for size, _ in layers) - desktops
    assert 500 * MEGABYTE < size < 900 * MEGABYTE, f"{size / MEGABYTE:.0f} MB"


def test_the_image_says_what_it_is_and_how_it_is_checked(podman: Podman, image: str) -> None:
    (told,) = json.loads(podman("inspect", image))
    for name in ("title", "description", "source", "licenses", "version", "revision", "created"):
        assert told["Labels"][f"org.opencontainers.image.{name}"]
    assert told["Healthcheck"]["Test"] == ["CMD", "/etc/aikore/health"]


def test_with_arguments_it_runs_them_as_the_user(podman: Podman, image: str) -> None:
    script = "id -u; aikore --version; ls -d /usr/local/cuda* 2>/dev/null; command -v nvcc"
    told = podman.try_("run", "--rm", "--pull=never", "--network=none", "--env=PUID=1500", image, "sh", "-c", script)
    user, version = told.stdout.splitlines()
    assert (user, version.split()[0]) == ("1500", "aikore")
