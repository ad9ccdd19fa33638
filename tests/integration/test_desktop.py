"""Desktops with a real display server, window manager and browser, seen through their sockets."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from aikore.errors import DesktopMissingError
from aikore.launch import desktop
from tests.helpers.desktop import GREEN, RED, Viewer, painted, state, wait_for_page
from tests.helpers.server import AiKoreServer, wait_until

WINDOW_APP = Path(__file__).parents[1] / "apps/window_app.py"
ROOT = Path(__file__).parents[2]


def programs(server: AiKoreServer, slug: str, name: str) -> list[psutil.Process]:
    """Return the programs of this name that the desktop of an instance itself started."""
    parts = psutil.Process(server.record(slug)["pid"]).children()
    return [process for process in parts if process.name() == name]


def wait_for_colour(server: AiKoreServer, slug: str, colour: str) -> None:
    with server.socket(f"/api/instances/{slug}/desktop") as line:
        viewer = Viewer(line)
        beside = viewer.width // 4, viewer.height // 4  # of the pointer, which stands in the middle
        wait_until(lambda: viewer.colour(*beside) == colour, 30, f"it is {colour}")


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_two_desktops_go_on_without_viewers_and_manager_mend_themselves_and_leave_nothing(
    aikore: AiKoreServer,
) -> None:
    one, two = painted(aikore, "One", RED), painted(aikore, "Two", GREEN)
    assert one["vnc_display"] != two["vnc_display"]
    assert (one["vnc_port"], one["urls"]["desktop"]) == (None, "/desktop/one/")
    for instance, colour in ((one, RED), (two, GREEN)):
        wait_for_page(instance, aikore)
        wait_for_colour(aikore, instance["slug"], colour)

    (server,) = programs(aikore, "one", "Xvnc")
    assert not server.net_connections("inet"), "it listens on no port"
    vnc = aikore.home / f"run/vnc-{one['vnc_display']}.sock"
    assert (vnc.stat().st_mode & 0o777, (aikore.home / "instances/one/desktop").stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )

    manager, browser = programs(aikore, "one", "openbox")[0], programs(aikore, "one", "chromium")[0]
    pages = state(one, aikore)["pages"]
    for process in (manager, browser):
        process.kill()
    wait_until(lambda: state(one, aikore)["pages"] > pages, 40, "a new browser shows the page")
    assert programs(aikore, "one", "openbox")[0].pid != manager.pid
    assert (server.is_running(), aikore.get("one")["run"]) == (True, 1)
    wait_for_colour(aikore, "one", RED)

    aikore.kill()
    left = int(state(two, aikore)["count"])
    wait_until(lambda: int(state(two, aikore)["count"]) > left + 4, 20, "the page counts on without a manager")
    aikore.start()
    assert (aikore.get("two")["status"], aikore.get("two")["vnc_display"]) == ("started", two["vnc_display"])
    wait_for_colour(aikore, "two", GREEN)

    trees = [psutil.Process(aikore.record(slug)["keeper_pid"]).children(recursive=True) for slug in ("one", "two")]
    for slug in ("one", "two"):
        aikore.post(slug, "stop")
        aikore.wait_status(slug, "stopped")
    assert [process for tree in trees for process in tree if not is_gone(process)] == []
    for instance in (one, two):
        number = instance["vnc_display"]
        assert not desktop.is_alive(number)
        assert not [path for path in (desktop.x_socket(number), Path(f"/tmp/.X{number}-lock")) if path.exists()]
    assert list((aikore.home / "run").glob("vnc-*")) == []


def test_a_crashed_display_server_ends_the_run_with_a_clear_error_and_a_new_start_is_clean(
    aikore: AiKoreServer,
) -> None:
    instance = painted(aikore, "Paint")
    with aikore.socket("/api/instances/paint/desktop") as line:
        Viewer(line)
        programs(aikore, "paint", "Xvnc")[0].send_signal(signal.SIGSEGV)
        with pytest.raises(ConnectionClosed):
            while True:
                line.recv(timeout=20)
    failed = aikore.wait_status("paint", "error")
    assert failed["failure"]["code"] == "display_failed"
    assert "display server (Xvnc) ended" in aikore.log_text("paint")
    with aikore.socket("/api/instances/paint/desktop") as line, pytest.raises(ConnectionClosed) as refusal:
        line.recv(timeout=20)
    assert refusal.value.rcvd and refusal.value.rcvd.code == 4409

    aikore.start_and_wait("paint")
    os.kill(aikore.record("paint")["keeper_pid"], signal.SIGKILL)  # now nobody clears up
    aikore.wait_status("paint", "error")
    aikore.start_and_wait("paint")
    wait_for_page(instance, aikore)


def test_a_program_with_a_window_is_ready_when_it_shows_it_and_needs_a_desktop(aikore: AiKoreServer) -> None:
    script = f"PYTHONPATH={ROOT} exec {sys.executable} {WINDOW_APP}"
    aikore.blueprint("window", script, ready="window")
    aikore.create("Bare", "window")
    aikore.post("bare", "start")
    assert "needs a desktop" in aikore.wait_status("bare", "error")["status_detail"]
    aikore.http.patch("/api/instances/bare", json={"persistent_mode": True, "environment": {"DELAY": "1.5"}})
    aikore.post("bare", "start")
    wait_until(lambda: programs(aikore, "bare", "openbox"), 10, "the window manager runs")
    assert aikore.get("bare")["status"] == "starting"
    aikore.wait_status("bare", "started")
    assert programs(aikore, "bare", "chromium") == []
    wait_for_colour(aikore, "bare", "#1450b4")


def test_a_machine_without_a_display_server_refuses_desktops_and_says_what_to_install(
    aikore_factory: Callable[..., AiKoreServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DesktopMissingError, match="apt install tigervnc-standalone-server openbox chromium"):
        desktop.require("")
    server = aikore_factory(nginx_path="/usr/sbin/nginx")
    server.start()
    answer = server.http.post(
        "/api/instances", json={"name": "Paint", "base_blueprint": "Static", "persistent_mode": True}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "desktop_missing")
    assert server.http.get("/api/instances").json() == []
    plain = server.create("Plain", "Static")
    assert (plain["vnc_display"], plain["urls"]["desktop"]) == (None, None)
    with server.socket("/api/instances/plain/desktop") as line, pytest.raises(ConnectionClosed) as refusal:
        line.recv(timeout=20)
    assert refusal.value.rcvd and refusal.value.rcvd.code == 4404


ENDINGS: dict[str, tuple[str, str, int | None, str | None]] = {
    "fails": ("exit 3", "error", 3, None),
    "killed": ("kill -KILL $$", "error", None, "SIGKILL"),
    "background": ("(setsid sleep 1 &)", "stopped", 0, None),
    "stubborn": ("trap '' TERM; touch up; while :; do sleep 0.1; done", "stopped", None, "SIGKILL"),
}
"""Scripts, and the status, code and signal of the instance when they have ended."""


def test_a_desktop_ends_as_its_app_ends_and_leaves_nothing(aikore: AiKoreServer) -> None:
    displays = []
    for slug, (script, *_) in ENDINGS.items():
        aikore.blueprint(slug, script, ready="process")
        displays.append(aikore.create(slug, slug, persistent_mode=True)["vnc_display"])
        aikore.post(slug, "start")
    wait_until((aikore.home / "instances/stubborn/up").exists, 20)
    sessions = [aikore.record(slug)["pid"] for slug in ENDINGS]
    aikore.post("stubborn", "stop")
    for slug, (_, status, code, number) in ENDINGS.items():
        ended = aikore.wait_status(slug, status)
        assert (slug, ended["exit_code"], ended["exit_signal"]) == (slug, code, number)
    assert [pid for pid in sessions if psutil.pid_exists(pid)] == []
    assert [number for number in displays if desktop.is_alive(number) or desktop.x_socket(number).exists()] == []
    assert list((aikore.home / "run").glob("vnc-*")) == []

    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(f"\0{desktop.x_socket(displays[0])}")
        stranger.listen()
        aikore.post("fails", "start")
        wait_until(lambda: "is used by another program" in aikore.get("fails")["status_detail"], 10)
