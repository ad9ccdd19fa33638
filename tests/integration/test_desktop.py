"""Desktops with a real display server, window manager and browser, seen through their sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from aikore.base.errors import DesktopMissingError
from aikore.launch import desktop
from aikore.launch.desktop_run import parts
from tests.helpers.desktop import GREEN, RED, Viewer, painted, state, wait_for_page
from tests.helpers.server import AiKoreServer, wait_until

WINDOW_APP = Path(__file__).parents[1] / "apps/window_app.py"
ROOT = Path(__file__).parents[2]


def programs(server: AiKoreServer, slug: str, name: str) -> list[psutil.Process]:
    """Return the programs of this name that the desktop of an instance itself started."""
    found = []
    for process in psutil.Process(server.record(slug)["pid"]).children():
        with suppress(psutil.NoSuchProcess):
            if process.name() == name:
                found.append(process)
    return found


def wait_for_colour(server: AiKoreServer, slug: str, colour: str) -> None:
    with server.socket(f"/api/instances/{slug}/desktop") as line:
        viewer = Viewer(line)
        beside = viewer.width // 4, viewer.height // 4  # of the pointer, which stands in the middle
        wait_until(lambda: viewer.colour(*beside) == colour, 30, f"it is {colour}")


def wait_for_viewer(server: AiKoreServer, slug: str) -> None:
    """Return once the desktop of an instance takes viewers."""

    def takes() -> bool:
        with suppress(ConnectionClosed), server.socket(f"/api/instances/{slug}/desktop") as line:
            return Viewer(line).name == slug
        return False

    wait_until(takes, 20)


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
    left, left_at = int(state(two, aikore)["count"]), time.monotonic()  # nobody looks at the second from here on

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
    assert server.is_running()

    pages = state(one, aikore)["pages"]
    server.kill()
    wait_until(lambda: state(one, aikore)["pages"] > pages, 40, "the page is shown on a new display")
    wait_for_colour(aikore, "one", RED)
    now = aikore.get("one")
    assert (now["status"], now["run"], now["vnc_display"]) == ("started", 1, one["vnc_display"]), "the app went on"
    assert "The display server of the desktop ended by SIGKILL; it starts again in 1 s." in aikore.log_text("one")

    aikore.kill()
    aikore.start()
    assert (aikore.get("two")["status"], aikore.get("two")["vnc_display"]) == ("started", two["vnc_display"])
    wait_until(
        lambda: time.monotonic() - left_at > 30 and int(state(two, aikore)["count"]) > left + 60,
        60,
        "the page counts on, 30 s after its viewer and without a manager for a while",
    )
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


def test_several_viewers_see_and_type_whatever_others_do(aikore: AiKoreServer) -> None:
    instance = painted(aikore, "Paint")
    wait_for_page(instance, aikore)
    for _ in range(8):  # TigerVNC would shut out the address of all viewers after five
        with aikore.socket("/api/instances/paint/desktop") as line:
            line.recv(timeout=20)
            line.send(b"GET / HTTP/1.1\r\n")
            with pytest.raises(ConnectionClosed):
                while True:
                    line.recv(timeout=20)
    with aikore.socket("/api/instances/paint/desktop") as one, aikore.socket("/api/instances/paint/desktop") as two:
        first, second = Viewer(one), Viewer(two)
        for viewer in (first, second):
            wait_until(lambda viewer=viewer: viewer.colour(300, 200) == RED, 30)  # type: ignore[misc]
        first.type("one")
        wait_until(lambda: state(instance, aikore)["typed"] == "one", 20)
        second.type(" two")
        wait_until(lambda: state(instance, aikore)["typed"] == "one two", 20)
        one.close()
        second.type("!")
        wait_until(lambda: state(instance, aikore)["typed"] == "one two!", 20)
        assert second.colour(300, 200) == RED


def test_a_program_with_a_window_is_ready_when_it_shows_it_and_ends_with_its_display(aikore: AiKoreServer) -> None:
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

    with aikore.socket("/api/instances/bare/desktop") as line:
        Viewer(line)
        programs(aikore, "bare", "Xvnc")[0].kill()
        with pytest.raises(ConnectionClosed):
            while True:
                line.recv(timeout=20)
    failed = aikore.wait_status("bare", "error")
    assert failed["failure"]["code"] == "display_failed"
    assert "display server ended by SIGKILL, so the run is over" in aikore.log_text("bare")
    with aikore.socket("/api/instances/bare/desktop") as line, pytest.raises(ConnectionClosed) as refusal:
        line.recv(timeout=20)
    assert refusal.value.rcvd and refusal.value.rcvd.code == 4409


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

    aikore.post("stubborn", "start")
    wait_for_viewer(aikore, "stubborn")
    os.kill(aikore.record("stubborn")["keeper_pid"], signal.SIGKILL)  # now nobody clears up
    aikore.wait_status("stubborn", "error")
    again = aikore.start_and_wait("stubborn")
    assert again["vnc_display"] == displays[-1]


def test_a_display_number_that_others_have_is_changed_and_what_dead_ones_left_is_removed(
    aikore: AiKoreServer, gone: int
) -> None:
    aikore.blueprint("idle", "exec sleep 1000", ready="process")
    number = aikore.create("Idle", "idle", persistent_mode=True)["vnc_display"]
    lock = Path(f"/tmp/.X{number}-lock")
    lock.write_text(f"{gone:10}\n")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(desktop.x_socket(number)))
    assert aikore.start_and_wait("idle")["vnc_display"] == number
    assert not lock.exists()
    wait_for_viewer(aikore, "idle")
    aikore.post("idle", "stop")
    aikore.wait_status("idle", "stopped")

    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(f"\0{desktop.x_socket(number)}")
        stranger.listen()
        second = aikore.start_and_wait("idle")["vnc_display"]
        assert second != number
        wait_for_viewer(aikore, "idle")
    aikore.post("idle", "stop")
    aikore.wait_status("idle", "stopped")

    lock = Path(f"/tmp/.X{second}-lock")
    lock.write_text(f"{os.getpid():10}\n")
    try:
        assert aikore.start_and_wait("idle")["vnc_display"] != second
        assert lock.exists()
    finally:
        lock.unlink()


@pytest.fixture
def gone() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


@pytest.mark.parametrize(
    ("name", "told", "usable"),
    [
        ("Xvnc", "Xvnc TigerVNC 1.15.0", True),
        ("Xtigervnc", "Xvnc TigerVNC 1.15.0", True),
        ("Xvnc", "Xvnc KasmVNC 1.3.3", False),
        ("Xvnc", "", False),
    ],
)
def test_only_tigervnc_is_taken_for_a_display_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str, usable: bool
) -> None:
    (tmp_path / name).write_text(f"#!/bin/sh\n[ $1 != -help ] || echo '{told}' >&2\n")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (desktop.find_server() is not None) == usable


def test_the_pauses_of_a_part_that_keeps_ending_grow_and_a_long_life_resets_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(parts.time, "monotonic", lambda: now)
    part = parts.Part("browser", ["false"])

    def pause(life: float) -> float:
        nonlocal now
        part.started, now = now, now + life
        part.ended("ended")
        assert part.due is not None
        return round(part.due - now)

    assert [pause(0.1) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [pause(3600), pause(0.1), pause(0.1)] == [1, 1, 2]
