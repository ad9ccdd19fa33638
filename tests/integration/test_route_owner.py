"""A route shows an instance's own app, and only while that runs: never whoever else has its port."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.helpers.access import browser, set_up
from tests.helpers.server import HTTP_APP, AiKoreServer, free_ports, wait_until

Factory = Callable[..., AiKoreServer]

FIXTURES = Path(__file__).parent.parent / "apps"
LISTEN = f'exec python3 {FIXTURES}/listener.py "$WEBUI_PORT"'
"""A script line that listens as its own variables ``ADDRESS``, ``OTHER_PORT`` say, and answers ``mine``."""


@pytest.fixture
def aikore(shared_aikore: AiKoreServer) -> AiKoreServer:
    shared_aikore.blueprint("web", HTTP_APP, ready={"path": "/"})
    shared_aikore.blueprint("listener", LISTEN, ready={"path": "/", "timeout": 2})
    shared_aikore.blueprint("process", LISTEN, ready="process")
    return shared_aikore


@contextmanager
def stranger(address: str, port: int) -> Iterator[None]:
    """Answer every request with ``somebody else's``, from this process."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nsomebody else's")

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def shows(client: httpx.Client, path: str, **headers: str) -> str:
    """Return what a route shows: the code of AiKore's problem, or the app's text."""
    answer = client.get(path, headers=headers)
    if answer.headers.get("content-type") == "application/problem+json":
        return str(answer.json()["code"])
    return answer.text


@pytest.mark.parametrize("auth", ["off", "on"])
def test_no_address_of_a_stopped_instance_shows_who_else_has_its_port(aikore_factory: Factory, auth: str) -> None:
    (app_port,) = free_ports(1)
    server = aikore_factory(auth=auth, app_ports=f"{app_port}-{app_port}").start()
    client = set_up(server) if auth == "on" else server.http
    server.blueprint("web", HTTP_APP, provides=["comfyui"])
    made = client.post("/api/instances", json={"name": "quiet", "base_blueprint": "web"}).raise_for_status().json()
    client.post("/api/instances/quiet/activate").raise_for_status()
    with stranger("127.0.0.1", made["port"]):
        for path in ("/app/quiet/", "/comfyui/", "/queue"):
            assert shows(client, path) == "not_running", path
        assert "gateway.js" in client.get("/app/quiet/", headers={"Accept": "text/html"}).text
        for origin, host in ((server.url, f"quiet.localhost:{server.port}"), (f"http://127.0.0.1:{app_port}", "")):
            headers = {"Host": host} if host else {}
            expected = "not_running" if auth == "off" else "login_required"
            assert shows(browser(server), f"{origin}/", **headers) == expected, origin
        if auth == "on":  # the login is asked for first
            assert shows(browser(server), "/app/quiet/") == "login_required"
        else:
            for path in ("/app/quiet/ws", "/ws"):
                with pytest.raises(InvalidStatus, match="503"):
                    connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None)


def test_an_app_that_takes_the_next_port_does_not_appear_at_its_neighbours_address(aikore: AiKoreServer) -> None:
    first, second = aikore.create("first", "process"), aikore.create("second", "web")
    aikore.http.patch("/api/instances/first", json={"environment": {"OTHER_PORT": str(second["port"])}})
    aikore.start_and_wait("first")
    wait_until(lambda: _listens(second["port"]))
    assert first["port"] != second["port"]
    assert shows(aikore.http, "/app/second/") == "not_running"
    refused = aikore.http.post("/api/instances/second/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "port_in_use")
    assert f"Port {second['port']} is used by the instance 'first' (python3, process" in refused.json()["detail"]


def test_a_run_whose_port_another_instance_took_says_which_one(aikore: AiKoreServer) -> None:
    aikore.blueprint("late", "touch here; sleep 1000", ready={"path": "/"})
    late = aikore.create("late", "late")
    aikore.create("thief", "process", environment={"OTHER_PORT": str(late["port"])})
    aikore.post("late", "start")
    wait_until((aikore.home / "instances/late/here").exists)
    aikore.start_and_wait("thief")
    failed = aikore.wait_status("late", "error")
    assert f"Port {late['port']} is used by the instance 'thief' (python3, process" in failed["status_detail"]
    assert shows(aikore.http, "/app/late/") == "not_running"


def test_starting_and_stopping_open_and_close_the_route_without_a_reload(aikore: AiKoreServer) -> None:
    aikore.create("w", "web")
    before = aikore.http.get("/api/system/info").json()["nginx"]
    for _ in range(2):
        aikore.start_and_wait("w")
        assert "launch.sh" in shows(aikore.http, "/app/w/")
        aikore.post("w", "stop")
        made = aikore.wait_status("w", "stopped")
        with stranger("127.0.0.1", made["port"]):
            assert shows(aikore.http, "/app/w/") == "not_running"
    assert aikore.http.get("/api/system/info").json()["nginx"] == before


def test_a_program_that_is_ready_without_a_port_is_shown_once_it_listens(aikore: AiKoreServer) -> None:
    aikore.create("p", "process", environment={"WAIT_FOR": "go"})
    aikore.start_and_wait("p")
    assert shows(aikore.http, "/app/p/") == "not_running"
    (aikore.home / "instances/p/go").touch()
    wait_until(lambda: shows(aikore.http, "/app/p/") == "mine")


def test_an_apps_own_503_passes_while_it_starts(aikore: AiKoreServer) -> None:
    aikore.create("l", "listener", environment={"STATUS": "503"})
    aikore.post("l", "start")
    wait_until(lambda: shows(aikore.http, "/app/l/") == "mine")
    assert aikore.get("l")["status"] in ("starting", "stalled")


# IPv4 and IPv6 ----------------------------------------------------------------------------------------------------


def test_a_stranger_on_ipv6_keeps_no_instance_from_its_port(aikore: AiKoreServer) -> None:
    made = aikore.create("w", "web")
    with stranger("::1", made["port"]):
        aikore.start_and_wait("w")
        assert "launch.sh" in shows(aikore.http, "/app/w/")


def test_an_app_on_ipv6_is_not_taken_for_the_stranger_on_ipv4(aikore: AiKoreServer) -> None:
    made = aikore.create("l", "listener", environment={"ADDRESS": "::1", "WAIT_FOR": "go"})
    aikore.post("l", "start")
    with stranger("127.0.0.1", made["port"]):
        (aikore.home / "instances/l/go").touch()
        failed = aikore.wait_status("l", "error")
    assert f"Port {made['port']} is used by another program: " in failed["status_detail"]
    assert f"(process {os.getpid()})" in failed["status_detail"]


def test_an_app_that_listens_on_ipv6_alone_says_so(aikore: AiKoreServer) -> None:
    made = aikore.create("l", "listener", environment={"ADDRESS": "::1"})
    aikore.post("l", "start")
    detail = f"listens on [::1]:{made['port']} only"
    wait_until(lambda: detail in aikore.get("l")["status_detail"])
    assert detail in aikore.wait_status("l", "stalled")["status_detail"]


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_app_that_listens_everywhere_is_shown(aikore: AiKoreServer, address: str) -> None:
    aikore.create("l", "listener", environment={"ADDRESS": address})
    aikore.start_and_wait("l")
    assert shows(aikore.http, "/app/l/") == "mine"


# While it runs ----------------------------------------------------------------------------------------------------


def test_a_stranger_who_takes_a_running_apps_port_is_not_shown_and_is_named(aikore_factory: Factory) -> None:
    server = aikore_factory(health_interval=0.3).start()
    server.blueprint("listener", LISTEN, ready={"path": "/"})
    made = server.create("l", "listener", environment={"CLOSE_FOR": "closed"})
    server.start_and_wait("l")
    closed = server.home / "instances/l/closed"
    closed.touch()
    wait_until(lambda: not _listens(made["port"]))
    with stranger("127.0.0.1", made["port"]):
        detail = wait_until(lambda: _detail(server, "is used by another program"))
        assert f"(process {os.getpid()})" in detail
        assert server.get("l")["status"] == "stalled"
        assert shows(server.http, "/app/l/") == "not_running"
    closed.unlink()
    server.wait_status("l", "started")
    assert shows(server.http, "/app/l/") == "mine"


def test_a_flag_that_something_removed_is_raised_again(aikore_factory: Factory) -> None:
    server = aikore_factory(health_interval=0.3).start()
    server.blueprint("web", HTTP_APP, ready={"path": "/"})
    server.create("w", "web")
    server.start_and_wait("w")
    (server.home / "run/up/w").unlink()
    wait_until(lambda: "launch.sh" in shows(server.http, "/app/w/"))


def test_a_run_that_ends_without_a_manager_takes_its_route_along(aikore_factory: Factory) -> None:
    server = aikore_factory().start()
    server.blueprint("web", HTTP_APP, ready={"path": "/"})
    made = {name: server.create(name, "web") for name in ("ends", "stays")}
    for name in made:
        made[name] = server.start_and_wait(name)
    server.kill()
    os.kill(made["ends"]["pid"], signal.SIGKILL)
    wait_until(lambda: not (server.home / "run/up/ends").exists())
    with stranger("127.0.0.1", made["ends"]["port"]):
        assert shows(server.http, "/app/ends/") == "not_running"
        assert "launch.sh" in shows(server.http, "/app/stays/")
        server.start()
        assert shows(server.http, "/app/ends/") == "not_running"
        assert "launch.sh" in shows(server.http, "/app/stays/")


def test_flags_of_runs_that_ended_unseen_are_gone_before_the_api_answers(aikore_factory: Factory) -> None:
    server = aikore_factory().start()
    server.blueprint("web", HTTP_APP, ready={"path": "/"})
    made = server.create("w", "web")
    running = server.start_and_wait("w")
    record = server.record("w")
    server.kill()
    os.kill(record["keeper_pid"], signal.SIGKILL)
    os.kill(running["pid"], signal.SIGKILL)
    (server.home / "run/up/unknown").touch()
    server.start()
    assert list((server.home / "run/up").iterdir()) == []
    with stranger("127.0.0.1", made["port"]):
        assert shows(server.http, "/app/w/") == "not_running"


def test_a_running_app_is_reachable_all_the_while_the_manager_is_replaced(aikore_factory: Factory) -> None:
    server = aikore_factory().start()
    server.blueprint("web", HTTP_APP, ready={"path": "/"})
    server.create("w", "web")
    server.start_and_wait("w")
    seen: set[int] = set()
    server.kill()
    server.launch()

    def back() -> bool:
        seen.add(server.http.get("/app/w/").status_code)
        return server.answers()

    wait_until(back, 30)
    assert seen == {200}
    assert server.get("w")["status"] == "started"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _detail(server: AiKoreServer, text: str) -> Any:
    detail = server.get("l")["status_detail"]
    return detail if text in detail else None
