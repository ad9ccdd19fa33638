"""What is remembered of runs, why they failed, and how people arrange their instances."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.helpers.server import AiKoreServer, wait_until


@pytest.fixture
def aikore(aikore: AiKoreServer) -> AiKoreServer:
    aikore.blueprint("ticker", "while :; do date +%N; sleep 0.05; done", ready="process")
    return aikore


def runs(aikore: AiKoreServer, slug: str) -> list[dict[str, Any]]:
    return list(aikore.http.get(f"/api/instances/{slug}/runs").raise_for_status().json())


def run_of(aikore: AiKoreServer, slug: str, number: int) -> dict[str, Any]:
    return next(run for run in runs(aikore, slug) if run["number"] == number)


def test_every_run_is_remembered_with_how_it_ended(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    assert runs(aikore, "t") == []
    aikore.post("t", "start")
    aikore.wait_status("t", "started")
    [living] = runs(aikore, "t")
    assert (living["number"], living["ending"], living["ended_at"]) == (1, None, None)
    assert living["started_at"] <= living["ready_at"]
    wait_until(lambda: aikore.log_text("t"), what="the first run has said something")
    aikore.post("t", "restart")
    again = wait_until(lambda: aikore.get("t")["run"] == 2 and aikore.wait_status("t", "started"))
    os.kill(again["pid"], signal.SIGKILL)
    failed = aikore.wait_status("t", "error")
    second, first = runs(aikore, "t")
    assert (first["ending"], first["detail"]) == ("stopped", "")
    assert first["ended_at"] >= first["ready_at"]
    assert (second["ending"], second["exit_signal"]) == ("failed", "SIGKILL")
    assert second["detail"].startswith("ended by SIGKILL")
    assert second["log_offset"] > 0
    assert failed["failure"]["code"] == "killed"
    assert all(line.isdigit() for line in failed["failure"]["lines"])


def test_the_history_goes_through_a_killed_manager_and_the_trash(aikore: AiKoreServer) -> None:
    aikore.blueprint("brief", "echo \"ModuleNotFoundError: No module named 'torchsde'\"; exit 1", ready="process")
    for slug, blueprint in (("brief", "brief"), ("t", "ticker"), ("u", "ticker")):
        aikore.create(slug, blueprint)
        aikore.post(slug, "start")
    aikore.wait_status("brief", "error")
    aikore.wait_status("t", "started")
    pid = aikore.wait_status("u", "started")["pid"]
    before = run_of(aikore, "t", 1)
    aikore.kill()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: aikore.record("u")["state"] == "exited")
    aikore.start()

    assert run_of(aikore, "t", 1) == before, "an adopted run is the one it was"
    ended = run_of(aikore, "u", 1)
    assert (ended["ending"], ended["exit_signal"]) == ("failed", "SIGKILL")
    assert ended["ready_at"]
    failure = aikore.get("brief")["failure"]
    assert (failure["code"], failure["cause"]) == ("missing_package", "The Python package torchsde is missing")
    assert failure["lines"] == ["ModuleNotFoundError: No module named 'torchsde'"]

    assert aikore.http.put(
        "/api/instances/brief/script", json={"content": "exit 4"}, headers={"If-Match": "*"}
    ).is_success
    aikore.post("brief", "start")
    silent = wait_until(lambda: aikore.get("brief")["run"] == 2 and aikore.wait_status("brief", "error"))
    assert silent["failure"]["code"] == "unknown", "what an earlier run said is not this one's cause"
    assert aikore.http.put(
        "/api/instances/brief/script", json={"content": "exit 0"}, headers={"If-Match": "*"}
    ).is_success
    aikore.post("brief", "start")
    assert aikore.wait_status("brief", "stopped")["failure"] is None
    history = runs(aikore, "brief")
    assert [run["ending"] for run in history] == ["finished", "failed", "failed"]
    aikore.http.delete("/api/instances/brief").raise_for_status()
    [entry] = aikore.http.get("/api/trash").json()
    aikore.http.post(f"/api/trash/{entry['id']}/restore").raise_for_status()
    assert runs(aikore, "brief") == history


def test_instances_are_listed_as_people_arranged_them(aikore: AiKoreServer) -> None:
    made = {name: aikore.create(name, "ticker", group="Old" if name == "b" else "")["id"] for name in "abc"}

    def names() -> list[str]:
        return [instance["name"] for instance in aikore.http.get("/api/instances").json()]

    def order(*ids: int) -> Any:
        return aikore.http.post("/api/instances/order", json={"ids": ids})

    assert names() == ["a", "b", "c"]
    with aikore.events() as events:
        events.recv()
        assert [one["name"] for one in order(made["c"], made["a"]).json()] == ["c", "a", "b"]
        told = [events.recv(timeout=5) for _ in range(3)]
        assert all('"topic":"instance"' in str(change).replace(" ", "") for change in told)
    assert names() == ["c", "a", "b"]
    for bad, status in (((made["a"], made["a"]), 422), ((made["a"], 999), 404)):
        assert order(*bad).status_code == status
    assert names() == ["c", "a", "b"]

    changed = aikore.http.patch("/api/instances/a", json={"group": "  Image  generation ", "position": 9}).json()
    assert (changed["group"], changed["position"]) == ("Image generation", 9)
    assert names() == ["c", "b", "a"]
    refused = aikore.http.patch("/api/instances/a", json={"group": "x" * 61})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_name")

    copy = aikore.http.post("/api/instances/b/copy", json={"name": "b2"}).json()
    assert (copy["group"], names()) == ("Old", ["c", "b", "b2", "a"])
    aikore.http.delete("/api/instances/b").raise_for_status()
    [entry] = aikore.http.get("/api/trash").json()
    restored = aikore.http.post(f"/api/trash/{entry['id']}/restore").json()
    assert (restored["group"], set(names()[1:3])) == ("Old", {"b", "b2"})
    assert aikore.http.patch("/api/instances/a", json={"group": ""}).json()["group"] == ""
