"""The manager may die at any moment: adoption, autostart, closing, refusals at start."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aikore.config import Settings
from tests.helpers.server import HTTP_APP, AiKoreServer, processes_of, wait_until

Factory = Callable[..., AiKoreServer]
COUNTER = 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.01; done'


def test_a_killed_manager_leaves_instances_running_and_the_next_one_knows_them(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.blueprint("crash", "while [ ! -e go ]; do sleep 0.02; done; exit 7", ready="process")
    for name, blueprint in (("a", "web"), ("b", "crash"), ("c", "web")):
        aikore.create(name, blueprint)
    aikore.post("a", "start")
    aikore.post("b", "start")
    before = [aikore.wait_status(slug, "started") for slug in ("a", "b")]
    aikore.kill()
    (aikore.home / "instances/b/go").touch()
    wait_until(lambda: aikore.record("b")["state"] == "exited")
    assert aikore.http.get("/app/a/").status_code == 200  # the door is open without the manager
    aikore.start()
    a, b, c = aikore.http.get("/api/instances").json()
    assert (a["status"], a["pid"], a["run"]) == ("started", before[0]["pid"], 1)
    assert (b["status"], b["exit_code"]) == ("error", 7)
    assert c["status"] == "stopped"
    aikore.post("a", "stop")
    aikore.wait_status("a", "stopped")


def test_nginx_is_adopted_without_a_reload(aikore: AiKoreServer) -> None:
    before = aikore.http.get("/api/system/info").json()["nginx"]
    aikore.kill()
    aikore.start()
    after = aikore.http.get("/api/system/info").json()["nginx"]
    assert (after["pid"], after["generation"], after["reloads"]) == (before["pid"], before["generation"], 0)


def test_starting_and_stopping_reloads_nothing(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    before = aikore.http.get("/api/system/info").json()["nginx"]
    for _ in range(5):
        aikore.post("t", "start")
        aikore.wait_status("t", "started")
        aikore.post("t", "stop")
        aikore.wait_status("t", "stopped")
    assert aikore.http.get("/api/system/info").json()["nginx"] == before


def test_a_typo_in_a_variable_is_told_in_the_log_and_on_the_page(
    aikore_factory: Callable[..., AiKoreServer],
) -> None:
    server = aikore_factory(prot="8000").start()
    with server.events() as events:
        assert "Did you mean AIKORE_PORT?" in str(events.recv(10))
    wait_until(lambda: "AIKORE_PROT is set" in server.log(), what="the log says so")


def test_restart_replaces_the_manager_alone(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    aikore.post("t", "start")
    before = aikore.wait_status("t", "started")
    with aikore.events() as events:
        assert aikore.http.post("/api/system/restart").status_code == 202
        with pytest.raises(Exception):  # noqa: B017 — closed by the ending manager
            while True:
                events.recv(10)
    wait_until(aikore.answers)
    assert aikore.get("t")["pid"] == before["pid"]


def test_sigterm_closes_the_whole_house(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    for name in ("a", "b", "c"):
        aikore.create(name, "ticker")
        aikore.post(name, "start")
        aikore.wait_status(name, "started")
    assert aikore.stop() == 0
    assert processes_of(aikore.home) == set()


def test_a_closed_house_leaves_no_folder_for_its_sockets_behind(aikore_factory: Factory) -> None:
    house = aikore_factory("a-home-with-a-path-too-long-for-a-socket-" + "x" * 60).start()
    folder = Settings(home=house.home).run_dir
    assert folder.parent == Path("/tmp")
    assert folder.is_dir()
    house.kill()
    house.start()
    assert house.stop() == 0
    assert not folder.exists()


def test_autostart_follows_a_start_of_the_house_but_not_of_the_manager(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("auto", "ticker", autostart=True)
    aikore.create("manual", "ticker")
    aikore.kill()
    aikore.start()
    wait_until(lambda: aikore.log().count("is ready") == 2)  # what starts by itself is asked to before that
    assert aikore.get("auto")["status"] == "stopped"
    aikore.stop()
    aikore.start()
    assert aikore.wait_status("auto", "started")["run"] == 1
    assert aikore.get("manual")["status"] == "stopped"


def test_a_keeper_killed_with_the_manager_reads_error(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "(setsid sleep 1000 &); sleep 1000", ready="process")
    aikore.create("t", "ticker")
    aikore.post("t", "start")
    aikore.wait_status("t", "started")
    aikore.kill()
    os.kill(aikore.record("t")["keeper_pid"], signal.SIGKILL)
    aikore.start()
    assert aikore.get("t")["status"] == "error"
    assert not [p for p in processes_of(aikore.home) if b"sleep" in Path(f"/proc/{p}/cmdline").read_bytes()]


def test_a_keeper_killed_under_the_manager_reads_error(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    aikore.post("t", "start")
    aikore.wait_status("t", "started")
    os.kill(aikore.record("t")["keeper_pid"], signal.SIGKILL)
    assert "keeper was killed" in aikore.wait_status("t", "error")["status_detail"]
    aikore.post("t", "start")
    aikore.wait_status("t", "started")


def test_a_deletion_that_a_kill_interrupted_is_completed(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    with sqlite3.connect(aikore.home / "aikore.db") as database:
        (row,) = database.execute("SELECT * FROM instances").fetchall()
    assert aikore.http.delete("/api/instances/t").status_code == 204
    aikore.kill()
    with sqlite3.connect(aikore.home / "aikore.db") as database:  # killed between the move and the row's removal
        database.execute(f"INSERT INTO instances VALUES ({', '.join('?' * len(row))})", row)
    aikore.start()
    assert aikore.http.get("/api/instances").json() == []
    (entry,) = aikore.http.get("/api/trash").json()
    assert aikore.http.post(f"/api/trash/{entry['id']}/restore").json()["slug"] == "t"


def kill_rounds(aikore: AiKoreServer, rounds: int, instances: int) -> None:
    """Kill the manager at random moments of a busy life and compare what it says with what is."""
    dice = random.Random(rounds)
    aikore.blueprint("counter", COUNTER, ready="process")
    slugs = [aikore.create(f"n{number}", "counter")["slug"] for number in range(instances)]
    for _ in range(rounds):
        for slug in dice.sample(slugs, 4):
            aikore.post(slug, dice.choice(["start", "start", "stop", "restart"]))
        time.sleep(dice.random() * 0.3)  # the random moment itself
        aikore.kill()
        aikore.start()
        assert_truth(aikore, slugs)
    for slug in slugs:
        aikore.post(slug, "stop")
        aikore.wait_status(slug, "stopped", "error")
        assert_whole_log(aikore.log_text(slug))


def assert_truth(aikore: AiKoreServer, slugs: list[str]) -> None:
    for slug in slugs:
        instance = aikore.get(slug)
        folder = aikore.home / "instances" / slug
        pids = [p for p in processes_of(aikore.home) if _cwd(p) == folder and _is_script(p)]
        if instance["status"] in ("started", "starting"):
            assert pids == [instance["pid"]], (instance, pids)
        elif instance["status"] == "stopped":
            assert pids == [], (instance, pids)


def _cwd(pid: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def _is_script(pid: int) -> bool:
    """Say whether this is a run's script: the leader of its session (a fork on its way to exec looks like it)."""
    try:
        return os.getsid(pid) == pid and b"launch.sh" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def assert_whole_log(text: str) -> None:
    """Every run counts from 1 without a gap or a repetition."""
    expected = 1
    for number in map(int, re.findall(r"^line (\d+)$", text, re.MULTILINE)):
        assert number in (1, expected), f"line {number} after {expected - 1}"
        expected = number + 1


def test_the_manager_killed_at_random_moments_tells_no_lie(aikore: AiKoreServer) -> None:
    kill_rounds(aikore, rounds=4, instances=6)


@pytest.mark.soak
def test_the_manager_killed_fifty_times_tells_no_lie(aikore: AiKoreServer) -> None:
    kill_rounds(aikore, rounds=50, instances=10)


def test_a_second_manager_on_the_same_home_is_refused(aikore: AiKoreServer) -> None:
    assert aikore.process is not None
    command = [sys.executable, "-m", "aikore", "serve"]
    done = subprocess.run(command, env=aikore.environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"Another AiKore (process {aikore.process.pid})" in done.stderr
    assert "Traceback" not in done.stderr
    assert aikore.answers()


def test_a_second_house_with_the_same_runtime_folder_is_refused_before_it_touches_anything(
    aikore_factory: Factory, tmp_path: Path
) -> None:
    first = aikore_factory("first", runtime_dir=tmp_path / "run").start()
    second = aikore_factory("second", runtime_dir=tmp_path / "run")
    message = second.refusal()
    assert f"process {first.process.pid}, data folder {first.home}" in message  # type: ignore[union-attr]
    assert "AIKORE_RUNTIME_DIR" in message
    assert not (second.home / "aikore.db").exists()
    assert first.answers()


def test_a_newer_database_is_refused_and_untouched(aikore_factory: Factory) -> None:
    server = aikore_factory().start()
    server.stop()
    with sqlite3.connect(server.home / "aikore.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer than this AiKore" in server.refusal()
    with sqlite3.connect(server.home / "aikore.db") as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_a_database_that_is_none_is_refused(aikore_factory: Factory) -> None:
    server = aikore_factory()
    server.home.mkdir()
    (server.home / "aikore.db").write_bytes(b"this is not a database" * 100)
    assert "cannot be read" in server.refusal()


def test_missing_nginx_says_what_to_do(aikore_factory: Factory) -> None:
    message = aikore_factory(nginx_path="/nonexistent/nginx").refusal()
    assert "nginx" in message.lower()
    assert "AIKORE_NGINX_PATH" in message or "apt install" in message


def test_a_taken_door_port_is_named(aikore: AiKoreServer, aikore_factory: Factory) -> None:
    message = aikore_factory("second", port=aikore.port).refusal()
    assert str(aikore.port) in message
    assert "AIKORE_PORT" in message


@pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="root may write anywhere")
def test_an_unwritable_home_is_a_clear_message(aikore_factory: Factory) -> None:
    server = aikore_factory("file")
    server.home.write_text("in the way")
    assert "cannot be written" in server.refusal()


def test_a_restoration_that_a_kill_interrupted_leaves_the_instance_in_the_trash(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.create("kept", "web")
    aikore.http.delete("/api/instances/kept").raise_for_status()
    aikore.stop()
    with sqlite3.connect(aikore.home / "aikore.db") as database:  # what is written before the folder moves
        database.execute(
            "INSERT INTO instances (name, name_key, slug, base_blueprint, autostart, persistent_mode, "
            "is_comfyui_active_slot, status, port, environment, launch_args, restart_policy, hostname, open_networks, "
            "script_origin, rebuild_pending, last_run, created_at, updated_at) VALUES "
            "('kept', 'kept', 'kept', 'web', 0, 0, 0, 'stopped', 1, '{}', '', 'never', '', '[]', '', 0, 0, "
            "'2026-01-01 00:00:00', '2026-01-01 00:00:00')"
        )
        database.execute("INSERT INTO house (key, value) SELECT 'restoring ' || id, '' FROM instances")
    aikore.start()
    assert aikore.http.get("/api/instances").json() == []
    (entry,) = aikore.http.get("/api/trash").json()
    restored = aikore.http.post(f"/api/trash/{entry['id']}/restore").raise_for_status().json()
    assert restored["slug"] == "kept"
    aikore.kill()
    aikore.start()
    assert aikore.get("kept")["status"] == "stopped", "a finished restoration is not undone"
