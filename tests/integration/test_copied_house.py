"""A copy of a living house opens as what it is: it touches nothing of the original's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.server import HTTP_APP, AiKoreServer, processes_of

Factory = Callable[..., AiKoreServer]


def copy_of(original: AiKoreServer, factory: Factory, name: str = "copy", **settings: object) -> AiKoreServer:
    """Copy a house as a backup does and return its server, not yet started, with the same settings but the door."""
    original.copy_home(original.home.parent / name)
    return factory(name, **{**original.settings, **settings})


def notices(server: AiKoreServer) -> list[str]:
    with server.events() as socket:
        return [notice["message"] for notice in json.loads(socket.recv(10))["data"]["notices"]]


def identities(server: AiKoreServer) -> set[tuple[int, str]]:
    """Return every process of a house with the time it began, so that none is replaced unseen."""
    return {
        (pid, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]) for pid in processes_of(server.home)
    }


@pytest.fixture
def original(aikore_factory: Factory) -> AiKoreServer:
    server = aikore_factory("original").start()
    server.blueprint("web", HTTP_APP)
    for name in ("a", "b"):
        server.create(name, "web", autostart=True)
        server.start_and_wait(name)
    server.create("c", "web")
    return server


def shown(server: AiKoreServer) -> list[dict[str, Any]]:
    return list(server.http.get("/api/instances").raise_for_status().json())


def test_a_copy_of_a_living_house_touches_no_process_and_no_port_of_it(
    original: AiKoreServer, aikore_factory: Factory
) -> None:
    before, door = identities(original), original.http.get("/api/system/info").json()["nginx"]
    copy = copy_of(original, aikore_factory).start()
    assert [(i["slug"], i["status"]) for i in shown(copy)] == [("a", "stopped"), ("b", "stopped"), ("c", "stopped")]
    assert not {i["port"] for i in shown(copy)} & {i["port"] for i in shown(original)}
    assert identities(original) == before
    assert original.http.get("/api/system/info").json()["nginx"] == door
    assert [i["status"] for i in shown(original)] == ["started", "started", "stopped"]
    [notice] = [text for text in notices(copy) if "is a copy of" in text]
    assert str(original.home) in notice
    old, new = (next(i["port"] for i in shown(server) if i["slug"] == "a") for server in (original, copy))
    assert f"a {old} → {new}" in notice


def test_both_run_side_by_side_and_closing_the_copy_leaves_the_original(
    original: AiKoreServer, aikore_factory: Factory
) -> None:
    copy = copy_of(original, aikore_factory).start()
    for server, text in ((original, "first"), (copy, "second")):
        (server.home / "instances/a/page.txt").write_text(text)
    copy.start_and_wait("a")
    assert copy.http.get("/app/a/page.txt").text == "second"
    assert original.http.get("/app/a/page.txt").text == "first"
    assert copy.stop() == 0
    assert original.http.get("/app/a/page.txt").text == "first"
    assert original.get("a")["status"] == "started"


def test_a_copy_opened_while_the_originals_manager_is_killed_leaves_its_apps_to_it(
    original: AiKoreServer, aikore_factory: Factory
) -> None:
    before = {i["slug"]: i["pid"] for i in shown(original)}
    original.kill()
    copy = copy_of(original, aikore_factory).start()
    assert {i["status"] for i in shown(copy)} == {"stopped"}
    original.start()
    assert {i["slug"]: i["pid"] for i in shown(original)} == before


def test_a_copy_is_told_once_and_is_a_house_of_its_own_afterwards(
    original: AiKoreServer, aikore_factory: Factory
) -> None:
    copy = copy_of(original, aikore_factory).start()
    ports = [i["port"] for i in shown(copy)]
    copy.start_and_wait("c")
    copy.kill()
    copy.start()
    assert copy.get("c")["status"] == "started"
    assert [i["port"] for i in shown(copy)] == ports
    assert not [text for text in notices(copy) if "is a copy of" in text]


def test_a_folder_that_both_reach_by_a_link_stays_the_originals(
    original: AiKoreServer, aikore_factory: Factory, tmp_path: Path
) -> None:
    folder, disk = original.home / "instances/c", tmp_path / "disk"
    shutil.move(folder, disk)
    folder.symlink_to(disk)
    original.start_and_wait("c")
    before = identities(original)
    copy = copy_of(original, aikore_factory).start()
    shared = copy.get("c")
    assert shared["status"] == "error"
    assert str(original.home) in shared["status_detail"]
    assert copy.http.post("/api/instances/c/start").status_code == 409
    assert copy.stop() == 0
    assert identities(original) == before
    assert original.get("c")["status"] == "started"


@pytest.mark.parametrize("name", ["instances", "outputs", "trashcan"])
def test_a_copy_that_would_delete_in_folders_of_its_living_original_does_not_open(
    name: str, original: AiKoreServer, aikore_factory: Factory, tmp_path: Path
) -> None:
    original.kill()
    share(original.home / name, tmp_path / "nas")
    original.start()
    before = identities(original)
    for _ in range(2):
        said = copy_of(original, aikore_factory).refusal()
        assert f"and {name} lead to the same folders" in said
        assert str(original.home) in said
        shutil.rmtree(original.home.parent / "copy")
    assert identities(original) == before
    copy = copy_of(original, aikore_factory)
    assert name in copy.refusal()
    (copy.home / name).unlink()
    (copy.home / name).mkdir()
    copy.start()
    assert [text for text in notices(copy) if "is a copy of" in text]


def test_a_copy_deletes_no_folder_in_which_its_original_worked_last(
    original: AiKoreServer, aikore_factory: Factory, tmp_path: Path
) -> None:
    assert original.stop() == 0
    share(original.home / "instances", tmp_path / "nas")
    copy = copy_of(original, aikore_factory).start()
    for permanent in (False, True):
        answer = copy.http.delete("/api/instances/a", params={"permanent": permanent})
        assert answer.status_code == 409
        assert str(original.home) in answer.text
    assert (tmp_path / "nas/a/launch.sh").exists()
    shutil.rmtree(original.home)
    copy.wait_status("a", "stopped")
    assert copy.http.delete("/api/instances/a").status_code == 204


def share(folder: Path, disk: Path) -> None:
    """Have a folder lie elsewhere, with a link in its place."""
    shutil.move(folder, disk)
    folder.symlink_to(disk)


def test_a_house_that_was_moved_stays_itself(original: AiKoreServer, aikore_factory: Factory) -> None:
    ports = [i["port"] for i in shown(original)]
    assert original.stop() == 0
    shutil.move(original.home, original.home.parent / "moved")
    moved = aikore_factory("moved", **original.settings).start()
    assert [i["port"] for i in shown(moved)] == ports
    assert not [text for text in notices(moved) if "is a copy of" in text]
    moved.wait_status("a", "started")  # autostart, as after any start of the house


def test_the_copy_of_a_closed_house_keeps_its_ports(original: AiKoreServer, aikore_factory: Factory) -> None:
    ports = [i["port"] for i in shown(original)]
    assert original.stop() == 0
    copy = copy_of(original, aikore_factory).start()
    assert [i["port"] for i in shown(copy)] == ports
    assert [text for text in notices(copy) if "is a copy of" in text]
