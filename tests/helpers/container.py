"""The image, and containers of it as a user runs them: by podman, with a storage of its own."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from tests.helpers.server import AiKoreServer, free_ports, wait_until

ROOT = Path(__file__).parents[2]
BASE = "localhost/debian:trixie-slim"
IMAGE = "localhost/aikore:test"
TOKEN = "aik_" + "image-test-" * 4
START_SECONDS = 60.0


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

    def has(self, image: str) -> bool:
        return self.try_("image", "exists", image).returncode == 0

    def base(self) -> str:
        """Return the image to build on: the one named by ``BASE_IMAGE``, else one made from Debian packages."""
        if named := os.environ.get("BASE_IMAGE"):
            return named
        if not self.has(BASE):
            subprocess.run([ROOT / "tools/base-image", BASE], env=self._environment, check=True, timeout=300)
        return BASE

    def build(self, base: str, image: str = IMAGE, **arguments: str) -> str:
        """Build the image from the Dockerfile."""
        given = [f"--build-arg={name}={value}" for name, value in {"BASE_IMAGE": base, **arguments}.items()]
        self("build", "--pull=never", "--network=host", "--jobs=2", *given, "-t", image, str(ROOT), seconds=900)
        return image


@dataclass(frozen=True, slots=True)
class Process:
    """One process in a container."""

    pid: int
    user: int
    command: str


class Container(AiKoreServer):
    """One container of the image with a published port and a volume; ``options`` are those of ``podman run``."""

    def __init__(self, podman: Podman, image: str, *options: str, volume: str = "", **settings: object) -> None:
        self.podman = podman
        self.image = image
        self.name = f"aikore-test-{uuid4().hex[:12]}"
        self.volume = volume or self.name
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        self.settings = {"token": TOKEN, **settings}
        self.http = httpx.Client(base_url=self.url, timeout=30, headers={"Authorization": f"Bearer {TOKEN}"})

    def launch(self, *command: str) -> None:
        """Run the container without waiting for what it does."""
        variables = [f"--env=AIKORE_{name.upper()}={value}" for name, value in self.settings.items()]
        ports = [] if "--network=none" in self.options else [f"--publish=127.0.0.1:{self.port}:9000"]
        place = ["--pull=never", f"--name={self.name}", *ports, f"--volume={self.volume}:/config"]
        self.podman("run", "--detach", *place, *variables, *self.options, self.image, *command)

    def start(self, seconds: float = START_SECONDS) -> Container:
        """Run the container, or start the stopped one again; wait until its health check is content."""
        if self.podman.try_("container", "exists", self.name).returncode:
            self.launch()
        else:
            self.podman("start", self.name)
        wait_until(self.answers, seconds, f"the container is healthy; its log: {self.log()}")
        return self

    def answers(self) -> bool:
        assert self.running, f"the container ended: {self.log()}"
        return self.podman.try_("exec", self.name, "/etc/aikore/health").returncode == 0

    @property
    def running(self) -> bool:
        return self.podman("inspect", "--format={{.State.Running}}", self.name) == "true"

    @property
    def exit_code(self) -> int:
        return int(self.podman("inspect", "--format={{.State.ExitCode}}", self.name))

    def log(self) -> str:
        done = self.podman.try_("logs", self.name)
        return done.stdout + done.stderr

    def exec(self, *command: str) -> str:
        """Run a command in the container, as `docker exec` does."""
        return self.podman("exec", self.name, *command)

    def processes(self) -> list[Process]:
        rows = self.exec("ps", "-eo", "pid=,uid=,args=").splitlines()
        parts = (row.split(None, 2) for row in rows)
        return [Process(int(pid), int(user), command) for pid, user, command in parts if not command.startswith("ps ")]

    def pids(self, beginning: str) -> list[int]:
        """Return the processes whose command line begins like this."""
        return [process.pid for process in self.processes() if process.command.startswith(beginning)]

    def signal(self, name: str, pid: int) -> None:
        self.exec("sh", "-c", f"kill -{name} {pid}")

    def kill(self) -> None:
        """Take the container's power away."""
        self.podman("kill", "--signal=KILL", self.name)
        wait_until(lambda: not self.running, 10, "the container is gone")

    def stop(self) -> int:
        """Stop it as `docker stop` does, with its ten seconds; return the exit code."""
        self.podman("stop", "--time=10", self.name)
        return self.exit_code

    def ended(self, seconds: float = 20) -> int:
        """Wait until the container ends by itself; return its exit code."""
        wait_until(lambda: not self.running, seconds, "the container ends")
        return self.exit_code

    def remove(self) -> None:
        """Remove the container; its volume stays."""
        self.podman("rm", "--force", "--time=0", self.name)

    def clean_up(self) -> None:
        """Remove the container and the volume it made."""
        self.podman.try_("rm", "--force", "--time=0", "--volumes", self.name)
        if not self.volume.startswith("/"):
            self.podman.try_("volume", "rm", "--force", self.volume)
        self.http.close()
