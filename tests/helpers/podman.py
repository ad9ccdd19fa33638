"""Podman with a storage of its own, in which AiKore's image is built for the tests.

``python -m tests.helpers.podman build`` builds it beside other tests, ``clear`` removes all that the tests made.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASE = "localhost/debian:trixie-slim"
IMAGE = "localhost/aikore:test"
MADE = "localhost/aikore:test-made"
BUNDLES = ("aikore/static/vendor", "aikore/static/dist")
BUILD_SECONDS = 900.0


def storage() -> Path:
    """Return the folder of everything that the tests make; it may be kept to be quick, and removed at any time."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "aikore-image"


def inputs() -> Iterator[Path]:
    """Give the files that decide what the image holds: what .dockerignore lets in, and how it is built."""
    yield from (ROOT / "Dockerfile", ROOT / ".dockerignore")
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            place = ROOT / line[1:]
            yield from sorted(place.rglob("*")) if place.is_dir() else [place]


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in inputs():
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and "__pycache__" not in path.parts and not name.startswith(BUNDLES):
            digest.update(f"{name} {path.stat().st_mode}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class Podman:
    """The podman command on a folder that holds its storage and its settings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "BUILDAH_FORMAT": "docker",
        }

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
        (self._folder / "containers.conf").write_text(
            f'[containers]\ndefault_ulimits = ["nofile={soft}:{hard}", "nproc=16384:16384"]\n'
            f'[engine]\n{runtime}cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        (self._folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self._folder}/storage"\nrunroot = "{self._folder}/run"\n'
        )

    def clear(self) -> None:
        """Remove all that is in the folder, then the folder. Nothing mounted in it may be there by then."""
        if not self._folder.exists():
            return
        self.try_("rm", "--all", "--force", "--time=0", seconds=120)
        self.try_("rmi", "--all", "--force", seconds=300)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in reversed([place for place in mounts if place.startswith(f"{self._folder}/")]):
            subprocess.run(["umount", place], check=True)
        shutil.rmtree(self._folder)

    def try_(self, *command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run podman, whatever comes of it."""
        return subprocess.run(
            ["podman", *command], env=self._environment, capture_output=True, text=True, timeout=seconds, check=False
        )

    def __call__(self, *command: str, seconds: float = 60) -> str:
        """Run podman and return what it prints; fail with its words when it does."""
        done = self.try_(*command, seconds=seconds)
        assert done.returncode == 0, f"podman {' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()

    def base(self) -> str:
        """Return the image to build on: the one named by ``BASE_IMAGE``, else one made from Debian packages."""
        if named := os.environ.get("BASE_IMAGE"):
            return named
        with self._alone():
            if self.try_("image", "exists", BASE).returncode:
                subprocess.run([ROOT / "tools/base-image", BASE], env=self._environment, check=True, timeout=300)
        return BASE

    def image(self, base: str) -> str:
        """Build the image from the Dockerfile, unless it was built from the same.

        The stage that makes AiKore gets a name, or pruning would take it, and with it what spares the next build.
        """
        with self._alone():
            source = f"{fingerprint()} {self('image', 'inspect', '--format={{.Id}}', base)}"
            stamp = self._folder / "built-from"
            if not stamp.exists() or stamp.read_text() != source or self.try_("image", "exists", IMAGE).returncode:
                self._build(base, MADE, "--target=made")
                self._build(base, IMAGE, "--build-arg=VERSION=0.0.test")
                self.try_("image", "prune", "--force")
                stamp.write_text(source)
        return IMAGE

    def _build(self, base: str, name: str, *options: str) -> None:
        place = ["--pull=never", "--network=host", f"--build-arg=BASE_IMAGE={base}"]
        self("build", *place, *options, f"--tag={name}", str(ROOT), seconds=BUILD_SECONDS)

    def layers(self, image: str) -> list[tuple[int, str]]:
        """Return size and command of each layer, the newest first."""
        told = json.loads(self("history", "--format=json", image))
        return [(int(layer["size"]), str(layer["CreatedBy"])) for layer in told]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time build: the others wait for it."""
        with open(self._folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def main() -> None:
    """Do what is wished. A build that fails is told by the tests, which try it again."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    podman = Podman(storage())
    if not shutil.which("podman"):
        return
    if sys.argv[1] == "clear":
        podman.clear()
        return
    podman.prepare()
    with suppress(Exception):
        podman.image(podman.base())


if __name__ == "__main__":
    main()
