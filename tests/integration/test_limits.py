"""How many files may be open: raised for AiKore alone, told when they are few, survived when they run out."""

from __future__ import annotations

import json
import logging
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from aikore.base import limits
from aikore.config import Settings
from tests.helpers.server import AiKoreServer, wait_until
from tests.helpers.terminal import Terminal

Factory = Callable[..., AiKoreServer]
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def limited(server: AiKoreServer, soft: int, hard: int) -> AiKoreServer:
    """Have a server started with these limits of open files."""
    wrapper = server.home.parent / "limited-python"
    wrapper.write_text(f'#!/bin/sh\nulimit -Sn {soft}\nulimit -Hn {hard}\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    server.python = str(wrapper)
    return server


def soft_limit(pid: int) -> int:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]


def notices(server: AiKoreServer) -> list[str]:
    with server.events() as events:
        return [notice["message"] for notice in json.loads(events.recv(10))["data"]["notices"]]


def test_aikore_raises_its_own_limit_and_leaves_that_of_apps_and_shells(aikore_factory: Factory) -> None:
    most = min(HARD, 6000)
    server = limited(aikore_factory(), 700, most)
    server.variables["HOME"] = str(server.home.parent)  # no login files of whoever tests
    server.start()
    server.blueprint("tells", "ulimit -Sn; ulimit -Hn; sleep 100", ready="process")
    server.create("Tells", "tells")
    for _ in range(2):
        assert server.process is not None
        assert soft_limit(server.process.pid) == most
        server.start_and_wait("tells")
        assert wait_until(lambda: server.log_text("tells").split()[-2:] == ["700", str(most)])
        with Terminal(server, "/api/instances/tells/terminal") as terminal:
            assert "700 unset" in terminal.run("echo $(ulimit -Sn) ${AIKORE_OPEN_FILES:-unset}")
        assert not any("open only" in message for message in notices(server))
        server.post("tells", "stop")
        server.wait_status("tells", "stopped")
        with server.events() as events:
            server.http.post("/api/system/restart").raise_for_status()
            with pytest.raises(ConnectionClosed):
                while True:
                    events.recv(10)
        wait_until(server.answers)


def test_a_limit_that_is_too_low_is_told_with_what_to_set_and_running_out_is_survived_quietly(
    aikore_factory: Factory,
) -> None:
    server = limited(aikore_factory(), 256, 256).start()
    (told,) = [message for message in notices(server) if "open only" in message]
    assert "only 256 files" in told
    assert "LimitNOFILE=65536" in told
    address = str(Settings(home=server.home).manager_socket)
    grown = server.log_path.stat().st_size
    assert server.process is not None
    folder = Path(f"/proc/{server.process.pid}/fd")
    with ExitStack() as opened:
        for _ in range(300):
            one = opened.enter_context(socket.socket(socket.AF_UNIX))
            one.connect(address)
        wait_until(lambda: "can open nothing more" in server.log(), 20, "it is told")
        assert len(list(folder.iterdir())) >= 250
        with pytest.raises(httpx.HTTPError):  # some seconds of full load
            httpx.Client(transport=httpx.HTTPTransport(uds=address), timeout=3).get("http://localhost/api/health")
        text = server.log_path.read_bytes()[grown:].decode()
        assert len(text) < 4000, text
        assert text.count("can open nothing more") == 1
        assert "Traceback" not in text
    wait_until(lambda: server.http.get("/api/health").status_code == 200, 10, "it goes on")
    server.blueprint("loop", "sleep 100", ready="process")
    server.create("Loop", "loop")
    server.start_and_wait("loop")


def test_a_house_that_closes_while_nothing_can_be_opened_closes_quietly(aikore_factory: Factory) -> None:
    server = limited(aikore_factory(), 128, 128).start()
    address = str(Settings(home=server.home).manager_socket)
    with ExitStack() as opened:
        for _ in range(200):
            one = opened.enter_context(socket.socket(socket.AF_UNIX))
            one.connect(address)
        wait_until(lambda: "can open nothing more" in server.log(), 20, "it is told")
        assert server.stop() == 0
    assert "Traceback" not in server.log()
    assert server.log_path.stat().st_size < 4000


def test_one_line_a_minute_tells_of_many_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    held = limits.ExhaustionFilter()

    def passes(error: Exception) -> str | None:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "it failed", (), (type(error), error, None))
        return record.getMessage() if held.filter(record) else None

    wrapped = RuntimeError("a request failed")
    wrapped.__cause__ = OSError(24, "Too many open files")
    assert "can open nothing more" in str(passes(OSError(24, "Too many open files")))
    assert [passes(wrapped) for _ in range(1000)] == [None] * 1000
    assert passes(OSError(5, "Input/output error")) == "it failed"
    now += 61
    assert "1000 such errors" in str(passes(wrapped))
