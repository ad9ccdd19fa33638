"""One broken thing breaks one thing: a house opens with instances whose folder, files or row are odd."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.helpers.dead_disk import can_be_mounted, dead_disk
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

LOOP = "while :; do sleep 0.2; done"
Break = Callable[[Path], object]
AWAY = "away"


def _link_to_nothing(folder: Path) -> None:
    folder.rename(folder.parent.parent / AWAY)
    folder.symlink_to("/nonexistent/disk")


def _file_instead(folder: Path) -> None:
    folder.rename(folder.parent.parent / AWAY)
    folder.write_text("not a folder")


def _empty_instead(folder: Path) -> None:
    folder.rename(folder.parent.parent / AWAY)
    folder.mkdir()


def _instead(name: str, make: Break) -> Break:
    def work(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return work


GONE: dict[str, tuple[Break, str]] = {
    "missing": (lambda folder: folder.rename(folder.parent.parent / AWAY), "is not there. Is its disk mounted?"),
    "dangling": (_link_to_nothing, "is a link to /nonexistent/disk, which is not there. Is its disk mounted?"),
    "a file": (_file_instead, "is no folder"),
    "empty": (_empty_instead, "is empty. Is its disk mounted?"),
}
UNFIT: dict[str, tuple[Break, str]] = {
    "record a folder": (_instead("run.json", Path.mkdir), "run.json is a folder"),
    "lock a folder": (_instead("run.lock", Path.mkdir), "run.lock is a folder"),
    "record a pipe": (_instead("run.json", os.mkfifo), "run.json is a pipe"),
    "lock a pipe": (_instead("run.lock", os.mkfifo), "run.lock is a pipe"),
    "record a link": (_instead("run.json", lambda path: path.symlink_to("/dev/zero")), "run.json is a link"),
    "script gone": (lambda folder: (folder / "launch.sh").unlink(), "launch.sh of broken is not there"),
    "script a pipe": (_instead("launch.sh", os.mkfifo), "launch.sh of broken is no plain file"),
    "script endless": (lambda folder: os.truncate(folder / "launch.sh", 2**31), "has more than 1048576 bytes"),
}


@pytest.fixture
def house(aikore_factory: Callable[..., AiKoreServer]) -> AiKoreServer:
    """An AiKore with the instances `broken` and `well`, ended."""
    server = aikore_factory()
    server.blueprint("loop", LOOP, ready="process")
    server.start()
    for name in ("Broken", "Well"):
        server.create(name, "loop")
    server.stop()
    return server


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


BROKEN = (409, "instance_broken")


def refusals(server: AiKoreServer) -> dict[str, tuple[int, str]]:
    """Return how everything that needs the folder of `broken` is answered."""
    http, base = server.http, "/api/instances/broken"
    return {
        "start": code(http.post(f"{base}/start")),
        "restart": code(http.post(f"{base}/restart")),
        "edit": code(http.patch(base, json={"launch_args": "--x"})),
        "script": code(http.get(f"{base}/script")),
        "save": code(http.put(f"{base}/script", json={"content": "true\n"}, headers={"If-Match": "*"})),
        "log": code(http.get(f"{base}/logs")),
        "download": code(http.get(f"{base}/logs/download")),
        "files": code(http.get(f"{base}/files")),
        "copy": code(http.post(f"{base}/copy", json={"name": "Copied"})),
    }


@pytest.mark.parametrize("kind", GONE)
def test_an_instance_whose_folder_cannot_be_reached_reads_error_and_all_others_go_on(
    house: AiKoreServer, kind: str
) -> None:
    make, reason = GONE[kind]
    folder = house.home / "instances" / "broken"
    make(folder)
    house.start()
    broken = house.get("broken")
    assert (broken["status"], broken["actions"]) == ("error", ["delete"])
    assert reason in broken["status_detail"]
    assert house.start_and_wait("well")["status"] == "started"
    assert set(refusals(house).values()) == {BROKEN}
    assert house.get("broken")["status_detail"] == broken["status_detail"]
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.is_dir():
        folder.rmdir()
    (house.home / AWAY).rename(folder)
    healed = house.wait_status("broken", "stopped")
    assert "start" in healed["actions"]
    assert house.start_and_wait("broken")["status"] == "started"


@pytest.mark.parametrize("kind", UNFIT)
def test_an_instance_with_something_odd_where_a_file_of_aikores_should_be_reads_error_and_can_be_mended(
    house: AiKoreServer, kind: str
) -> None:
    make, reason = UNFIT[kind]
    folder = house.home / "instances" / "broken"
    make(folder)
    house.start()
    broken = house.get("broken")
    assert (broken["status"], broken["actions"]) == ("error", ["edit", "delete"])
    assert reason in broken["status_detail"]
    assert house.start_and_wait("well")["status"] == "started"
    assert code(house.http.post("/api/instances/broken/start")) == BROKEN
    assert house.http.get("/api/instances/broken/files").status_code == 200
    if "script" in kind:
        text = {"content": f"{LOOP}\n"}
        house.http.put("/api/instances/broken/script", json=text, headers={"If-Match": "*"}).raise_for_status()
    else:
        odd = folder / ("run.json" if "record" in kind else "run.lock")
        odd.rmdir() if odd.is_dir() else odd.unlink()
    house.wait_status("broken", "stopped")


def test_a_keeper_that_lived_on_in_a_folder_that_was_away_is_adopted_when_it_is_back(house: AiKoreServer) -> None:
    house.start()
    pid = house.start_and_wait("broken")["pid"]
    house.kill()
    folder = house.home / "instances" / "broken"
    folder.rename(house.home / AWAY)
    house.start()
    assert house.get("broken")["status"] == "error"
    (house.home / AWAY).rename(folder)
    back = house.wait_status("broken", "started")
    assert back["pid"] == pid
    house.post("broken", "stop")
    house.wait_status("broken", "stopped")


def test_a_folder_that_vanishes_while_the_house_is_open_is_told_at_the_next_start(house: AiKoreServer) -> None:
    house.start()
    folder = house.home / "instances" / "broken"
    folder.rename(house.home / AWAY)
    assert code(house.http.post("/api/instances/broken/start")) == BROKEN
    assert house.get("broken")["status"] == "error"
    (house.home / AWAY).rename(folder)
    house.wait_status("broken", "stopped")


def test_an_instance_without_its_folder_can_be_deleted(house: AiKoreServer) -> None:
    (house.home / "instances" / "broken").rename(house.home / AWAY)
    house.start()
    assert house.http.delete("/api/instances/broken").status_code == 204
    assert [one["slug"] for one in house.http.get("/api/instances").json()] == ["well"]
    assert (house.home / AWAY / "launch.sh").is_file()


def test_a_record_without_end_costs_neither_time_nor_memory(house: AiKoreServer) -> None:
    record = house.home / "instances" / "broken" / "run.json"
    record.touch()
    os.truncate(record, 2**31)
    house.start()
    assert house.process is not None
    memory = int(Path(f"/proc/{house.process.pid}/statm").read_text().split()[1]) * 4096
    assert memory < 2**29
    assert house.start_and_wait("broken")["status"] == "started"


def test_deleting_an_instance_whose_folder_is_a_link_takes_the_link_and_nothing_behind_it(house: AiKoreServer) -> None:
    folder, store = house.home / "instances" / "broken", house.home / "store"
    folder.rename(store)
    folder.symlink_to(store)
    house.start()
    store.rename(house.home / AWAY)
    assert house.http.delete("/api/instances/broken?permanent=true").status_code == 204
    assert not folder.is_symlink()
    assert (house.home / AWAY / "launch.sh").is_file()


def test_autostart_goes_on_past_an_instance_that_is_broken(house: AiKoreServer) -> None:
    house.start()
    for slug in ("broken", "well"):
        house.http.patch(f"/api/instances/{slug}", json={"autostart": True}).raise_for_status()
    house.stop()
    (house.home / "instances" / "broken").rename(house.home / AWAY)
    house.start()
    house.wait_status("well", "started")
    assert house.get("broken")["status"] == "error"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An unmounted folder for a small disk."""
    point = tmp_path / "disk"
    point.mkdir()
    yield point
    while subprocess.run(["umount", "-l", point], capture_output=True).returncode == 0:
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_comes_and_goes_is_noticed_at_once(house: AiKoreServer, disk: Path) -> None:
    folder = house.home / "instances" / "broken"
    store = house.home / "store"
    folder.rename(store)
    folder.symlink_to(disk / "broken")
    (disk / "here").touch()
    house.start()
    assert "is a link to" in house.get("broken")["status_detail"]

    def mount() -> None:
        subprocess.run(["mount", "--bind", store, disk], check=True)

    folder.unlink()
    folder.symlink_to(disk)
    (disk / "here").unlink()
    for _ in range(2):
        mount()
        house.wait_status("broken", "stopped", seconds=5)
        subprocess.run(["umount", disk], check=True)
        told = house.wait_status("broken", "error", seconds=5)
        assert "is empty. Is its disk mounted?" in told["status_detail"]


def _change(server: AiKoreServer, sql: str) -> None:
    with sqlite3.connect(server.home / "aikore.db") as database:
        database.execute(sql)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("environment", "'{broken'"),
        ("environment", "'[1]'"),
        ("gpu_ids", "'{}'"),
        ("restart_policy", "'sometimes'"),
        ("launch_args", "CAST(x'ff41' AS TEXT)"),
        ("open_networks", "'7'"),
    ],
)
def test_a_value_that_cannot_be_read_stops_its_own_instance_until_somebody_saves_it(
    house: AiKoreServer, column: str, value: str
) -> None:
    _change(house, f"UPDATE instances SET {column} = {value} WHERE slug = 'broken'")
    house.start()
    told = house.get("broken")
    assert told["status"] == "error"
    assert f"as its {column} cannot be read" in told["status_detail"]
    assert house.start_and_wait("well")["status"] == "started"
    assert code(house.http.post("/api/instances/broken/start")) == BROKEN
    house.http.patch("/api/instances/broken", json={"autostart": False}).raise_for_status()
    house.wait_status("broken", "stopped")
    house.start_and_wait("broken")
    house.stop()
    house.start()
    assert house.get("broken")["status"] == "stopped"


def test_a_time_that_cannot_be_read_hurts_nobody(house: AiKoreServer) -> None:
    _change(house, "UPDATE instances SET created_at = 'yesterday' WHERE slug = 'broken'")
    house.start()
    assert house.start_and_wait("broken")["status"] == "started"


def test_a_row_without_an_address_is_left_out_and_stays_in_the_database(house: AiKoreServer) -> None:
    _change(house, "UPDATE instances SET slug = '../broken' WHERE slug = 'broken'")
    house.start()
    assert [one["slug"] for one in house.http.get("/api/instances").json()] == ["well"]
    assert any("cannot be read" in one["message"] for one in notices(house))
    house.stop()
    with sqlite3.connect(house.home / "aikore.db") as database:
        assert database.execute("SELECT count(*) FROM instances").fetchone() == (2,)


def notices(server: AiKoreServer) -> list[dict[str, Any]]:
    with server.events() as events:
        return list(json.loads(events.recv(10))["data"]["notices"])


def test_rows_whose_names_look_alike_both_stay_and_can_be_edited(house: AiKoreServer) -> None:
    _change(house, "UPDATE instances SET name = 'Wel\u200bl', name_key = 'wel\u200bl' WHERE slug = 'broken'")
    house.start()
    assert {one["name"] for one in house.http.get("/api/instances").json()} == {"Wel\u200bl", "Well"}
    kept = house.http.patch("/api/instances/broken", json={"name": "Wel\u200bl", "group": "A"})
    assert kept.status_code == 200
    again = house.http.post("/api/instances", json={"name": "W\u200dell", "base_blueprint": "loop"})
    assert code(again) == (409, "name_taken")
    assert house.http.patch("/api/instances/broken", json={"name": "Other"}).json()["name"] == "Other"
    grouped = house.http.patch("/api/instances/well", json={"group": "A\u200b"}).json()
    assert grouped["group"] == "A"


def test_an_app_whose_disk_is_gone_is_told_with_its_process_and_adopted_when_it_is_back(
    aikore: AiKoreServer, tmp_path: Path
) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    folder, disk = aikore.home / "instances/t", tmp_path / "disk"
    folder.rename(disk)
    folder.symlink_to(disk)
    pid = aikore.start_and_wait("t")["pid"]
    aikore.kill()
    folder.unlink()
    aikore.start()
    broken = aikore.get("t")
    assert broken["status"] == "error"
    assert f"process {pid} (" in broken["status_detail"]
    folder.symlink_to(disk)
    assert aikore.wait_status("t", "started")["pid"] == pid


# Disks that do not answer ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not can_be_mounted, reason="only root may mount, where there is FUSE")
def test_instances_on_a_disk_that_does_not_answer_hold_up_nobody_else(
    aikore_factory: Callable[..., AiKoreServer], tmp_path: Path
) -> None:
    server = aikore_factory().start()
    server.blueprint("web", HTTP_APP)
    mount = tmp_path / "nas"
    mount.mkdir()
    dead = [f"dead-{number}" for number in range(12)]
    for name in dead:
        server.create(name, "web")
        folder = server.home / "instances" / name
        shutil.move(folder, tmp_path / name)
        folder.symlink_to(mount / name)
    server.create("well", "web")
    with ThreadPoolExecutor(len(dead)) as people, dead_disk(mount):
        starts = [people.submit(httpx.post, f"{server.url}/api/instances/{name}/start", timeout=90) for name in dead]
        wait_until(lambda: sum(start.running() for start in starts) == len(dead), 10, "all of them wait for the disk")
        server.http.timeout = httpx.Timeout(10)
        server.start_and_wait("well")
        assert server.http.get("/api/instances/well/script").status_code == 200
    assert [start.result().status_code for start in starts] == [409] * len(dead)
    for name in dead:
        folder = server.home / "instances" / name
        folder.unlink()
        shutil.move(tmp_path / name, folder)
    for name in dead:
        server.wait_status(name, "stopped")
    server.start_and_wait(dead[0])
    assert server.stop() == 0
