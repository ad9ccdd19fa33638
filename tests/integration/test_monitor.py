"""What the machine, its GPUs and the instances are doing, as AiKore tells it: real processes, a stand-in GPU driver."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.gpus import GIB, StandInGpus
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

FAST = {"sample_interval": 0.1, "sample_idle_interval": 0.1}

BUSY = """
python3 -c 'import time; x = bytearray(80_000_000); x[::4096] = b"1" * len(x[::4096])
while True: pass' &
head -c 5000000 /dev/zero > big
exec python3 -c 'import threading, time, os
files = [open("/dev/null") for _ in range(20)]
for _ in range(4): threading.Thread(target=time.sleep, args=(600,)).start()'
"""


House = Callable[..., AiKoreServer]


@pytest.fixture
def house(aikore_factory: House) -> House:
    """Start an AiKore that looks ten times a second."""

    def start(gpus: StandInGpus | None = None, **settings: object) -> AiKoreServer:
        server = aikore_factory(**{**FAST, **settings})
        server.variables |= gpus.variables if gpus else {}
        return server.start()

    return start


@pytest.fixture
def gpus(tmp_path: Path) -> StandInGpus:
    return StandInGpus(tmp_path, 2)


def stats(server: AiKoreServer) -> dict[str, Any]:
    return server.http.get("/api/system/stats").raise_for_status().json()


def until(server: AiKoreServer, condition: Callable[[dict[str, Any]], Any], seconds: float = 20) -> dict[str, Any]:
    """Return the first figures that fulfil a condition."""
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(stats(server))
        return bool(condition(found))

    wait_until(look, seconds, f"the figures; last: {json.dumps(found.get('gpus'))} {found.get('instances')}")
    return found


def history(server: AiKoreServer, series: str, **parameters: object) -> dict[str, Any]:
    answer = server.http.get("/api/system/history", params={"series": series, **parameters})
    return answer.raise_for_status().json()


def test_the_machine_is_told_as_the_system_sees_it(house: House, tmp_path: Path) -> None:
    server = house()
    host = until(server, lambda found: found["host"]["disk"]["read"] is not None)["host"]
    assert len(host["cores"]) == psutil.cpu_count()
    assert 0 <= host["cpu"] <= 100
    assert host["memory"]["total"] == psutil.virtual_memory().total
    assert host["disk"]["total"] == psutil.disk_usage(str(tmp_path)).total
    assert abs(host["uptime"] - (time.time() - psutil.boot_time())) < 10


def test_without_gpus_it_says_so_plainly(house: House) -> None:
    server = house()
    found = stats(server)
    assert (found["gpus"], found["gpu_problem"]) == ([], "")
    assert server.http.get("/api/system/info").json()["gpus"] == []
    assert "aikore_gpu_utilization_ratio{" not in server.http.get("/metrics").text


def test_an_instance_is_told_with_all_its_descendants(house: House) -> None:
    server = house()
    server.blueprint("busy", BUSY, ready="process")
    one = server.create("Busy one", "busy")
    server.start_and_wait(one["slug"])

    def whole(found: dict[str, Any]) -> bool:
        figures = next(iter(found["instances"]), None)
        if not figures or not found["folders"] or figures["memory_kind"] != "pss":
            return False
        return bool(figures["cpu"] > 20 and figures["memory"] > 80_000_000 and figures["open_files"] >= 20)

    found = until(server, whole, 30)
    figures = found["instances"][0]
    assert (figures["id"], figures["slug"]) == (one["id"], one["slug"])
    assert figures["processes"] >= 3
    assert figures["threads"] >= 7
    assert 0 < figures["uptime"] < 60
    assert found["folders"][str(one["id"])]["size"] >= 5_000_000
    server.post(one["slug"], "stop")
    server.wait_status(one["slug"], "stopped")
    until(server, lambda later: later["instances"] == [])


def test_gpu_memory_belongs_to_the_instance_whose_process_the_driver_names(house: House, gpus: StandInGpus) -> None:
    server = house(gpus)
    server.blueprint("web", HTTP_APP)
    one = server.create("One", "web", gpu_ids=["1"])
    server.start_and_wait("one")
    pid = server.get("one")["pid"]
    gpus.processes(1, (pid, 3 * GIB, 55), (os.getpid(), GIB, 5))
    found = until(server, lambda f: f["instances"] and f["instances"][0]["gpu_memory"] == {"1": 3 * GIB})
    assert found["instances"][0]["gpu_utilization"] == {"1": 55.0}
    assert found["instances"][0]["gpu_inferred"] is False
    first = found["gpus"][0]
    assert (first["name"], first["vendor"], first["state"]) == ("Stand-In 0", "nvidia", "ok")
    assert (first["power"], first["power_limit"], first["fan"]) == (50.0, 350.0, 30.0)
    assert first["pcie"] == {"generation": 4, "width": 16, "received": 1024 * 1024, "sent": 2048 * 1024}
    assert first["ecc"] == {"corrected": 2, "uncorrected": 0}
    metrics = metric_values(server)
    labels = (("gpu", "1"), ("id", str(one["id"])), ("inferred", "false"))
    known = history(server, "cpu,gpu.*.memory,instance.*.gpu.1.memory")["series"]
    assert known.keys() == {"cpu", "gpu.0.memory", "gpu.1.memory", f"instance.{one['id']}.gpu.1.memory"}
    assert metrics["aikore_instance_gpu_memory_bytes", labels] == 3 * GIB


def test_in_a_container_that_sees_foreign_processes_the_share_is_inferred(house: House, gpus: StandInGpus) -> None:
    server = house(gpus)
    foreign = 4_000_000  # above any PID here
    gpus.processes(0, (foreign, GIB, 0))
    until(server, lambda f: f["gpus"][0]["memory_used"] == GIB)
    server.blueprint("web", HTTP_APP)
    server.create("One", "web", gpu_ids=["0"])
    server.create("Two", "web", gpu_ids=["1"])
    server.start_and_wait("one")
    server.start_and_wait("two")
    until(server, lambda f: len(f["instances"]) == 2)
    gpus.set(0, memory_used=6 * GIB)
    gpus.processes(0, (foreign, GIB, 0), (foreign + 1, 5 * GIB, 80))
    found = until(server, lambda f: any(i["gpu_memory"].get("0") for i in f["instances"]))
    one = next(i for i in found["instances"] if i["slug"] == "one")
    two = next(i for i in found["instances"] if i["slug"] == "two")
    assert one["gpu_memory"] == {"0": 5 * GIB}
    assert one["gpu_inferred"] is True
    assert not two["gpu_memory"].get("0")


def test_a_call_that_hangs_marks_its_gpu_and_stops_nothing_else(house: House, gpus: StandInGpus) -> None:
    server = house(gpus)
    until(server, lambda f: [gpu["state"] for gpu in f["gpus"]] == ["ok", "ok"])
    gpus.hang(0)
    until(server, lambda f: f["gpus"][0]["state"] == "stale")
    gpus.set(1, temperature=77)
    until(server, lambda f: f["gpus"][1]["temperature"] == 77)
    lost = until(server, lambda f: f["gpus"][0]["state"] == "lost")
    assert lost["gpus"][0]["utilization"] is None
    assert lost["gpus"][1]["state"] == "ok"
    assert [gpu["id"] for gpu in server.http.get("/api/system/info").json()["gpus"]] == ["0", "1"]
    gpus.hang(0, hangs=False)
    until(server, lambda f: f["gpus"][0]["state"] == "ok")
    assert server.stop() == 0


def test_a_driver_that_hangs_from_the_start_delays_nothing_for_long(house: House, gpus: StandInGpus) -> None:
    gpus.hang(0)
    server = house(gpus)
    assert stats(server)["gpus"] == []
    gpus.hang(0, hangs=False)
    until(server, lambda f: [gpu["state"] for gpu in f["gpus"]] == ["ok", "ok"])


def test_a_gpu_that_falls_off_the_bus_is_told_and_comes_back(house: House, gpus: StandInGpus) -> None:
    server = house(gpus)
    with server.events() as events:
        until(server, lambda f: [gpu["state"] for gpu in f["gpus"]] == ["ok", "ok"])
        gpus.take_away(1)
        found = until(server, lambda f: f["gpus"][1]["state"] == "lost")
        assert found["gpus"][0]["state"] == "ok"
        assert "GPU 1 (Stand-In 1) does not answer" in next_notice(events)["message"]
        gpus.set(1, uuid="GPU-00000001", memory_used=GIB, utilization=1, temperature=40)
        until(server, lambda f: f["gpus"][1]["state"] == "ok", 30)


def test_a_driver_that_does_not_start_is_named_and_tried_again(house: House, gpus: StandInGpus) -> None:
    gpus.driver(999)
    server = house(gpus)
    found = until(server, lambda f: f["gpu_problem"])
    assert "NVIDIA driver does not start" in found["gpu_problem"]
    gpus.driver(0)
    found = until(server, lambda f: len(f["gpus"]) == 2, 30)
    assert found["gpu_problem"] == ""


def test_gpus_that_are_not_there_are_refused_by_name(house: House, gpus: StandInGpus) -> None:
    server = house(gpus)
    answer = server.http.post("/api/instances", json={"name": "One", "base_blueprint": "Static", "gpu_ids": ["0", "7"]})
    assert answer.status_code == 422
    assert "no GPU '7'" in answer.json()["detail"]
    assert "1 (Stand-In 1)" in answer.json()["detail"]
    assert server.http.get("/api/instances").json() == []


def test_gpus_of_amd_are_read_by_its_library_and_pinned_by_its_variable(aikore_factory: House) -> None:
    server = aikore_factory(**FAST)
    server.variables["PYTHONPATH"] = str(Path(__file__).parents[1] / "apps" / "amd")
    server.start()
    first, second = until(server, lambda f: len(f["gpus"]) == 2)["gpus"]
    assert (first["id"], first["vendor"], first["name"]) == ("amd0", "amd", "Radeon PRO W7900")
    assert (first["memory_total"], first["memory_used"]) == (48 * GIB, 2 * GIB)
    assert (first["utilization"], first["temperature"], first["power"], first["power_limit"]) == (42, 61, 187, 295)
    assert (first["clocks"], first["fan"]) == ({"graphics": 2100, "memory": 1124}, 20.0)
    assert first["ecc"] == {"corrected": 1, "uncorrected": 0}
    assert (second["state"], second["temperature"], second["power"]) == ("ok", None, None)
    server.blueprint("tells", 'echo "ROCR=$ROCR_VISIBLE_DEVICES CUDA=${CUDA_VISIBLE_DEVICES-unset}"', ready="process")
    server.create("One", "tells", gpu_ids=["amd1"])
    server.post("one", "start")
    wait_until(lambda: "ROCR=1 CUDA=unset" in server.log_text("one"), what="only AMD's variable is set")
    refused = server.http.post(
        "/api/instances", json={"name": "Two", "base_blueprint": "tells", "gpu_ids": ["card-0-uuid"]}
    )
    assert refused.status_code == 422


def test_the_history_goes_on_over_a_killed_and_an_ended_manager(house: House, tmp_path: Path) -> None:
    server = house(history_save_interval=1)
    saved = tmp_path / "home" / "history" / "seconds.gz"
    wait_until(saved.exists, what="the history is written")
    before = int(saved.stat().st_mtime)
    server.kill()
    server.start()
    known = history(server, "memory", **{"from": before - 20, "step": 1})
    values = dict(zip(range(known["from"], known["to"]), known["series"]["memory"], strict=True))
    assert any(values[second] for second in range(before - 3, before))
    ended = int(time.time())
    assert server.stop() == 0
    server.start()
    known = history(server, "memory", **{"from": ended - 10, "step": 1})
    assert known["series"]["memory"][9] is not None


def test_a_damaged_history_is_ignored(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "history"
    folder.mkdir(parents=True)
    (folder / "seconds.gz").write_bytes(b"no gzip at all")
    server = house()
    until(server, lambda f: f["host"]["cpu"] is not None)
    assert "damaged" in server.log()


IMPOSSIBLE: list[dict[str, str | int]] = [
    {"series": ""},
    {"series": "cpu,secrets"},
    {"series": "*"},
    {"series": "instance.1.cpu/../x"},
    {"series": "cpu", "from": 2_000_000_000_000},
    {"series": "cpu", "from": 100, "to": 50},
    {"series": "cpu", "step": 0},
    {"series": "cpu", "from": "nan"},
]


def test_an_impossible_question_to_the_history_is_refused(aikore: AiKoreServer) -> None:
    for query in IMPOSSIBLE:
        answer = aikore.http.get("/api/system/history", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), (query, answer.text)


def test_the_stream_brings_every_sample_and_looks_more_often_than_nobody(house: House) -> None:
    server = house(sample_interval=0.2, sample_idle_interval=600)
    with server.socket("/api/system/stats/stream") as stream:
        times = [json.loads(stream.recv(10))["time"] for _ in range(5)]
    assert 0.7 < times[-1] - times[0] < 5
    wait_until(lambda: not watched(server), 30, "nobody is looked for any more")


def watched(server: AiKoreServer) -> bool:
    """Say whether samples go on coming. Asks without being a viewer: the metrics tell when the last one was taken."""
    before = metric_values(server)["aikore_sample_timestamp_seconds", ()]
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        if metric_values(server)["aikore_sample_timestamp_seconds", ()] != before:
            return True
    return False


def metric_values(server: AiKoreServer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = server.http.get("/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_prometheus_reads_status_restarts_proxy_and_manager(house: House) -> None:
    server = house()
    server.blueprint("web", HTTP_APP)
    one = server.create("One", "web", restart_policy="on-failure")
    server.start_and_wait("one")
    os.kill(server.get("one")["pid"], signal.SIGKILL)
    wait_until(lambda: server.get("one")["restarts"] == 1, what="it is started again")
    server.wait_status("one", "started")
    labels = (("id", str(one["id"])), ("slug", "one"))
    wait_until(lambda: ("aikore_instance_memory_bytes", (("id", str(one["id"])),)) in metric_values(server))
    found = metric_values(server)
    assert found["aikore_instance_status", (*labels, ("status", "started"))] == 1
    assert found["aikore_instance_status", (*labels, ("status", "error"))] == 0
    assert found["aikore_instance_restarts_total", labels] == 1
    assert found["aikore_instance_runs_total", labels] == 2
    assert found["aikore_proxy_up", ()] == 1
    assert found["aikore_proxy_reloads_total", ()] >= 1
    assert found["aikore_manager_memory_bytes", ()] > 10_000_000


def next_notice(events: Any) -> dict[str, Any]:
    while True:
        message = json.loads(events.recv(30))
        if message.get("topic") == "notice":
            return message["data"]


def test_a_full_disk_a_hot_gpu_and_endless_restarts_are_noticed_once(house: House, gpus: StandInGpus) -> None:
    server = house(gpus, notice_disk_percent=0.001, notice_restarts=1)
    server.blueprint("dies", "exit 3", ready="process")
    server.create("Dies", "dies", restart_policy="on-failure")
    with server.events() as events:
        gpus.set(0, temperature=96)
        server.post("dies", "start")
        found = [next_notice(events)["message"] for _ in range(2)]
    assert any("Dies was started again" in message for message in found)
    assert any("96 °C" in message for message in found)
    assert server.log().count("The disk") == 1
