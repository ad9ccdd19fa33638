"""Programs that misbehave on purpose, below a real AiKore: its word about them, and nothing left after a stop."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aikore.base import procfs
from aikore.launch import orphans
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

Factory = Callable[..., AiKoreServer]
GRACE = 0.5
DEAF = "trap '' TERM HUP INT; while :; do sleep 0.5; done"
DAEMON = f"(env -i setsid bash -c 'echo $$ >daemon; {DEAF}' </dev/null >/dev/null 2>&1 &)".replace("''", '""')
"""A shell line that leaves a daemon: deaf, in a session of its own, without a mark in its environment."""


@pytest.fixture
def house(aikore_factory: Factory) -> AiKoreServer:
    """An AiKore with little patience."""
    return aikore_factory(stop_grace=GRACE, health_interval=0.2, health_timeout=0.6).start()


def begin(house: AiKoreServer, script: str, status: str = "started", **header: object) -> Path:
    """Start a program, wait for its status and for what it says when it is up; return its folder."""
    house.blueprint("stubborn", script, **({"ready": "process"} | header))
    house.create("s", "stubborn")
    house.post("s", "start")
    house.wait_status("s", status)
    return house.home / "instances" / "s"


def said(house: AiKoreServer, text: str) -> None:
    wait_until(lambda: text in house.log_text("s"), 20, f"it says {text!r}")


def number_in(path: Path) -> int:
    """Return the process number that a program writes into a file, once it is there."""
    return int(wait_until(lambda: path.exists() and path.read_text().strip()))


def alive(pid: int) -> bool:
    start = procfs.start_time(pid)
    return start is not None and procfs.alive(pid, start)


def stopped_for_good(house: AiKoreServer, *detached: int) -> None:
    """Stop the program; it must be told as stopped soon after the grace, and nothing of its run may be left."""
    record = house.record("s")
    assert orphans.marked(record["uuid"]) or any(map(alive, detached))
    began = time.monotonic()
    house.post("s", "stop")
    told = house.wait_status("s", "stopped", "error")
    assert time.monotonic() - began < GRACE + 5
    assert (told["status"], told["pid"]) == ("stopped", None)
    assert orphans.marked(record["uuid"]) == set()
    assert not any(map(alive, (record["keeper_pid"], *detached)))


def test_one_that_ignores_every_request_to_end(house: AiKoreServer) -> None:
    begin(house, f"echo up; {DEAF}")
    said(house, "up")
    stopped_for_good(house)
    assert house.get("s")["exit_signal"] == "SIGKILL"


def test_one_that_detaches_a_daemon_without_a_mark(house: AiKoreServer) -> None:
    folder = begin(house, f"{DAEMON}; sleep 1000")
    stopped_for_good(house, number_in(folder / "daemon"))


def test_one_that_ends_with_zero_and_leaves_a_daemon(house: AiKoreServer) -> None:
    folder = begin(house, f"{DAEMON}; exit 0")
    daemon = number_in(folder / "daemon")
    script = house.record("s")["pid"]
    wait_until(lambda: not alive(script))
    assert house.get("s")["status"] == "started"
    stopped_for_good(house, daemon)


def test_one_whose_left_daemon_ends_by_itself_reads_finished(house: AiKoreServer) -> None:
    folder = begin(house, f"{DAEMON}; exit 0")
    os.kill(number_in(folder / "daemon"), signal.SIGKILL)
    assert house.wait_status("s", "stopped", "error")["status_detail"] == "finished"


def test_one_that_fails_and_leaves_a_daemon(house: AiKoreServer) -> None:
    folder = begin(house, f"{DAEMON}; until [ -s daemon ]; do sleep 0.02; done; exit 4", "error")
    assert house.get("s")["exit_code"] == 4
    assert not alive(number_in(folder / "daemon"))


def test_two_hundred_that_ignore_every_request_to_end(house: AiKoreServer) -> None:
    begin(house, f"for i in $(seq 200); do ({DEAF}) & done; echo up; wait")
    said(house, "up")
    stopped_for_good(house)


def test_one_that_closes_its_output(house: AiKoreServer) -> None:
    begin(house, f"echo last words; exec >&- 2>&-; touch closed; {DEAF}")
    wait_until((house.home / "instances/s/closed").exists)
    assert house.get("s")["status"] == "started"
    assert house.log_text("s") == "last words\n"
    stopped_for_good(house)


def test_one_that_never_listens(house: AiKoreServer) -> None:
    begin(house, DEAF, "stalled", ready={"path": "/", "timeout": 0.3})
    assert "no answer on port" in house.get("s")["status_detail"]
    stopped_for_good(house)


def test_one_that_stops_answering_reads_stalled_until_it_answers_again(house: AiKoreServer) -> None:
    begin(house, HTTP_APP, ready={"path": "/"})
    app = house.get("s")["pid"]
    for _ in range(2):
        os.kill(app, signal.SIGSTOP)
        assert "has not answered" in house.wait_status("s", "stalled")["status_detail"]
        os.kill(app, signal.SIGCONT)
        assert house.wait_status("s", "started")["pid"] == app
    os.kill(app, signal.SIGSTOP)
    house.wait_status("s", "stalled")
    stopped_for_good(house)


# A flood of output ------------------------------------------------------------------------------------------------

ROTATE, KEEP = 8 * 2**20, 3
FLOOD = "trap '' TERM; printf 'x%.0s' {1..999} >line; exec yes \"$(<line)\""


def keeper_memory(house: AiKoreServer) -> int:
    """Return the keeper's share of memory in KiB."""
    rollup = Path(f"/proc/{house.record('s')['keeper_pid']}/smaps_rollup").read_text()
    return int(rollup.split("Pss:")[1].split()[0])


def log_bytes(folder: Path) -> int:
    total = 0
    for path in (folder / "logs").iterdir():
        with suppress(FileNotFoundError):  # rotated away meanwhile
            total += path.stat().st_size
    return total


def flood(factory: Factory, seconds: float) -> None:
    """Let a program print as fast as it can and look meanwhile at the log, the keeper and the manager."""
    house = factory(stop_grace=GRACE, log_rotate_bytes=ROTATE, log_keep=KEEP).start()
    folder = begin(house, FLOOD)
    wait_until(lambda: len(list((folder / "logs").glob("output.0*.log"))) >= KEEP)
    first, began = keeper_memory(house), time.monotonic()
    memories, answers = [], []
    while time.monotonic() - began < seconds:
        asked = time.monotonic()
        house.get("s")
        answers.append(time.monotonic() - asked)
        memories.append(keeper_memory(house))
        assert log_bytes(folder) < (KEEP + 2) * ROTATE
    newest = max((folder / "logs").glob("output.0*.log"))
    written = int(newest.name.split(".")[1])
    print(
        f"{written / 1e6 / seconds:.0f} MB/s; keeper {first}..{max(memories)} KiB; "
        f"answers: median {statistics.median(answers) * 1e3:.1f} ms, slowest {max(answers) * 1e3:.1f} ms"
    )
    assert max(memories) <= 12 * 1024
    assert statistics.quantiles(answers, n=20)[-1] < 0.1
    assert house.get("s")["status"] == "started"
    stopped_for_good(house)


def test_one_that_floods_its_output(aikore_factory: Factory) -> None:
    flood(aikore_factory, 2)


@pytest.mark.soak
def test_one_that_floods_its_output_for_a_minute(aikore_factory: Factory) -> None:
    flood(aikore_factory, 65)
