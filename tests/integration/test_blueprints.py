"""Blueprints through the HTTP interface of a real AiKore."""

from __future__ import annotations

import json

from tests.helpers.server import AiKoreServer

SCRIPT = '#!/usr/bin/env bash\n# /// aikore\n# name = "Mine"\n# ready = "process"\n# ///\nexec sleep 1000\n'


def problem(answer: object) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text  # type: ignore[attr-defined]
    return answer.status_code, str(answer.json()["code"])  # type: ignore[attr-defined]


def test_a_new_blueprint_is_saved_told_and_used(aikore: AiKoreServer) -> None:
    with aikore.events() as events:
        json.loads(events.recv(10))
        saved = aikore.http.put("/api/blueprints/mine", json={"content": SCRIPT})
        told = json.loads(events.recv(10))
    assert (saved.status_code, saved.json()["name"], saved.json()["source"]) == (200, "Mine", "custom")
    assert saved.headers["etag"] == f'"{saved.json()["version"]}"'
    assert told["topic"] == "blueprints"
    assert "mine" in {one["id"] for one in told["data"]}
    assert aikore.http.get("/api/blueprints/mine.sh").json() == saved.json()
    assert (aikore.home / "blueprints/mine.sh").read_text() == SCRIPT
    aikore.create("M", "mine")
    aikore.post("m", "start")
    aikore.wait_status("m", "started")


def test_a_save_over_what_others_changed_is_refused(aikore: AiKoreServer) -> None:
    read = aikore.http.put("/api/blueprints/mine", json={"content": SCRIPT}).headers["etag"]
    newer = SCRIPT + "# newer\n"
    match = {"If-Match": read}
    assert aikore.http.put("/api/blueprints/mine", json={"content": newer}, headers=match).status_code == 200
    stale = aikore.http.put("/api/blueprints/mine", json={"content": SCRIPT}, headers=match)
    assert problem(stale) == (412, "stale")
    assert aikore.http.get("/api/blueprints/mine").json()["content"] == newer
    absent = aikore.http.put("/api/blueprints/absent", json={"content": SCRIPT}, headers=match)
    assert problem(absent) == (412, "stale")


def test_a_stock_blueprint_is_read_only(aikore: AiKoreServer) -> None:
    before = aikore.http.get("/api/blueprints/Static").json()
    assert before["source"] == "stock"
    for name in ("Static", "static", "STATIC.sh"):
        refused = aikore.http.put(f"/api/blueprints/{name}", json={"content": SCRIPT})
        assert problem(refused) == (409, "read_only"), name
    assert problem(aikore.http.delete("/api/blueprints/Static")) == (409, "read_only")
    assert aikore.http.get("/api/blueprints/Static").json() == before
    assert not (aikore.home / "blueprints").exists() or not list((aikore.home / "blueprints").iterdir())


def test_a_broken_header_is_refused_and_a_broken_file_is_listed_with_its_line(aikore: AiKoreServer) -> None:
    broken = SCRIPT.replace('"process"', '"sideways"')
    refused = aikore.http.put("/api/blueprints/mine", json={"content": broken})
    assert problem(refused) == (422, "invalid_blueprint")
    assert "Line 4" in refused.json()["detail"]
    assert problem(aikore.http.get("/api/blueprints/mine")) == (404, "not_found")
    aikore.blueprint("hand made", "exec true", ready="process", nonsense=1)
    (listed,) = [one for one in aikore.http.get("/api/blueprints").json() if one["id"] == "hand made"]
    assert "Line 4" in listed["error"]
    made = aikore.http.post("/api/instances", json={"name": "n", "base_blueprint": "hand made"})
    assert problem(made) == (422, "invalid_blueprint")


def test_a_removed_blueprint_lies_in_the_trashcan_and_its_instances_go_on(aikore: AiKoreServer) -> None:
    aikore.http.put("/api/blueprints/mine", json={"content": SCRIPT})
    aikore.create("M", "mine")
    assert aikore.http.delete("/api/blueprints/mine").status_code == 204
    assert problem(aikore.http.get("/api/blueprints/mine")) == (404, "not_found")
    assert problem(aikore.http.delete("/api/blueprints/mine")) == (404, "not_found")
    (kept,) = (aikore.home / "trashcan/blueprints").glob("*/mine.sh")
    assert kept.read_text() == SCRIPT
    assert aikore.http.get("/api/trash").json() == []
    aikore.post("m", "start")
    aikore.wait_status("m", "started")
