"""The command line against a small real HTTP server that keeps the interface's promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI, Request, Response

from aikore import __version__
from aikore.base import problems
from aikore.base.errors import ConflictError, NotFoundError
from aikore.cli import main
from aikore.logs.api import router
from tests.helpers.logs import keeper_log, numbered, numbers
from tests.helpers.server import free_ports, wait_until
from tests.helpers.web import LetIn, served

Run = Callable[..., Result]


class House:
    """A stand-in for AiKore: instances change their state one step per look."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.instances: dict[str, dict[str, Any]] = {}
        self.coming: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str, Any]] = []

    def add(self, name: str, **fields: Any) -> dict[str, Any]:
        slug = name.lower()
        self.instances[slug] = {
            "id": len(self.instances) + 1, "name": name, "slug": slug, "status": "stopped", "status_detail": "",
            "base_blueprint": "ComfyUI", "gpu_ids": None, "url": f"/app/{slug}/", "run": 1, **fields,
        }  # fmt: skip
        return self.instances[slug]

    def find(self, key: str) -> dict[str, Any]:
        for one in self.instances.values():
            if key in (one["slug"], str(one["id"])):
                return one
        raise NotFoundError(f"There is no instance {key!r}.")

    def logs(self, key: str) -> Path:
        folder = self.home / self.find(key)["slug"] / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def app(self) -> FastAPI:
        app = FastAPI()
        problems.install(app)
        app.include_router(router(self.logs))
        app.add_middleware(LetIn)

        @app.get("/api/health")
        async def health() -> dict[str, str]:
            return {"status": "ok"}

        @app.post("/api/system/restart", status_code=202)
        async def restart() -> dict[str, str]:
            self.requests.append(("POST", "restart", None))
            return {"status": "restarting"}

        @app.get("/api/blueprints")
        async def blueprints() -> list[dict[str, Any]]:
            return [{"id": "ComfyUI", "source": "stock", "category": "Images", "description": "Nodes", "error": None}]

        @app.get("/api/instances")
        async def listing() -> list[dict[str, Any]]:
            return list(self.instances.values())

        @app.post("/api/instances", status_code=201)
        async def create(request: Request) -> dict[str, Any]:
            body = await request.json()
            self.requests.append(("POST", "create", body))
            return self.add(body["name"])

        @app.get("/api/instances/{key}")
        async def one(key: str) -> dict[str, Any]:
            found = self.find(key)
            if self.coming:
                found["status"], found["status_detail"] = self.coming.pop(0)
            return found

        @app.delete("/api/instances/{key}", status_code=204)
        async def delete(key: str, permanent: bool, force: bool) -> Response:
            found = self.find(key)
            if found["status"] == "started" and not force:
                raise ConflictError("It runs; stop it first.")
            self.requests.append(("DELETE", key, permanent))
            del self.instances[found["slug"]]
            return Response(status_code=204)

        @app.post("/api/instances/{key}/{wish}", status_code=202)
        async def wish(key: str, wish: str) -> dict[str, Any]:
            self.requests.append(("POST", wish, key))
            found = self.find(key)
            found["status"] = "stopping" if wish == "stop" else "starting"
            found["run"] += wish != "stop"
            self.coming = [(found["status"], "Working"), *self.ends[wish]]
            return found

        return app

    ends: dict[str, list[tuple[str, str]]] = {  # noqa: RUF012
        "start": [("started", "")],
        "stop": [("stopped", "")],
        "restart": [("started", "")],
    }


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def run(house: House) -> Iterator[Run]:
    with served(house.app()) as url:
        yield lambda *words: CliRunner().invoke(main, ["--url", url, *words])


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"aikore {__version__}\n"


def test_help_is_shown_without_loading_the_server() -> None:
    code = "import sys; from aikore.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "serve" in shown
    for heavy in ("'fastapi'", "'httpx'", "'sqlalchemy'", "'aikore.main'"):
        assert heavy not in shown


def test_nobody_at_the_address_says_how_to_start_and_exits_3() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    result = CliRunner().invoke(main, ["ls"], env={"AIKORE_URL": url})
    assert result.exit_code == 3
    assert f"AiKore does not answer at {url}; start it with `aikore serve`" in result.stderr
    assert result.stdout == ""


def test_a_data_folder_without_an_aikore_is_told_with_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["ls"], env={"AIKORE_HOME": str(tmp_path), "AIKORE_URL": None})
    assert result.exit_code == 3
    assert str(tmp_path) in result.stderr and "aikore serve" in result.stderr


def test_an_address_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(main, ["--url", "nonsense", "ls"])
    assert result.exit_code == 2
    assert "not an address" in result.stderr


def test_ls_aligns_its_columns_and_has_json(run: Run, house: House) -> None:
    assert "No instances yet" in run("ls").stdout
    house.add("Comfy", status="started", gpu_ids=["0", "1"])
    house.add("A-much-longer-name", gpu_ids=[], status="error", status_detail="exit code 1")
    lines = run("ls").stdout.splitlines()
    assert len({line.index(word) for line, word in zip(lines, ("STATUS", "started", "error"), strict=True)}) == 1
    assert "0,1" in lines[1]
    assert "cpu" in lines[2]
    assert "exit code 1" in lines[2]
    assert [one["slug"] for one in json.loads(run("ls", "--json").stdout)] == ["comfy", "a-much-longer-name"]


def test_create_sends_what_was_chosen(run: Run, house: House) -> None:
    words = ("--gpu", "0", "--gpu", "1", "--env", "A=b=c", "--args", "--lowvram", "--autostart")
    assert run("create", "Comfy", "--blueprint", "ComfyUI", *words).exit_code == 0
    assert house.requests[0][2] == {
        "name": "Comfy",
        "base_blueprint": "ComfyUI",
        "gpu_ids": ["0", "1"],
        "environment": {"A": "b=c"},
        "launch_args": "--lowvram",
        "autostart": True,
    }
    run("create", "Two", "-b", "ComfyUI", "--cpu")
    run("create", "Three", "-b", "ComfyUI")
    assert [body["gpu_ids"] for _, what, body in house.requests if what == "create"][1:] == [[], None]


@pytest.mark.parametrize("words", [("--gpu", "0", "--cpu"), ("--env", "nothing")])
def test_create_refuses_what_cannot_be_meant(run: Run, house: House, words: tuple[str, ...]) -> None:
    assert run("create", "X", "-b", "ComfyUI", *words).exit_code == 2
    assert house.requests == []


def test_create_with_start_waits_until_it_is_up(run: Run, house: House) -> None:
    result = run("create", "Comfy", "-b", "ComfyUI", "--start")
    assert result.exit_code == 0
    assert result.stdout.strip().endswith("/app/comfy/")
    assert "starting (Working)" in result.stderr


@pytest.mark.parametrize(("wish", "end"), [("start", "started"), ("stop", "stopped"), ("restart", "started")])
def test_a_wish_waits_until_the_instance_has_come_to_rest(run: Run, house: House, wish: str, end: str) -> None:
    house.add("Comfy")
    assert json.loads(run(wish, "comfy", "--json").stdout)["status"] == end


def test_no_wait_returns_at_once(run: Run, house: House) -> None:
    house.add("Comfy")
    assert json.loads(run("start", "comfy", "--no-wait", "--json").stdout)["status"] == "starting"


def test_a_start_that_fails_exits_1_and_names_the_log(run: Run, house: House) -> None:
    house.add("Comfy")
    house.ends = {"start": [("error", "exit code 3")]}
    result = run("start", "comfy")
    assert result.exit_code == 1
    assert "error (exit code 3)" in result.stderr
    assert "aikore logs comfy" in result.stderr


def test_the_shown_name_is_understood_too(run: Run, house: House) -> None:
    house.add("Comfy")["name"] = "My Comfy"
    assert run("open", "my comfy", "--print").stdout.strip().endswith("/app/comfy/")


@pytest.mark.parametrize("command", ["start", "stop", "restart", "logs", "open", "rm"])
def test_an_unknown_name_exits_4(run: Run, command: str) -> None:
    result = run(command, "nobody")
    assert result.exit_code == 4
    assert "There is no instance 'nobody'" in result.stderr


def test_restart_without_a_name_replaces_the_manager_alone(run: Run, house: House) -> None:
    assert "instances go on" in run("restart", "--no-wait").stdout
    assert house.requests == [("POST", "restart", None)]


def test_rm_shows_the_problem_and_obeys_force(run: Run, house: House) -> None:
    house.add("Comfy", status="started")
    refused = run("rm", "comfy")
    assert refused.exit_code == 1
    assert refused.stderr == "aikore: It runs; stop it first.\n"
    assert "in the trash" in run("rm", "comfy", "--force").stdout
    assert house.instances == {}


def test_blueprints_are_listed(run: Run) -> None:
    assert "ComfyUI" in run("blueprints").stdout
    assert json.loads(run("blueprints", "--json").stdout)[0]["id"] == "ComfyUI"


def test_logs_prints_the_last_lines_and_everything_on_wish(run: Run, house: House) -> None:
    house.add("Comfy")
    log = keeper_log(house.logs("comfy"), rotate=10**6)
    log.write(numbered(0, 60000) + "Ende €\n".encode())
    assert run("logs", "comfy", "-n", "2").stdout == numbered(59999, 60000).decode() + "Ende €\n"
    assert run("logs", "comfy", "-n", "0").stdout == ""
    assert numbers(run("logs", "comfy", "-n", "50001").stdout) == list(range(10000, 60000))
    assert numbers(run("logs", "comfy", "--all").stdout) == list(range(60000))


def test_logs_follow_goes_on_live_and_ends_with_the_pipe(house: House) -> None:
    house.add("Comfy")
    log = keeper_log(house.logs("comfy"))
    log.write(numbered(0, 10))
    with served(house.app()) as url:
        command = [sys.executable, "-m", "aikore", "--url", url, "logs", "comfy", "-f", "-n", "3"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "AIKORE_URL": ""}) as process:
            lines: list[bytes] = []
            assert process.stdout is not None
            output = process.stdout
            reader = threading.Thread(target=lambda: lines.extend(iter(output.readline, b"")))
            reader.start()
            try:
                wait_until(lambda: len(lines) == 3, 20, "the history is shown")
                log.write(numbered(10, 12))
                wait_until(lambda: len(lines) == 5, 20, "the live lines are shown")
                process.send_signal(2)
                assert process.wait(20) == 130
            finally:
                process.kill()
            reader.join()
    assert numbers(b"".join(lines).decode()) == [7, 8, 9, 10, 11]


def test_serve_names_a_wrong_setting(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aikore", "serve", "--home", str(tmp_path), "--port", "70000"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "AIKORE_PORT" in answer.stderr
