"""Which card an instance gets: through AiKore's own binding, from a stand-in for NVIDIA's library."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.gpus import GIB, LOST, MISMATCH, UNKNOWN, StandInGpus
from tests.helpers.server import AiKoreServer, wait_until

TELLS = """
env | grep -E '^(CUDA_|NVIDIA_VISIBLE|AIKORE_GPU_)' | sort
echo "kind $(. "$AIKORE_FUNCTIONS" && gpu_kind)"
exec sleep 600
"""


House = Callable[..., AiKoreServer]


@pytest.fixture
def gpus(tmp_path: Path) -> StandInGpus:
    return StandInGpus(tmp_path, 3)


@pytest.fixture
def make(aikore_factory: House, gpus: StandInGpus) -> Callable[[], AiKoreServer]:
    """Start an AiKore that looks ten times a second and has a blueprint that tells its GPUs."""

    def start() -> AiKoreServer:
        server = aikore_factory(sample_interval=0.1, sample_idle_interval=0.1)
        server.variables |= gpus.variables
        server.start()
        server.blueprint("tells", TELLS, ready="process")
        return server

    return start


@pytest.fixture
def server(make: Callable[[], AiKoreServer]) -> AiKoreServer:
    return make()


def told(server: AiKoreServer, slug: str) -> dict[str, str]:
    """Start an instance and return the variables its script saw."""
    server.start_and_wait(slug)
    wait_until(lambda: "kind " in server.log_text(slug), what="the script has told its GPUs")
    lines = server.log_text(slug).rpartition("kind ")[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def stats(server: AiKoreServer) -> dict[str, Any]:
    return server.http.get("/api/system/stats").raise_for_status().json()


def own_memory(server: AiKoreServer) -> dict[str, int]:
    """Return what the first running instance uses of each GPU."""
    return next((one["gpu_memory"] for one in stats(server)["instances"]), {})


def states(server: AiKoreServer) -> list[str]:
    return [gpu["state"] for gpu in stats(server)["gpus"]]


def pins(server: AiKoreServer, slug: str) -> list[tuple[str | None, str]]:
    return [(pin["id"], pin["state"]) for pin in server.get(slug)["gpus"]]


def try_start(server: AiKoreServer, slug: str, action: str = "start") -> tuple[int, str, str]:
    answer = server.http.post(f"/api/instances/{slug}/{action}")
    problem = answer.json()
    return answer.status_code, problem.get("code", ""), problem.get("detail", "")


def stored(server: AiKoreServer, slug: str) -> list[str]:
    with sqlite3.connect(server.home / "aikore.db") as database:
        (text,) = database.execute("SELECT gpu_ids FROM instances WHERE slug = ?", (slug,)).fetchone()
    return list(json.loads(text))


# Which card it is -----------------------------------------------------------------------------------------------


def test_a_pin_means_the_same_card_after_another_one_was_removed(server: AiKoreServer, gpus: StandInGpus) -> None:
    made = server.create("One", "tells", gpu_ids=["1"])
    assert (made["gpu_ids"], made["gpus"][0]["uuid"], made["gpus"][0]["name"]) == (["1"], "GPU-00000001", "Stand-In 1")
    gpus.take_away(0)
    wait_until(lambda: server.get("one")["gpu_ids"] == ["0"], what="the card has its new index")
    assert told(server, "one")["CUDA_VISIBLE_DEVICES"] == "0"
    assert server.get("one")["gpus"][0]["name"] == "Stand-In 1"


def test_a_card_that_is_gone_leaves_its_index_to_the_one_that_has_it_now(
    server: AiKoreServer, gpus: StandInGpus
) -> None:
    def shown() -> dict[str, tuple[str, str]]:
        return {one["id"]: (one["name"], one["state"]) for one in server.http.get("/api/system/stats").json()["gpus"]}

    gpus.take_away(1)
    present = {"0": ("Stand-In 0", "ok"), "1": ("Stand-In 2", "ok")}
    gone = {"GPU-00000001": ("Stand-In 1", "lost")}
    wait_until(lambda: shown() == present | gone, what="every figure has a name of its own")
    gpus.set(1, uuid="GPU-00000001")
    wait_until(lambda: shown() == {str(number): (f"Stand-In {number}", "ok") for number in range(3)}, seconds=70)


def test_a_card_that_is_gone_refuses_the_start_and_says_which(server: AiKoreServer, gpus: StandInGpus) -> None:
    server.create("One", "tells", gpu_ids=["2"])
    server.create("Other", "tells", gpu_ids=["1"])
    gpus.take_away(2)
    wait_until(lambda: pins(server, "one") == [(None, "gone")], what="it is shown as gone")
    status, code, detail = try_start(server, "one")
    assert (status, code) == (409, "gpu_gone")
    assert "Stand-In 2" in detail and "GPU-00000002" in detail and "once GPU 2" in detail and "CPU only" in detail
    assert (server.get("one")["status"], server.get("one")["run"]) == ("stopped", 0)
    assert told(server, "other")["CUDA_VISIBLE_DEVICES"] == "1"
    server.stop()
    server.start()
    assert pins(server, "one") == [(None, "gone")]
    assert "Stand-In 2" in try_start(server, "one")[2], "its name is known to a new manager"
    change = {"gpu_ids": ["GPU-00000002", "1"]}
    server.http.patch("/api/instances/one", json=change).raise_for_status()
    assert server.get("one")["gpu_ids"] == ["GPU-00000002", "1"], "what is gone may stay"
    gpus.set(2, uuid="GPU-00000002")
    server.start_and_wait("one")
    assert server.get("one")["gpu_ids"] == ["2", "1"]


def test_a_restart_onto_a_card_that_is_gone_leaves_the_running_program_alone(
    server: AiKoreServer, gpus: StandInGpus
) -> None:
    server.create("One", "tells", gpu_ids=["2"])
    server.start_and_wait("one")
    gpus.take_away(2)
    wait_until(lambda: pins(server, "one") == [(None, "gone")], what="it is shown as gone")
    assert try_start(server, "one", "restart")[1] == "gpu_gone"
    assert (server.get("one")["status"], server.get("one")["run"]) == ("started", 1)


def test_pins_of_an_older_aikore_are_taken_over_while_all_cards_are_known(
    server: AiKoreServer, gpus: StandInGpus
) -> None:
    server.create("One", "tells", gpu_ids=["1", "0"])
    assert stored(server, "one") == ["GPU-00000001", "GPU-00000000"]
    server.stop()
    with sqlite3.connect(server.home / "aikore.db") as database:
        database.execute("UPDATE instances SET gpu_ids = ?", (json.dumps(["1", "0"]),))
    gpus.set(2, **dict.fromkeys(("memory_used", "utilization", "temperature", "power"), f"!{LOST}"))
    server.start()
    assert "GPU 2 cannot be read: GPU is lost" in stats(server)["gpu_problem"]
    assert stored(server, "one") == ["1", "0"], "an index may mean another card while one is lost"
    assert server.get("one")["gpu_ids"] == ["1", "0"]
    gpus.set(2, memory_used=GIB, utilization=1, temperature=40, power=1)
    wait_until(lambda: stored(server, "one") == ["GPU-00000001", "GPU-00000000"], 30, "the pins are taken over")
    assert pins(server, "one") == [("1", "ok"), ("0", "ok")]


def test_a_deleted_instance_comes_back_with_its_card(server: AiKoreServer, gpus: StandInGpus) -> None:
    server.create("One", "tells", gpu_ids=["1"])
    server.http.delete("/api/instances/one").raise_for_status()
    gpus.take_away(0)
    wait_until(lambda: len(server.http.get("/api/system/info").json()["gpus"]) == 2)
    entry = server.http.get("/api/trash").json()[0]["id"]
    server.http.post(f"/api/trash/{entry}/restore").raise_for_status()
    assert pins(server, "one") == [("0", "ok")]
    assert server.get("one")["gpus"][0]["uuid"] == "GPU-00000001"


@pytest.mark.parametrize("chosen", [["0", "0"], ["0", "GPU-00000000"], ["GPU-00000001", "2", "1"]])
def test_a_gpu_that_is_named_twice_is_refused(server: AiKoreServer, chosen: list[str]) -> None:
    answer = server.http.post("/api/instances", json={"name": "One", "base_blueprint": "tells", "gpu_ids": chosen})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "chosen twice" in answer.json()["detail"]
    assert server.http.get("/api/instances").json() == []


def test_a_uuid_is_given_to_programs_as_an_index_in_pci_order(server: AiKoreServer) -> None:
    server.create("One", "tells", gpu_ids=["GPU-00000002", "0"])
    seen = told(server, "one")
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["NVIDIA_VISIBLE_DEVICES"]) == ("2,0", "2,0")
    assert seen["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_cards_go_by_their_uuids_while_one_cannot_be_described(
    make: Callable[[], AiKoreServer], gpus: StandInGpus
) -> None:
    gpus.set(0, handle=f"!{UNKNOWN}")
    server = make()
    assert [gpu["id"] for gpu in server.http.get("/api/system/info").json()["gpus"]] == ["1", "2"]
    server.create("One", "tells", gpu_ids=["2"])
    assert told(server, "one")["CUDA_VISIBLE_DEVICES"] == "GPU-00000002"


def test_a_card_that_is_not_this_containers_is_not_counted(make: Callable[[], AiKoreServer], gpus: StandInGpus) -> None:
    gpus.set(0, handle="!4")
    server = make()
    server.create("One", "tells", gpu_ids=["2"])
    assert told(server, "one")["CUDA_VISIBLE_DEVICES"] == "1"


# When GPUs go away ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "helps"), [(UNKNOWN, "recreate it"), (MISMATCH, "Restart the machine")])
def test_gpus_that_all_fail_are_lost_and_nothing_starts_on_the_cpu_instead(
    server: AiKoreServer, gpus: StandInGpus, code: int, helps: str
) -> None:
    server.create("One", "tells", gpu_ids=["1"])
    server.create("Cpu", "tells", gpu_ids=[])
    with server.events() as events:
        wait_until(lambda: states(server) == ["ok"] * 3)
        gpus.break_all(code)
        wait_until(lambda: states(server) == ["lost"] * 3, what="all are lost")
        notice = next(data for data in iter(lambda: json.loads(events.recv(30)), None) if data.get("topic") == "notice")
    assert "GPU 0 (Stand-In 0) does not answer" in notice["data"]["message"]
    assert helps in notice["data"]["message"]
    figures = stats(server)["gpus"][1]
    assert helps in figures["reason"] and figures["temperature"] is None
    status, problem, detail = try_start(server, "one")
    assert (status, problem) == (409, "gpu_gone")
    assert "Stand-In 1" in detail and helps in detail
    assert [pin[1] for pin in pins(server, "one")] == ["lost"]
    assert told(server, "cpu")["AIKORE_GPU_KIND"] == "cpu"
    gpus.mend_all()
    wait_until(lambda: states(server) == ["ok"] * 3, 30, "they heal by themselves")
    assert told(server, "one")["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_driver_that_fails_from_the_start_refuses_pinned_starts_until_it_works(
    server: AiKoreServer, gpus: StandInGpus
) -> None:
    server.create("One", "tells", gpu_ids=["1"])
    server.stop()
    gpus.driver(UNKNOWN)
    server.start()
    assert pins(server, "one") == [(None, "lost")]
    server.create("All", "tells")
    assert told(server, "all")["AIKORE_GPU_KIND"] == "nvidia", "its packages stay those for its GPUs"
    status, code, detail = try_start(server, "one")
    assert (status, code) == (409, "gpu_gone")
    assert "Stand-In 1" in detail and "does not start: Unknown Error" in detail and "recreate it" in detail
    gpus.driver(0)
    assert told(server, "one")["CUDA_VISIBLE_DEVICES"] == "1", "a start tries the driver anew at once"


def test_an_instance_that_starts_by_itself_waits_for_no_card_and_says_what_is_missing(
    server: AiKoreServer, gpus: StandInGpus
) -> None:
    server.create("One", "tells", gpu_ids=["1"], autostart=True)
    server.stop()
    gpus.take_away(1)
    server.start()

    def told_so() -> bool:
        with server.events() as events:
            notices = json.loads(events.recv(10))["data"]["notices"]
        return any("did not start by itself" in one["message"] and "Stand-In 1" in one["message"] for one in notices)

    wait_until(told_so, what="people are told")
    assert server.get("one")["status"] == "stopped"


@pytest.mark.parametrize("field", ["utilization", "temperature", "power", "memory_used", "clock_memory", "pcie_sent"])
@pytest.mark.parametrize("code", [3, UNKNOWN])
def test_one_call_that_fails_costs_that_figure_alone(
    make: Callable[[], AiKoreServer], gpus: StandInGpus, field: str, code: int
) -> None:
    gpus.set(1, **{field: f"!{code}"})
    server = make()
    wait_until(lambda: stats(server)["gpus"][1]["state"] == "ok")
    gpu = stats(server)["gpus"][1]
    flat = {**gpu, "clock_memory": gpu["clocks"]["memory"], "pcie_sent": gpu["pcie"]["sent"]}
    flat["memory_used"] = None if field == "memory_used" else gpu["memory_used"]
    missing = [
        name for name in ("utilization", "temperature", "power", "clock_memory", "pcie_sent") if flat[name] is None
    ]
    assert missing == ([field] if field != "memory_used" else [])
    assert (gpu["clocks"]["graphics"], gpu["pcie"]["received"]) == (1500, 1024 * 1024)


# What a script is told ------------------------------------------------------------------------------------------


def test_a_script_is_told_of_its_own_cards(server: AiKoreServer, gpus: StandInGpus) -> None:
    gpus.set(2, compute="12.0", memory_total=32 * GIB)
    server.http.post("/api/system/restart").raise_for_status()
    wait_until(lambda: "12.0" in [gpu["compute"] for gpu in info(server)], what="the new manager has looked")
    server.create("Two", "tells", gpu_ids=["2", "0"])
    server.create("All", "tells")
    server.create("Cpu", "tells", gpu_ids=[])
    server.create("Own", "tells", gpu_ids=["0"], environment={"CUDA_VISIBLE_DEVICES": ""})
    server.create("Forced", "tells", environment={"AIKORE_GPU_KIND": "cpu"})
    two = told(server, "two")
    assert two["AIKORE_GPU_KIND"] == "nvidia"
    assert two["AIKORE_GPU_DRIVER"] == "580.95.05"
    assert two["AIKORE_GPU_COMPUTE"] == "12.0 8.9"
    assert two["AIKORE_GPU_MEMORY"] == f"{32 * GIB} {24 * GIB}"
    assert told(server, "all")["AIKORE_GPU_COMPUTE"] == "8.9 8.9 12.0"
    assert told(server, "cpu")["AIKORE_GPU_KIND"] == "cpu"
    assert "AIKORE_GPU_KIND" not in told(server, "own"), "what an instance chooses itself is not known"
    assert "kind cpu" in server.log_text("own")
    told(server, "forced")
    assert "kind cpu" in server.log_text("forced")
    assert "kind nvidia" in server.log_text("two"), "without any nvidia-smi"


def info(server: AiKoreServer) -> list[dict[str, Any]]:
    answer = server.http.get("/api/system/info")
    return list(answer.json()["gpus"]) if answer.status_code == 200 else []


# Cards that are different ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [None, 0, 2**63])
def test_a_gpu_that_shares_the_machines_memory_is_listed_and_pinned(
    make: Callable[[], AiKoreServer], gpus: StandInGpus, total: int | None
) -> None:
    gpus.set(1, name="NVIDIA GB10", memory_total=total, memory_used=0 if total else None, compute="12.1")
    server = make()
    server.create("One", "tells", gpu_ids=["1"])
    seen = told(server, "one")
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["AIKORE_GPU_COMPUTE"]) == ("1", "12.1")
    assert seen["AIKORE_GPU_MEMORY"] == str(psutil.virtual_memory().total)
    gpus.processes(1, (server.get("one")["pid"], 2 * GIB, 10))
    wait_until(lambda: own_memory(server).get("1") == 2 * GIB, what="its own figure is there")
    gpu = stats(server)["gpus"][1]
    assert (gpu["state"], gpu["memory_shared"]) == ("ok", True)
    assert gpu["memory_total"] == psutil.virtual_memory().total
    assert 0 < gpu["memory_used"] < gpu["memory_total"]
    assert stats(server)["gpus"][0]["memory_shared"] is False
    gpus.processes(1)
    wait_until(lambda: not own_memory(server).get("1"), what="nothing is concluded from it")


def test_mig_slices_are_listed_and_pinned_by_their_own_uuids(
    make: Callable[[], AiKoreServer], gpus: StandInGpus
) -> None:
    gpus.divide(0, "3g.20gb", "1g.5gb")
    server = make()
    listed = info(server)
    assert [(gpu["id"], gpu["parent"], gpu["divided"]) for gpu in listed] == [
        ("0", None, True), ("0:0", "0", False), ("0:1", "0", False), ("1", None, False), ("2", None, False),
    ]  # fmt: skip
    assert (listed[2]["name"], listed[2]["uuid"]) == ("Stand-In 0 MIG 1g.5gb", "MIG-00000001")
    server.create("One", "tells", gpu_ids=["0:1"])
    seen = told(server, "one")
    assert seen["CUDA_VISIBLE_DEVICES"] == "MIG-00000001"
    assert (seen["AIKORE_GPU_COMPUTE"], seen["AIKORE_GPU_MEMORY"]) == ("8.9", str(10 * GIB))
    gpus.processes("0/slice1", (server.get("one")["pid"], 2 * GIB, 0))
    gpus.processes(0, (server.get("one")["pid"], 2 * GIB, 0))
    wait_until(lambda: own_memory(server) == {"0:1": 2 * GIB}, what="it counts once")
    name = "gpu.0:1.memory"
    answer = server.http.get("/api/system/history", params={"series": name}).raise_for_status()
    assert answer.json()["series"].keys() == {name}


@pytest.mark.parametrize(
    ("slices", "chosen", "says"),
    [
        (["3g.20gb"], ["0"], "choose one of them: 0:0 (Stand-In 0 MIG 3g.20gb)"),
        ([], ["0"], "it has none yet"),
        (["3g.20gb", "1g.5gb"], ["0:0", "0:1"], "one MIG slice"),
        (["3g.20gb"], ["MIG-00000000", "1"], "one MIG slice"),
    ],
)
def test_what_mig_cannot_do_is_refused_in_words(
    make: Callable[[], AiKoreServer], gpus: StandInGpus, slices: list[str], chosen: list[str], says: str
) -> None:
    gpus.divide(0, *slices)
    server = make()
    answer = server.http.post("/api/instances", json={"name": "One", "base_blueprint": "tells", "gpu_ids": chosen})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert says in answer.json()["detail"]


def test_gpus_of_amd_are_remembered_by_their_pci_address(aikore_factory: House) -> None:
    server = aikore_factory(sample_interval=0.1, sample_idle_interval=0.1)
    server.variables["PYTHONPATH"] = str(Path(__file__).parents[1] / "apps" / "amd")
    server.start()
    server.blueprint("tells", TELLS, ready="process")
    server.create("One", "tells", gpu_ids=["amd0"])
    assert stored(server, "one") == ["0000:03:00.0"]
    assert server.get("one")["gpu_ids"] == ["amd0"]
    seen = told(server, "one")
    assert (seen["AIKORE_GPU_KIND"], seen["AIKORE_GPU_DRIVER"], seen["AIKORE_GPU_COMPUTE"]) == (
        "amd",
        "6.10.5",
        "gfx1100",
    )
