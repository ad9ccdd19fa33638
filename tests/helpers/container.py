"""Containers of the image, as a user runs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.helpers.podman import Podman
from tests.helpers.server import AiKoreServer, blueprint_text, free_ports, wait_until

TOKEN = "aik_" + "image-test-" * 4
START_SECONDS = 60.0
PAUSE = 0.03
"""Seconds after each answer: who waits for something asks again and again, and that costs the container."""
MASTER = "nginx: master process"
WORKER = "nginx: worker process"
MANAGER = "/opt/aikore/bin/python /opt/aikore/bin/aikore serve"


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
        self.launched = False
        self._looked = 0.0
        self.settings = {"token": TOKEN, **settings}
        self.http = httpx.Client(
            base_url=self.url,
            timeout=30,
            headers={"Authorization": f"Bearer {TOKEN}"},
            event_hooks={"response": [lambda _: time.sleep(PAUSE)]},
        )

    def _options(self, *more: str) -> list[str]:
        variables = [f"--env=AIKORE_{name.upper()}={value}" for name, value in self.settings.items()]
        place = ["--pull=never", f"--name={self.name}", f"--volume={self.volume}:/config"]
        return [*place, *variables, *self.options, *more, self.image]

    def launch(self) -> None:
        """Run the container without waiting for what it does."""
        ports = [f"--publish=127.0.0.1:{self.port}:9000"] if self.network else []
        self.launched, self._looked = True, time.monotonic()
        self.podman("run", "--detach", *self._options(*ports))

    def start(self, seconds: float = START_SECONDS) -> Container:
        """Run the container, or start the stopped one again; wait until its health check is content."""
        if self.launched:
            self.podman("start", self.name)
        else:
            self.launch()
        wait_until(self.answers, seconds, f"the container is healthy; its log: {self.log()}")
        return self

    def answers(self) -> bool:
        """Ask at the published port; where there is none, by the health check. Podman's commands are dear."""
        if self.network:
            try:
                return self.http.get("/api/health").status_code == 200
            except httpx.TransportError:
                time.sleep(4 * PAUSE)
        elif self.podman.try_("exec", self.name, "/etc/aikore/health").returncode == 0:
            return True
        if time.monotonic() > self._looked + 3:
            self._looked = time.monotonic()
            assert self.running, f"the container ended: {self.log()}"
        return False

    def refuse(self) -> tuple[int, str]:
        """Run the container until it ends by itself; return its exit code and its words."""
        done = self.podman.try_("run", "--rm", *self._options("--network=none"), seconds=30)
        return done.returncode, done.stdout + done.stderr

    @property
    def network(self) -> bool:
        return "--network=none" not in self.options

    @property
    def running(self) -> bool:
        return self.podman("inspect", "--format={{.State.Running}}", self.name) == "true"

    @property
    def exit_code(self) -> int:
        return int(self.podman("inspect", "--format={{.State.ExitCode}}", self.name))

    def log(self) -> str:
        done = self.podman.try_("logs", self.name)
        return done.stdout + done.stderr

    @property
    def data(self) -> Path:
        """The folder of this machine that is the container's /config."""
        if self.volume.startswith("/"):
            return Path(self.volume)
        return Path(self.podman("volume", "inspect", "--format={{.Mountpoint}}", self.volume))

    def exec(self, *command: str) -> str:
        """Run a command in the container, as `docker exec` does."""
        return self.podman("exec", self.name, *command)

    def serves(self, slug: str) -> bool:
        """Say whether an instance of the blueprint Static shows its page."""
        answer = self.http.get(f"/app/{slug}/")
        return answer.status_code == 200 and "It works" in answer.text

    def processes(self) -> list[Process]:
        rows = self.exec("ps", "-eo", "pid=,uid=,args=").splitlines()
        parts = (row.split(None, 2) for row in rows)
        return [Process(int(pid), int(user), command) for pid, user, command in parts if not command.startswith("ps ")]

    def pids(self, beginning: str) -> list[int]:
        """Return the processes whose command line begins like this."""
        return [process.pid for process in self.processes() if process.command.startswith(beginning)]

    def signal(self, name: str, pid: int) -> None:
        self.exec("as-aikore", "sh", "-c", f"kill -{name} {pid}")

    def kill(self) -> None:
        """Take the container's power away."""
        self.podman("kill", "--signal=KILL", self.name)
        self.podman("wait", self.name)

    def stop(self) -> int:
        """Stop it as `docker stop` does, with its ten seconds; return the exit code."""
        self.podman("stop", "--time=10", self.name)
        return self.exit_code

    @contextmanager
    def socket(self, path: str) -> Iterator[ClientConnection]:
        credential = {"Authorization": self.http.headers["Authorization"]}
        url = f"ws://127.0.0.1:{self.port}{path}"
        with connect(url, max_size=None, proxy=None, additional_headers=credential) as socket:
            yield socket

    def blueprint(self, name: str, script: str, /, **header: object) -> str:
        self.http.put(f"/api/blueprints/{name}", json={"content": blueprint_text(script, header)}).raise_for_status()
        return name

    def remove(self) -> None:
        """Remove the container; its volume stays."""
        self.podman("rm", "--force", "--time=0", self.name)

    def clean_up(self) -> None:
        """Remove the container and the volume it made."""
        if self.launched:
            self.podman.try_("rm", "--force", "--time=0", self.name)
        if not self.volume.startswith("/"):
            self.podman.try_("volume", "rm", "--force", self.volume)
        self.http.close()
