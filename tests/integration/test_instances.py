"""Instances through the HTTP interface of a real AiKore."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aikore.launch.layout import CARD_NAME
from aikore.proxy import program
from tests.helpers.server import HTTP_APP, AiKoreServer, processes_of, wait_until

READY_PROCESS = {"kind": "process"}


@pytest.fixture
def aikore(shared_aikore: AiKoreServer) -> AiKoreServer:
    shared_aikore.blueprint("web", HTTP_APP, name="Web", ready={"path": "/", "timeout": 30})
    shared_aikore.blueprint("ticker", "while :; do date +%N; sleep 0.05; done", ready="process")
    return shared_aikore


def problem(answer: object) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text  # type: ignore[attr-defined]
    return str(answer.json()["code"])  # type: ignore[attr-defined]


def test_create_start_open_stop(aikore: AiKoreServer) -> None:
    made = aikore.create("My Web", "web")
    assert (made["slug"], made["status"], made["url"]) == ("my-web", "stopped", "/app/my-web/")
    assert aikore.post("my-web", "start")["status"] == "starting"
    started = aikore.wait_status("my-web", "started")
    assert started["pid"]
    assert "launch.sh" in aikore.http.get(started["url"]).text
    aikore.post("my-web", "stop")
    stopped = aikore.wait_status("my-web", "stopped")
    assert (stopped["pid"], stopped["started_at"]) == (None, None)


def test_wishes_are_idempotent(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    for _ in range(3):
        aikore.post("t", "start")
    running = aikore.wait_status("t", "started")
    assert running["run"] == 1
    for _ in range(3):
        aikore.post("t", "stop")
    assert aikore.wait_status("t", "stopped")["run"] == 1


def test_restart_makes_a_new_run(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    aikore.post("t", "start")
    aikore.wait_status("t", "started")
    aikore.post("t", "restart")
    wait_until(lambda: aikore.get("t")["run"] == 2 and aikore.get("t")["status"] == "started")


def test_a_crash_reads_error_with_code_and_last_line(aikore: AiKoreServer) -> None:
    aikore.blueprint("crash", "echo it broke; exit 3", ready="process")
    aikore.create("c", "crash")
    aikore.post("c", "start")
    failed = aikore.wait_status("c", "error")
    assert (failed["exit_code"], failed["status_detail"]) == (3, "exit code 3: it broke")


def test_a_killed_app_reads_error_with_its_signal(aikore: AiKoreServer) -> None:
    aikore.create("w", "web")
    aikore.post("w", "start")
    os.kill(aikore.wait_status("w", "started")["pid"], signal.SIGKILL)
    assert aikore.wait_status("w", "error")["exit_signal"] == "SIGKILL"


def test_a_slow_program_reads_stalled_and_started_when_it_answers(aikore: AiKoreServer) -> None:
    script = f"while [ ! -e go ]; do sleep 0.05; done\n{HTTP_APP}"
    aikore.blueprint("slow", script, ready={"path": "/", "timeout": 0.3})
    slug = aikore.create("s", "slow")["slug"]
    aikore.post(slug, "start")
    aikore.wait_status(slug, "stalled")
    (aikore.home / "instances" / slug / "go").touch()
    aikore.wait_status(slug, "started")


def test_a_stage_shows_in_the_status(aikore: AiKoreServer) -> None:
    aikore.blueprint("staged", 'source "$AIKORE_FUNCTIONS"\nstage "Installing PyTorch"\nsleep 1000')
    aikore.create("s", "staged")
    aikore.post("s", "start")
    wait_until(lambda: aikore.get("s")["status_detail"] == "Installing PyTorch")


def test_on_failure_starts_again_by_itself(aikore: AiKoreServer) -> None:
    aikore.blueprint("flaky", "[ -e once ] || { touch once; exit 1; }\nsleep 1000", ready="process")
    aikore.create("f", "flaky", restart_policy="on-failure")
    aikore.post("f", "start")
    assert aikore.wait_status("f", "error")["status_detail"].endswith("starts again in 1 s")
    assert aikore.wait_status("f", "started")["restarts"] == 1


def test_a_port_taken_by_someone_else_is_named_and_nothing_changes(aikore: AiKoreServer) -> None:
    made = aikore.create("w", "web")
    with socket.create_server(("127.0.0.1", made["port"])):
        answer = aikore.http.post("/api/instances/w/start")
        assert (answer.status_code, problem(answer)) == (409, "port_in_use")
        assert str(made["port"]) in answer.json()["detail"]
        assert f"(process {os.getpid()})" in answer.json()["detail"]
    assert aikore.get("w")["run"] == 0


def test_a_stranger_on_the_port_is_an_error_that_names_it(aikore: AiKoreServer) -> None:
    aikore.blueprint("late", "touch here; sleep 1000", ready={"path": "/"})
    made = aikore.create("l", "late")
    aikore.post("l", "start")
    wait_until((aikore.home / "instances/l/here").exists)
    with socket.create_server(("127.0.0.1", made["port"])):
        failed = aikore.wait_status("l", "error")
    assert "is used by another program" in failed["status_detail"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"base_blueprint": "nope"}, "unknown_blueprint"),
        ({"base_blueprint": "../../etc/passwd"}, "unknown_blueprint"),
        ({"base_blueprint": "broken"}, "invalid_blueprint"),
        ({"name": "a\nb"}, "invalid_name"),
        ({"name": "x" * 200}, "invalid_name"),
        ({"gpu_ids": ["99"]}, "unknown_gpu"),
        ({"environment": {"1X": "y"}}, "invalid"),
        ({"environment": {"WEBUI_PORT": "1"}}, "invalid"),
        ({"environment": {"X": "a\0b"}}, "invalid"),
        ({"hostname": "x;return 200;"}, "invalid_name"),
        ({"restart_policy": "sometimes"}, "invalid"),
        ({"nonsense": 1}, "invalid"),
    ],
)
def test_bad_input_is_refused_without_a_trace(aikore: AiKoreServer, fields: dict[str, object], code: str) -> None:
    aikore.blueprint("broken", "true", ready="sideways")
    answer = aikore.http.post("/api/instances", json={"name": "n", "base_blueprint": "web", **fields})
    assert (answer.status_code, problem(answer)) == (422, code)
    assert list((aikore.home / "instances").iterdir()) == []
    assert aikore.http.get("/api/instances").json() == []


def test_names_with_anything_in_them_get_folders_of_their_own(aikore: AiKoreServer) -> None:
    names = ["a b", "a/b", "a.b", "../a", "ä b", "🎨", "🎭", "A-B!", "a" * 80]
    slugs = [aikore.create(name, "ticker")["slug"] for name in names]
    assert len(set(slugs)) == len(names)
    assert {path.name for path in (aikore.home / "instances").iterdir()} == set(slugs)
    assert [instance["name"] for instance in aikore.http.get("/api/instances").json()] == names


def test_the_same_name_twice_is_refused(aikore: AiKoreServer) -> None:
    aikore.create("Comfy", "web")
    answer = aikore.http.post("/api/instances", json={"name": "ＣＯＭＦＹ", "base_blueprint": "web"})
    assert (answer.status_code, problem(answer)) == (409, "name_taken")


def test_a_host_name_belongs_to_one_instance_and_never_to_aikore(aikore: AiKoreServer) -> None:
    aikore.create("one", "ticker", hostname="one.example.lan")
    aikore.create("two", "ticker")
    for hostname in ("one.example.lan", "ONE.example.lan.", "localhost"):
        made = aikore.http.post("/api/instances", json={"name": "n", "base_blueprint": "web", "hostname": hostname})
        changed = aikore.http.patch("/api/instances/two", json={"hostname": hostname})
        assert (problem(made), problem(changed)) == ("name_taken", "name_taken")
    assert aikore.http.patch("/api/instances/one", json={"hostname": "one.example.lan"}).status_code == 200


def test_the_active_slot_has_one_holder(aikore: AiKoreServer) -> None:
    aikore.blueprint("comfy", "sleep 1000", ready="process", provides=["comfyui"])
    for name in ("a", "b"):
        aikore.create(name, "comfy")
    aikore.create("t", "ticker")
    for name in ("a", "b", "b", "a"):
        assert aikore.http.post(f"/api/instances/{name}/activate").json()["is_comfyui_active_slot"] is True
        holders = [one["slug"] for one in aikore.http.get("/api/instances").json() if one["is_comfyui_active_slot"]]
        assert holders == [name]
    assert problem(aikore.http.post("/api/instances/t/activate")) == "conflict"


def test_what_nginx_refuses_is_undone(aikore_factory: Callable[..., AiKoreServer], tmp_path: Path) -> None:
    refuse, wrapper = tmp_path / "refuse", tmp_path / "nginx"
    complaint = "echo '[emerg] not today' >&2; exit 1"
    test = f"[ ! -e {refuse} ] || case \"$*\" in *' -t '*) {complaint} ;; esac"
    wrapper.write_text(f'#!/bin/sh\n{test}\nexec {program.find("")} "$@"\n')
    wrapper.chmod(0o755)
    server = aikore_factory(nginx_path=wrapper).start()
    server.blueprint("web", HTTP_APP)
    before = server.create("one", "web", hostname="one.example.lan")
    refuse.touch()
    made = server.http.post("/api/instances", json={"name": "two", "base_blueprint": "web"})
    changed = server.http.patch("/api/instances/one", json={"hostname": "other.example.lan", "name": "Other"})
    for answer in (made, changed):
        assert (answer.status_code, problem(answer)) == (503, "proxy_failed")
        assert "not today" in answer.json()["detail"]
    refuse.unlink()
    (one,) = server.http.get("/api/instances").json()
    assert one | {"updated_at": ""} == before | {"updated_at": ""}
    assert [path.name for folder in ("instances", "outputs") for path in (server.home / folder).iterdir()] == [
        "one"
    ] * 2
    server.create("two", "web")


def test_the_script_gets_its_environment(aikore: AiKoreServer) -> None:
    aikore.blueprint("env", "env -0 | tr '\\0' '\\n' > seen; exec sleep 1000", ready="process")
    made = aikore.create("E n v", "env", environment={"MINE": "a 'b' $(c)"}, launch_args="--x 'y z'", gpu_ids=[])
    aikore.post(made["slug"], "start")
    seen_path = aikore.home / "instances" / made["slug"] / "seen"
    seen = dict(
        line.split("=", 1) for line in wait_until(lambda: seen_path.exists() and seen_path.read_text()).splitlines()
    )
    assert seen["MINE"] == "a 'b' $(c)"
    assert seen["LAUNCH_ARGS"] == "--x 'y z'"
    assert seen["CUDA_VISIBLE_DEVICES"] == ""
    assert seen["WEBUI_PORT"] == str(made["port"])
    assert seen["SUBFOLDER"] == "/app/e-n-v/"
    assert seen["INSTANCE_OUTPUT_DIR"] == str(aikore.home / "outputs" / "e-n-v")
    assert not [key for key in seen if key.startswith("AIKORE_PORT") or key.startswith("AIKORE_HOME")]


def test_change_takes_effect_at_the_next_start(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    answer = aikore.http.patch("/api/instances/t", json={"name": "Neu", "environment": {"A": "1"}, "autostart": True})
    changed = answer.json()
    assert (changed["name"], changed["slug"], changed["environment"], changed["autostart"]) == (
        "Neu",
        "t",
        {"A": "1"},
        True,
    )


def test_an_edited_script_is_never_replaced_silently(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    read = aikore.http.get("/api/instances/t/script")
    edited = read.json()["content"] + "# mine\n"
    saved = aikore.http.put(
        "/api/instances/t/script", json={"content": edited}, headers={"If-Match": read.headers["etag"]}
    )
    assert saved.status_code == 200
    stale = aikore.http.put(
        "/api/instances/t/script", json={"content": "x"}, headers={"If-Match": read.headers["etag"]}
    )
    assert (stale.status_code, problem(stale)) == (412, "stale")
    refused = aikore.http.patch("/api/instances/t", json={"base_blueprint": "web"})
    assert refused.status_code == 409
    assert aikore.get("t")["base_blueprint"] == "ticker"
    kept = aikore.http.patch("/api/instances/t", json={"base_blueprint": "web", "replace_script": True})
    assert kept.status_code == 200
    folder = aikore.home / "instances" / "t"
    assert [path.read_text() for path in folder.glob("launch.sh.*.bak")] == [edited]
    assert "http.server" in (folder / "launch.sh").read_text()


def test_a_script_is_compared_with_its_blueprint_and_checked(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")

    def compared() -> tuple[bool, bool]:
        answer = aikore.http.get("/api/instances/t/script/blueprint").raise_for_status().json()
        assert answer["content"] == (aikore.home / "blueprints/ticker.sh").read_text()
        return answer["edited"], answer["renewed"]

    assert compared() == (False, False)
    aikore.blueprint("ticker", "echo renewed", ready="process")
    assert compared() == (False, True)
    aikore.http.put("/api/instances/t/script", json={"content": "rm $1"}, headers={"If-Match": "*"}).raise_for_status()
    assert compared() == (True, True)
    aikore.http.delete("/api/blueprints/ticker").raise_for_status()
    assert problem(aikore.http.get("/api/instances/t/script/blueprint")) == "not_found"
    checked = aikore.http.post("/api/scripts/check", json={"content": "rm $1\n"}).json()
    assert "SC2086" in [one["code"] for one in checked["problems"]]


def test_a_script_with_a_broken_header_is_refused(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    before = aikore.http.get("/api/instances/t/script").json()
    content = "# /// aikore\n# ready = = 3\n# ///\n"
    answer = aikore.http.put("/api/instances/t/script", json={"content": content}, headers={"If-Match": "*"})
    assert (answer.status_code, problem(answer)) == (422, "invalid_blueprint")
    assert aikore.http.get("/api/instances/t/script").json() == before


def test_delete_moves_to_the_trash_and_restore_brings_everything_back(aikore: AiKoreServer) -> None:
    aikore.create("Keep Me", "ticker", environment={"A": "1"}, autostart=True)
    precious = aikore.home / "instances/keep-me/precious.bin"
    render = aikore.home / "outputs/keep-me/render.png"
    for path in (precious, render):
        path.write_bytes(b"\0\1")
    assert aikore.http.delete("/api/instances/keep-me").status_code == 204
    assert not precious.exists()
    (entry,) = aikore.http.get("/api/trash").json()
    assert (entry["name"], entry["slug"]) == ("Keep Me", "keep-me")
    wait_until(lambda: (aikore.http.get("/api/trash").json()[0]["size"] or 0) >= 4)
    back = aikore.http.post(f"/api/trash/{entry['id']}/restore").json()
    assert (back["name"], back["slug"], back["environment"], back["autostart"]) == (
        "Keep Me",
        "keep-me",
        {"A": "1"},
        True,
    )
    assert precious.read_bytes() == render.read_bytes() == b"\0\1"
    assert aikore.http.get("/api/trash").json() == []


def test_restore_gives_a_renamed_instance_its_old_address(aikore: AiKoreServer) -> None:
    aikore.create("Old", "ticker")
    aikore.http.patch("/api/instances/old", json={"name": "New"})
    aikore.http.delete("/api/instances/old")
    (entry,) = aikore.http.get("/api/trash").json()
    back = aikore.http.post(f"/api/trash/{entry['id']}/restore").json()
    assert (back["name"], back["slug"]) == ("New", "old")


def test_restore_finds_another_place_when_the_old_one_is_taken(aikore: AiKoreServer) -> None:
    aikore.create("x", "ticker")
    aikore.http.delete("/api/instances/x")
    aikore.create("x", "ticker")
    (entry,) = aikore.http.get("/api/trash").json()
    back = aikore.http.post(f"/api/trash/{entry['id']}/restore").json()
    assert (back["name"], back["slug"]) == ("x (2)", "x-2")


def test_a_running_instance_is_not_deleted_unless_forced(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    aikore.post("t", "start")
    aikore.wait_status("t", "started")
    refused = aikore.http.delete("/api/instances/t")
    assert (refused.status_code, problem(refused)) == (409, "not_stopped")
    assert aikore.http.delete("/api/instances/t?force=true&permanent=true").status_code == 204
    assert not (aikore.home / "instances/t").exists()
    assert aikore.http.get("/api/trash").json() == []
    assert not [p for p in processes_of(aikore.home) if b"launch.sh" in Path(f"/proc/{p}/cmdline").read_bytes()]


def test_deleting_never_follows_a_link(aikore: AiKoreServer, tmp_path: Path) -> None:
    model = tmp_path / "elsewhere" / "model.safetensors"
    model.parent.mkdir()
    model.write_bytes(b"precious")
    aikore.create("t", "ticker")
    (aikore.home / "instances/t/models").symlink_to(model.parent)
    assert aikore.http.delete("/api/instances/t?permanent=true").status_code == 204
    assert model.read_bytes() == b"precious"


def test_a_launch_script_that_leads_out_of_its_folder_is_neither_read_nor_written(
    aikore: AiKoreServer, tmp_path: Path
) -> None:
    outside = tmp_path / "secret"
    outside.write_text("secret")
    aikore.create("t", "ticker")
    (aikore.home / "instances/t/launch.sh").unlink()
    (aikore.home / "instances/t/launch.sh").symlink_to(outside)
    read = aikore.http.get("/api/instances/t/script")
    assert (read.status_code, problem(read)) == (422, "invalid_path")
    written = aikore.http.put("/api/instances/t/script", json={"content": "x"}, headers={"If-Match": "*"})
    assert written.status_code == 422
    assert outside.read_text() == "secret"


def test_copy_clones_choices_and_files_but_not_the_environment(aikore: AiKoreServer) -> None:
    aikore.create("one", "ticker", environment={"A": "1"})
    folder = aikore.home / "instances/one"
    (folder / "workflow.json").write_text("{}")
    (folder / "env").mkdir()
    copied = aikore.http.post("/api/instances/one/copy", json={"name": "two"})
    assert copied.status_code == 201
    assert copied.json()["environment"] == {"A": "1"}
    assert copied.json()["port"] != aikore.get("one")["port"]
    names = {path.name for path in (aikore.home / "instances/two").iterdir()} - {CARD_NAME}
    assert names == {"launch.sh", "workflow.json", "logs"}


def test_rebuild_is_asked_once_at_the_next_start(aikore: AiKoreServer) -> None:
    aikore.blueprint("rebuilt", 'echo "rebuild=${AIKORE_REBUILD:-no}"; exec sleep 1000', ready="process")
    aikore.create("r", "rebuilt")
    assert aikore.http.post("/api/instances/r/rebuild").json()["rebuild_pending"] is True
    for expected in ("rebuild=1", "rebuild=no"):
        aikore.post("r", "start")
        aikore.wait_status("r", "started")
        wait_until(lambda expected=expected: aikore.log_text("r").splitlines()[-1:] == [expected])
        aikore.post("r", "stop")
        aikore.wait_status("r", "stopped")


def test_events_begin_with_a_snapshot_and_are_numbered(aikore: AiKoreServer) -> None:
    with aikore.events() as events:
        snapshot = json.loads(events.recv(10))
        assert snapshot["type"] == "snapshot"
        assert {b["id"] for b in snapshot["data"]["blueprints"]} >= {"ComfyUI", "JupyterLab"}
        aikore.create("t", "ticker")
        aikore.post("t", "start")
        seen, seq = [], snapshot["seq"]
        while "started" not in seen:
            message = json.loads(events.recv(10))
            assert message["seq"] == seq + 1
            seq = message["seq"]
            if message["topic"] == "instance":
                seen.append(message["data"]["status"])
    assert [s for i, s in enumerate(seen) if i == 0 or seen[i - 1] != s] == ["stopped", "starting", "started"]


def test_a_new_stage_is_told_and_writes_nothing_to_the_database(aikore: AiKoreServer) -> None:
    aikore.blueprint("stages", "exec sleep 1000")
    aikore.create("s", "stages")
    aikore.post("s", "start")
    wait_until(lambda: aikore.get("s")["pid"], what="the program runs")
    with (
        closing(sqlite3.connect(aikore.home / "aikore.db", isolation_level=None)) as database,
        aikore.events() as events,
    ):
        wait_until(lambda: database.execute("SELECT pid FROM instances").fetchone()[0], what="the start is written")
        wait_until(lambda: database.execute("SELECT started_at FROM runs").fetchone(), what="the run is written")
        wait_until(lambda: database.execute("SELECT count(*) FROM audit").fetchone()[0] > 1, what="and who did it")
        database.execute("BEGIN IMMEDIATE")  # whoever writes now waits, and who reads after that waits, too
        for number in range(3):
            (aikore.home / "instances/s/stage").write_text(f"stage {number}")
            while json.loads(events.recv(10)).get("data", {}).get("status_detail") != f"stage {number}":
                pass
        assert aikore.http.get("/api/instances/s/runs", timeout=3).json()[0]["ended_at"] is None
        database.execute("ROLLBACK")


def test_a_foreign_page_can_change_nothing(aikore: AiKoreServer) -> None:
    aikore.create("t", "ticker")
    evil = {"Origin": "http://evil.example"}
    assert aikore.http.post("/api/instances/t/start", headers=evil).status_code == 403
    assert aikore.http.get("/api/instances", headers={"Host": "evil.example:9000"}).status_code == 403
    assert aikore.get("t")["run"] == 0


def test_the_disk_reserve_is_kept(aikore_factory: object) -> None:
    server = aikore_factory(disk_reserve_bytes=2**60).start()  # type: ignore[operator]
    server.blueprint("web", HTTP_APP)
    answer = server.http.post("/api/instances", json={"name": "n", "base_blueprint": "web"})
    assert (answer.status_code, problem(answer)) == (507, "storage_failed")
    assert list((server.home / "instances").iterdir()) == []


KILLED_BARS = {
    "one bar": r"for i in $(seq 9); do printf '\r %d%%|###  | half' $i; done; sleep 0.2; printf '\r 37%%|##'",
    "nested bars": r"for i in $(seq 9); do printf '\router %d\n\rinner %d\033[A' $i $i; done",
    "a block": r"printf 'one\ntwo'; for i in $(seq 9); do printf '\r\033[2K\033[A\033[2Kone %d\ntwo %d' $i $i; done",
}


@pytest.mark.parametrize("bars", KILLED_BARS)
def test_the_last_words_of_a_killed_app_are_a_whole_line_and_no_bar(aikore: AiKoreServer, bars: str) -> None:
    aikore.blueprint("bar", f"echo Loading the model\n{KILLED_BARS[bars]}\ntouch drawn; sleep 600", ready="process")
    slug = aikore.create("w", "bar")["slug"]
    aikore.post(slug, "start")
    wait_until((aikore.home / "instances" / slug / "drawn").exists)
    os.kill(aikore.wait_status(slug, "started")["pid"], signal.SIGKILL)
    failed = aikore.wait_status(slug, "error")
    assert failed["status_detail"] == "ended by SIGKILL: Loading the model"
    assert failed["failure"]["code"] == "killed" and failed["failure"]["lines"][-1] == "Loading the model"
