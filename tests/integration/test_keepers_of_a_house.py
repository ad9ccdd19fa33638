"""What people see of keepers that were killed, stopped, or lost their files: the row tells the truth."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aikore.base import procfs
from tests.helpers.server import HTTP_APP, AiKoreServer, processes_of, wait_until

Factory = Callable[..., AiKoreServer]
GRACE = 0.5
DAEMON = "(env -i setsid bash -c 'echo $$ >daemon; while :; do sleep 0.5; done' </dev/null >/dev/null 2>&1 &)"


@pytest.fixture
def house(aikore_factory: Factory) -> AiKoreServer:
    return aikore_factory(stop_grace=GRACE).start()


def begin(house: AiKoreServer, script: str, **header: object) -> Path:
    """Start a program that is ready as a process; return its folder."""
    house.blueprint("app", script, **({"ready": "process"} | header))
    house.create("s", "app")
    house.start_and_wait("s")
    return house.home / "instances" / "s"


@contextmanager
def daemon_in(folder: Path) -> Iterator[int]:
    pid = int(wait_until(lambda: (folder / "daemon").exists() and (folder / "daemon").read_text().strip()))
    try:
        yield pid
    finally:
        if procfs.start_time(pid):
            os.kill(pid, signal.SIGKILL)


def kill_keeper(house: AiKoreServer) -> None:
    record = house.record("s")
    os.kill(record["keeper_pid"], signal.SIGKILL)
    wait_until(lambda: not procfs.alive(record["keeper_pid"], record["keeper_start"]))


def test_a_daemon_that_a_killed_keeper_left_is_ended_or_named(house: AiKoreServer) -> None:
    with daemon_in(begin(house, f"{DAEMON}; sleep 1000")) as daemon:
        kill_keeper(house)
        detail = house.wait_status("s", "error")["status_detail"]
        if procfs.start_time(daemon):
            assert f"process {daemon} (bash -c echo $$" in detail
            assert "is still there" in detail
        else:
            assert detail == "its keeper was killed; what was left of it has been ended"
        os.kill(daemon, signal.SIGKILL) if procfs.start_time(daemon) else None
        assert house.start_and_wait("s")["status"] == "started"


def test_a_daemon_left_when_keeper_and_manager_were_killed_is_named(house: AiKoreServer) -> None:
    with daemon_in(begin(house, f"{DAEMON}; sleep 1000")) as daemon:
        house.kill()
        kill_keeper(house)
        house.start()
        detail = house.get("s")["status_detail"]
        assert detail.startswith(f"its keeper was killed; process {daemon} (bash -c echo $$")
        assert "is still there" in detail
        assert house.http.get("/api/instances/s/runs").json()[0]["ending"] == "lost"


def test_a_stopped_keeper_is_no_obstacle_to_a_stop(house: AiKoreServer) -> None:
    begin(house, "trap '' TERM; while :; do sleep 0.2; done")
    keeper = house.record("s")["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    house.post("s", "stop")
    house.wait_status("s", "stopping")
    wait_until(lambda: _state(keeper) != "T", what="it is woken")
    os.kill(keeper, signal.SIGSTOP)
    told = house.wait_status("s", "stopped", "error", seconds=GRACE + 12)
    assert (told["status"], told["status_detail"], told["pid"]) == ("stopped", "", None)
    assert procfs.start_time(keeper) is None
    assert house.start_and_wait("s")["status"] == "started"


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_house_with_stopped_keepers_closes(house: AiKoreServer) -> None:
    begin(house, "sleep 1000")
    os.kill(house.record("s")["keeper_pid"], signal.SIGSTOP)
    began = time.monotonic()
    assert house.stop() == 0
    assert time.monotonic() - began < GRACE + 12
    assert processes_of(house.home) == set()


@pytest.mark.parametrize("name", ["run.json", "run.lock"])
def test_an_app_whose_files_were_removed_goes_on_under_the_next_manager(house: AiKoreServer, name: str) -> None:
    folder = begin(house, HTTP_APP, ready={"path": "/"})
    before = house.get("s")
    house.kill()
    (folder / name).unlink()
    house.start()
    after = house.get("s")
    assert [after[key] for key in ("status", "pid", "started_at")] == [
        before[key] for key in ("status", "pid", "started_at")
    ]
    house.post("s", "stop")
    assert house.wait_status("s", "stopped", "error")["status"] == "stopped"
    assert procfs.start_time(before["pid"]) is None
