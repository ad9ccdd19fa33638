"""Folders without a row: told, and taken in again from what lies in them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until


def lose_the_database(aikore: AiKoreServer) -> None:
    """Kill the manager and take its database away, as a copy without it leaves a house. What runs goes on."""
    aikore.kill()
    for path in aikore.home.glob("aikore.db*"):
        path.unlink()


def unlisted(aikore: AiKoreServer) -> list[str]:
    return [one["slug"] for one in aikore.http.get("/api/unlisted").raise_for_status().json()]


def test_a_lost_database_is_told_and_its_instances_are_taken_in_again_with_all_they_were(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP, name="A web server")
    made = aikore.create("My App", "web", environment={"KEY": "value"}, launch_args="--fast", group="Mine")
    aikore.http.patch("/api/instances/my-app", json={"name": "Our App", "restart_policy": "on-failure"})
    before = aikore.start_and_wait("my-app")
    (aikore.home / "outputs/my-app/render").write_text("kept")
    lose_the_database(aikore)
    aikore.start()
    assert aikore.http.get("/api/instances").json() == []
    assert unlisted(aikore) == ["my-app"]
    with aikore.events() as socket:
        notices = json.loads(socket.recv())["data"]["notices"]
    assert any("my-app" in notice["message"] for notice in notices)
    taken = aikore.http.post("/api/unlisted/my-app/take-in")
    assert taken.status_code == 201, taken.text
    now = taken.json()
    same = ("name", "slug", "base_blueprint", "environment", "launch_args", "restart_policy", "group", "port", "run")
    assert {key: now[key] for key in same} == {key: before[key] for key in same}
    assert now["name"] == "Our App"
    assert aikore.wait_status("my-app", "started")["pid"] == before["pid"], "it never ended"
    assert aikore.http.get("/app/my-app/").status_code == 200
    assert now["port"] == made["port"]
    assert (aikore.home / "outputs/my-app/render").read_text() == "kept"
    assert unlisted(aikore) == []
    assert aikore.http.post("/api/unlisted/my-app/take-in").status_code == 404
    aikore.post("my-app", "restart")
    assert aikore.wait_status("my-app", "started")["run"] == before["run"] + 1 or wait_until(
        lambda: aikore.get("my-app")["run"] == before["run"] + 1
    )


def test_a_folder_without_a_card_is_taken_in_by_its_launch_script(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP, name="A web server")
    aikore.create("one", "web")
    aikore.create("two", "web")
    lose_the_database(aikore)
    for slug in ("one", "two"):
        (aikore.home / "instances" / slug / ".aikore-instance.json").unlink()
    script = aikore.home / "instances/two/launch.sh"
    script.write_text(script.read_text().replace("A web server", "Something else"))
    (aikore.home / "instances/notes").mkdir()
    (aikore.home / "instances/.trashcan").mkdir()
    (aikore.home / "instances/launch.sh").touch()
    aikore.start()
    assert unlisted(aikore) == ["one", "two"], "what is no instance is not offered"
    taken = [aikore.http.post(f"/api/unlisted/{slug}/take-in").json() for slug in ("one", "two")]
    assert [(one["name"], one["base_blueprint"]) for one in taken] == [("one", "web"), ("two", "Something else")]
    assert (aikore.home / "instances/notes").is_dir(), "nothing is deleted"


def test_a_card_that_a_program_forged_opens_nothing(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.create("one", "web")
    lose_the_database(aikore)
    card = aikore.home / "instances/one/.aikore-instance.json"
    forged = json.loads(card.read_text()) | {
        "name": "\u202e" + "x" * 900,
        "open_networks": ["0.0.0.0/0"],
        "hostname": "evil/../host",
        "port": 22,
        "position": "first",
        "environment": {"AIKORE_FUNCTIONS": "mine"},
        "slug": "../../x",
    }
    card.write_text(json.dumps(forged))
    aikore.start()
    now = aikore.http.post("/api/unlisted/one/take-in").raise_for_status().json()
    assert (now["name"], now["slug"], now["open_networks"], now["hostname"]) == ("one", "one", [], "")
    assert now["port"] != 22
    assert now["environment"] == {}


def test_the_card_goes_with_every_change_and_is_shown_to_nobody(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.create("one", "web", environment={"KEY": "secret"})
    path = aikore.home / "instances/one/.aikore-instance.json"
    assert path.stat().st_mode & 0o077 == 0
    aikore.http.patch("/api/instances/one", json={"launch_args": "--x"}).raise_for_status()
    assert json.loads(path.read_text())["launch_args"] == "--x"
    files = "/api/instances/one/files"
    assert ".aikore-instance.json" not in aikore.http.get(files).text
    query = {"path": ".aikore-instance.json"}
    for answer in (
        aikore.http.get(f"{files}/text", params=query),
        aikore.http.get(f"{files}/content", params=query),
        aikore.http.put(f"{files}/content", params=query, content=b"{}"),
        aikore.http.delete(files, params=query),
    ):
        assert answer.status_code in (404, 409), answer.text
    assert b".aikore-instance.json" not in aikore.http.get(f"{files}/content", params={"path": ""}).content
    copied = aikore.http.post("/api/instances/one/copy", json={"name": "two"}).json()
    other = json.loads(path.parent.parent.joinpath("two", path.name).read_text())
    assert (other["slug"], other["port"]) == ("two", copied["port"])


def test_a_house_of_before_gets_its_cards_at_the_next_start(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.create("one", "web")
    path = aikore.home / "instances/one/.aikore-instance.json"
    before = path.read_bytes()
    aikore.stop()
    path.unlink()
    aikore.start()
    wait_until(path.exists)
    assert path.read_bytes() == before


def test_a_house_killed_after_a_write_has_it_in_the_file_alone(aikore: AiKoreServer) -> None:
    aikore.blueprint("web", HTTP_APP)
    aikore.create("one", "web")
    wal = aikore.home / "aikore.db-wal"
    wait_until(lambda: wal.stat().st_size == 0, what="the database rests")
    alone = Path(f"{aikore.home}.copied.db")
    alone.write_bytes((aikore.home / "aikore.db").read_bytes())
    with sqlite3.connect(alone) as copied:
        assert copied.execute("SELECT slug FROM instances").fetchall() == [("one",)]
