"""A full disk is a clear error; nothing is half-written and nothing that runs is disturbed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from aikore.launch.layout import CARD_NAME
from tests.helpers.access import PASSWORD, log_in
from tests.helpers.server import AiKoreServer, wait_until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB, mounted where the home will be."""
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(home)], check=True)
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


@pytest.fixture
def aikore(small_disk: Path, aikore_factory: Callable[..., AiKoreServer]) -> AiKoreServer:
    server = aikore_factory(disk_reserve_bytes=0, log_rotate_bytes=64 * 2**20).start()
    server.blueprint(
        "talker", 'while :; do echo "tick $((n++))"; [ ! -e flood ] || seq 20000; sleep 0.1; done', ready="process"
    )
    return server


def fill(home: Path) -> None:
    """Take every free byte."""
    with open(home / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(bytes(65536)):
                pass
        except OSError:
            pass
    wait_until(lambda: os.statvfs(home).f_bavail == 0)


def bytes_read(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split("rchar: ")[1].split()[0])


def test_a_program_goes_on_and_its_log_tells_of_the_gap(aikore: AiKoreServer) -> None:
    aikore.create("t", "talker")
    aikore.post("t", "start")
    pid = aikore.wait_status("t", "started")["pid"]
    (aikore.home / "instances" / "t" / "flood").touch()
    fill(aikore.home)
    keeper = aikore.record("t")["keeper_pid"]
    before = bytes_read(keeper)
    wait_until(lambda: bytes_read(keeper) > before + 500_000, what="the keeper goes on taking the output")
    assert aikore.get("t")["pid"] == pid
    (aikore.home / "filler").unlink()
    log = aikore.home / "instances" / "t" / "logs" / "output.log"
    wait_until(lambda: b"the disk was full" in log.read_bytes(), 20)
    aikore.post("t", "stop")
    assert aikore.wait_status("t", "stopped")["run"] == 1


def test_creating_and_saving_are_refused_whole(aikore: AiKoreServer) -> None:
    aikore.create("t", "talker")
    before = aikore.http.get("/api/instances/t/script").json()
    fill(aikore.home)
    refused = aikore.http.post("/api/instances", json={"name": "new", "base_blueprint": "talker"})
    assert (refused.status_code, refused.json()["code"]) == (507, "storage_failed"), refused.text
    content = before["content"] + "# " + "x" * 200_000 + "\n"
    saved = aikore.http.put("/api/instances/t/script", json={"content": content}, headers={"If-Match": "*"})
    assert (saved.status_code, saved.json()["code"]) == (507, "storage_failed"), saved.text
    assert "disk" in saved.json()["detail"]
    assert aikore.http.get("/api/instances/t/script").json() == before
    assert [instance["name"] for instance in aikore.http.get("/api/instances").json()] == ["t"]
    assert [path.name for path in (aikore.home / "instances").iterdir()] == ["t"]
    (aikore.home / "filler").unlink()
    aikore.create("new", "talker")


def test_deleting_on_a_full_disk_loses_nothing(aikore: AiKoreServer) -> None:
    aikore.create("t", "talker")
    (aikore.home / "instances" / "t" / "precious").write_bytes(b"x" * 1000)
    fill(aikore.home)
    answer = aikore.http.delete("/api/instances/t")
    assert answer.status_code in (204, 507), answer.text
    (aikore.home / "filler").unlink()
    if answer.status_code == 204:
        (entry,) = aikore.http.get("/api/trash").json()
        assert aikore.http.post(f"/api/trash/{entry['id']}/restore").status_code == 200
    assert (aikore.home / "instances" / "t" / "precious").read_bytes() == b"x" * 1000
    assert aikore.get("t")["status"] == "stopped"


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_that_does_not_fit_leaves_nothing(aikore: AiKoreServer, announced: bool) -> None:
    aikore.create("t", "talker")
    body = bytes(40 * 2**20)
    content = body if announced else (body[at : at + 2**20] for at in range(0, len(body), 2**20))
    answer = aikore.http.put("/api/instances/t/files/content?path=big", content=content)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_failed"), answer.text
    assert "disk" in answer.json()["detail"].lower()
    assert {path.name for path in (aikore.home / "instances/t").iterdir()} == {"launch.sh", "logs", CARD_NAME}


# What makes room, and who makes it, gets through on a full disk


def full_again(home: Path) -> None:
    """Take what was given up meanwhile."""
    with open(home / "filler", "ab", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass


@pytest.mark.parametrize("permanent", [True, False])
def test_deleting_works_on_a_full_disk_and_for_good_makes_room(aikore: AiKoreServer, permanent: bool) -> None:
    for slug in ("t", "u"):
        aikore.create(slug, "talker")
        (aikore.home / f"instances/{slug}/big").write_bytes(bytes(2**20))
    wait_until((aikore.home / "reserve").exists, what="the reserve is there")
    fill(aikore.home)
    for slug in ("t", "u"):
        gone = aikore.http.delete(f"/api/instances/{slug}", params={"permanent": permanent})
        assert gone.status_code == 204, gone.text
        if not permanent:
            full_again(aikore.home)
    assert aikore.http.get("/api/instances").json() == []
    if permanent:
        wait_until(lambda: os.statvfs(aikore.home).f_bavail * os.statvfs(aikore.home).f_frsize > 2**20, what="room")
        return
    for entry in aikore.http.get("/api/trash").raise_for_status().json():
        assert aikore.http.delete(f"/api/trash/{entry['id']}").status_code == 204
    wait_until(lambda: os.statvfs(aikore.home).f_bavail * os.statvfs(aikore.home).f_frsize > 2**20, what="room")
    aikore.kill()
    aikore.start()
    assert aikore.http.get("/api/instances").json() == []


def test_somebody_logs_in_on_a_full_disk_and_stays_when_there_is_room(
    small_disk: Path, aikore_factory: Callable[..., AiKoreServer]
) -> None:
    aikore = aikore_factory(auth="on", password=PASSWORD, disk_reserve_bytes=0).start()
    log_in(aikore)
    fill(aikore.home)
    person, leaver = log_in(aikore), log_in(aikore)
    assert person.get("/api/instances").status_code == 200
    sessions = person.get("/api/auth/sessions").raise_for_status().json()
    assert len({one["id"] for one in sessions}) == 3
    assert leaver.post("/api/auth/logout").status_code < 300
    assert leaver.get("/api/instances").status_code == 401
    (aikore.home / "filler").unlink()

    def kept() -> int:
        with closing(sqlite3.connect(aikore.home / "aikore.db")) as database:
            return int(database.execute("SELECT count(*) FROM sessions").fetchone()[0])

    wait_until(lambda: kept() == 2, 30, "the session is written")
    aikore.kill()
    aikore.start()
    assert person.get("/api/instances").status_code == 200
    assert leaver.get("/api/instances").status_code == 401


@pytest.mark.parametrize("reserve", [True, False])
@pytest.mark.parametrize("nginx_too", [False, True])
def test_a_killed_manager_starts_again_on_a_full_disk(aikore: AiKoreServer, nginx_too: bool, reserve: bool) -> None:
    aikore.create("t", "talker")
    pid = aikore.start_and_wait("t")["pid"]
    for _ in range(3):
        full_again(aikore.home)
        aikore.kill()
        if nginx_too:
            master = json.loads((aikore.home / "nginx/nginx.json").read_text())["pid"]
            os.killpg(master, signal.SIGKILL)
        if not reserve:  # killed while it was lent
            (aikore.home / "reserve").unlink(missing_ok=True)
        full_again(aikore.home)
        aikore.start()
        assert aikore.wait_status("t", "started")["pid"] == pid
    assert "Traceback" not in aikore.log()
    aikore.post("t", "stop")
    aikore.wait_status("t", "stopped")
    if reserve:
        assert aikore.http.delete("/api/instances/t", params={"permanent": True}).status_code == 204


def test_a_house_that_was_closed_opens_on_a_full_disk(aikore: AiKoreServer) -> None:
    aikore.create("t", "talker")
    assert aikore.stop() == 0
    full_again(aikore.home)
    aikore.start()
    assert aikore.get("t")["status"] == "stopped"
    full_again(aikore.home)
    assert aikore.stop() == 0
    assert "Traceback" not in aikore.log()
