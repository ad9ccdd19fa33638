"""A real AiKore for tests: `aikore serve` as its own process, on a temporary home and free ports."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.helpers.zygote import Forked, Zygote

T = TypeVar("T")

_next_port = 0


@cache
def zygote(**code: str) -> Zygote:
    """Return this worker's process that starts AiKores quickly; one for each set of variables that choose code."""
    started = Zygote(code)
    atexit.register(started.end)
    return started


def _code(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that decide which code a new process gets."""
    return {name: environment[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in environment}


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, outside the kernel's own range and apart from other test workers'."""
    global _next_port
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    base, span = 20000 + worker * 2000, 2000
    found: list[int] = []
    while len(found) < count:
        port = base + _next_port % span
        _next_port += 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    return found


def free_range(count: int) -> str:
    """Return a range of free ports as AiKore's settings write it."""
    while True:
        ports = free_ports(count)
        if ports[-1] - ports[0] == count - 1:
            return f"{ports[0]}-{ports[-1]}"


def wait_until(condition: Callable[[], T], seconds: float = 20.0, what: str = "") -> T:
    """Return the condition's first true value; fail when the deadline passes. A long wait is looked at less often."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(min(0.1, max(0.005, waited / 10)))


class AiKoreServer:
    """One AiKore process and a client of it."""

    def __init__(self, home: Path, **settings: object) -> None:
        self.home = home
        self.port = int(str(settings.pop("port", 0))) or free_ports(1)[0]
        self.settings = {"instance_ports": free_range(40), "nginx": "own", "stop_grace": 3, "auth": "off", **settings}
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables: dict[str, str] = {}
        """Variables of the process besides its settings."""
        self.python = sys.executable
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.log_path = home.parent / f"{home.name}.aikore.log"
        self.http = httpx.Client(base_url=self.url, timeout=30)

    @property
    def environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("AIKORE_")}
        for slows in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
            own.pop(slows, None)
        given = {f"AIKORE_{key.upper()}": str(value) for key, value in self.settings.items()}
        return {**own, **self.variables, "AIKORE_HOME": str(self.home), "AIKORE_PORT": str(self.port), **given}

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self.python == sys.executable:
            self.process = Forked(zygote(**_code(self.environment)), self.environment, self.log_path)
            return
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "aikore", "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, seconds: float = 30.0) -> AiKoreServer:
        """Start the process and wait until it answers."""
        self.launch()
        wait_until(self.answers, seconds, f"AiKore answers; its log: {self.log()}")
        return self

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"AiKore ended: {self.log()}"
        try:
            return self.http.get("/api/health").status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        return self.log_path.read_text()[-6000:] if self.log_path.exists() else ""

    def refusal(self) -> str:
        """Start the process, which must refuse to run; return what it says."""
        self.launch()
        assert self.process is not None
        assert self.process.wait(30) == 1, self.log()
        assert "Traceback" not in self.log()
        return self.log()

    def kill(self) -> None:
        """End the manager the hard way; keepers and NGINX go on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End the house as a user would; return the exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def copy_home(self, target: Path) -> None:
        """Copy the data folder as a backup does, at a moment when nothing is being written to the database."""
        log = self.home / "aikore.db-wal"
        running = self.process is not None and self.process.poll() is None
        wait_until(lambda: not running or not log.exists() or log.stat().st_size == 0, 20, "the database rests")
        subprocess.run(["cp", "-a", str(self.home), str(target)], check=True)

    def clean_up(self) -> None:
        """End everything, however it stands."""
        if self.process and self.process.poll() is not None:  # killed: a new one adopts and closes the house
            with suppress(Exception):
                self.launch()
                wait_until(self.answers, 20)
        with suppress(Exception):
            self.stop()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        kill_everything_of(self.home)
        self.http.close()

    def empty(self) -> None:
        """Remove all instances, the trash and custom blueprints, as before the first test."""
        for instance in self.http.get("/api/instances").raise_for_status().json():
            self.http.delete(f"/api/instances/{instance['slug']}", params={"force": True}).raise_for_status()
        for blueprint in self.http.get("/api/blueprints").raise_for_status().json():
            if blueprint["source"] == "custom":
                self.http.delete(f"/api/blueprints/{blueprint['id']}").raise_for_status()
        for folder in ("trashcan", "outputs", "models"):
            for path in (self.home / folder).iterdir():
                path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path, ignore_errors=True)

    # What tests ask of it -----------------------------------------------------------------------------------

    def blueprint(self, name: str, script: str, /, **header: object) -> str:
        """Save a custom blueprint; header values as TOML-able Python."""
        (self.home / "blueprints").mkdir(parents=True, exist_ok=True)
        (self.home / "blueprints" / f"{name}.sh").write_text(blueprint_text(script, header))
        return name

    def create(self, name: str, blueprint: str, **fields: object) -> dict[str, Any]:
        answer = self.http.post("/api/instances", json={"name": name, "base_blueprint": blueprint, **fields})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def post(self, slug: str, wish: str) -> dict[str, Any]:
        answer = self.http.post(f"/api/instances/{slug}/{wish}")
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def get(self, slug: str) -> dict[str, Any]:
        return dict(self.http.get(f"/api/instances/{slug}").raise_for_status().json())

    def wait_status(self, slug: str, *statuses: str, seconds: float = 30.0) -> dict[str, Any]:
        """Return the instance as soon as it has one of the statuses."""

        def reached() -> dict[str, Any] | None:
            instance = self.get(slug)
            return instance if instance["status"] in statuses else None

        return wait_until(reached, seconds, f"{slug} is {statuses}; it is {self.get(slug)}")

    def log_text(self, slug: str) -> str:
        return self.http.get(f"/api/instances/{slug}/logs/download").raise_for_status().text

    def start_and_wait(self, slug: str) -> dict[str, Any]:
        """Start an instance and return it when it is started."""
        self.post(slug, "start")
        return self.wait_status(slug, "started")

    @contextmanager
    def socket(self, path: str) -> Iterator[ClientConnection]:
        with connect(f"ws://127.0.0.1:{self.port}{path}", max_size=None, proxy=None) as socket_:
            yield socket_

    def events(self) -> AbstractContextManager[ClientConnection]:
        return self.socket("/api/events")

    def record(self, slug: str) -> dict[str, Any]:
        return dict(json.loads((self.home / "instances" / slug / "run.json").read_bytes()))


def blueprint_text(script: str, header: Mapping[str, object]) -> str:
    lines = [f"# {key} = {_toml(value)}" for key, value in header.items()]
    return "\n".join(["#!/usr/bin/env bash", "# /// aikore", *lines, "# ///", script, ""])


class SharedServer:
    """One AiKore for many tests; a new one after a test that ended it or left something it should not have."""

    def __init__(self, make_home: Callable[[], Path]) -> None:
        self._make_home = make_home
        self._server: AiKoreServer | None = None
        self._process: object = None

    def take(self) -> AiKoreServer:
        """Return it, started and empty."""
        if self._server is None:
            self._server = AiKoreServer(self._make_home()).start()
            self._process = self._server.process
        return self._server

    def put_back(self) -> None:
        """Make it ready for the next test, which gets another one should that fail."""
        assert self._server
        try:
            fit = self._server.process is self._process and self._server.answers()
            if fit:
                self._server.empty()
        except (AssertionError, OSError, httpx.HTTPError):
            fit = False
        if not fit:
            self.end()

    def end(self) -> None:
        """End it; no process of it is left."""
        if server := self._server:
            self._server = None
            server.clean_up()
            wait_until(lambda: not processes_of(server.home), 10, "no process is left behind")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def processes_of(home: Path) -> set[int]:
    """Return every process that belongs to a home: keepers' trees, NGINX, the manager."""
    marks = (f"INSTANCE_CONF_DIR={home}/".encode(), f"AIKORE_HOME={home}\0".encode())
    found = _manager_of(home)
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                environ = Path(f"/proc/{name}/environ").read_bytes()
                state = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[0]
                if any(mark in environ for mark in marks) and state != "Z":
                    found.add(int(name))
    return found


def _manager_of(home: Path) -> set[int]:
    """Return the manager that holds a home, which may have been started without the home in its first environment."""
    with suppress(OSError, ValueError):
        pid = int((home / "manager.lock").read_text())
        if str(home / "manager.lock") in {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}:
            return {pid}
    return set()


def kill_everything_of(home: Path) -> None:
    for pid in processes_of(home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


HTTP_APP = 'exec python3 -m http.server --bind 127.0.0.1 "$WEBUI_PORT"'
"""A script line that serves its folder."""
