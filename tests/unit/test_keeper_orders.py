"""What manager and keeper tell each other keeps its form: they may be of different versions of AiKore."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aikore.launch.keeper.orders import Assignment, Orders
from aikore.launch.keeper.record import RECORD_SIZE, Record
from aikore.launch.protocol import RunSpec
from aikore.launch.records import parse_record
from aikore.launch.spawn import orders_for

ORDERS = {
    "run": 7,
    "uuid": "u",
    "command": ["bash", "launch.sh"],
    "environment": {"PATH": "/bin", "AIKORE_RUN": "u"},
    "folder": "/home/x",
    "logs": "/home/x/logs",
    "record": "/home/x/run.json",
    "rotate_bytes": 100,
    "keep": 3,
    "stop_signal": "SIGINT",
    "stop_grace": 1.5,
    "open_files": 1024,
    "leftovers": ["/tmp/socket"],
}
"""Orders of AiKore 0.1.0."""

RECORD = {
    "protocol": 1,
    "run": 7,
    "uuid": "u",
    "folder": [1, 2],
    "session": "boot-1",
    "keeper_pid": 10,
    "keeper_start": 100,
    "pid": 11,
    "script_start": 101,
    "pipe": 12,
    "port": 8000,
    "state": "exited",
    "started_at": 1.0,
    "log_offset": 5,
    "requested": True,
    "exit_code": None,
    "exit_signal": "SIGKILL",
    "ended_at": 2.0,
    "words_end": 9,
}
"""A record of AiKore 0.1.0."""


def test_orders_keep_their_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aikore.base.limits.own_of_others", lambda: 1024)
    folder = Path("/home/x")
    spec = RunSpec(
        "x", 7, folder, ("bash", "launch.sh"), {"PATH": "/bin"}, "SIGINT", 1.5, 100, 3, (Path("/tmp/socket"),)
    )
    told = json.loads(orders_for(spec, "u").encode())
    assert told == {"version": 1, **ORDERS}


def test_a_keeper_understands_orders_of_older_managers() -> None:
    orders = Orders.decode(json.dumps(ORDERS).encode())
    assert orders == Orders.decode(orders.encode())
    assert (orders.command, orders.stop_grace, orders.leftovers) == (("bash", "launch.sh"), 1.5, ("/tmp/socket",))
    without = {name: value for name, value in ORDERS.items() if name not in ("open_files", "leftovers")}
    orders = Orders.decode(json.dumps(without).encode())
    assert (orders.open_files, orders.leftovers) == (None, ())


def test_a_keeper_refuses_orders_of_another_version() -> None:
    with pytest.raises(ValueError, match="version 2"):
        Orders.decode(json.dumps({**ORDERS, "version": 2}).encode())


def test_a_keeper_of_any_version_is_known_by_its_orders() -> None:
    told = {"version": 2, "run": 3, "uuid": "u", "folder": "/home/x", "stop_grace": 1}
    assert Assignment.decode(json.dumps(told).encode()) == Assignment(3, "u", "/home/x", 1.0)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff", b'{"run": 1}', b'{"run": Infinity, "uuid": "u"}']
)
def test_what_are_no_orders_is_a_plain_error(text: bytes) -> None:
    for decode in (Orders.decode, Assignment.decode):
        with pytest.raises(ValueError):
            decode(text)


def test_the_record_keeps_its_form() -> None:
    record = Record(
        run=7, uuid="u", folder=(1, 2), session="boot-1", keeper_pid=10, keeper_start=100, pid=11, script_start=101,
        pipe=12, port=8000, state="exited", started_at=1.0, log_offset=5, requested=True, exit_code=None,
        exit_signal="SIGKILL", ended_at=2.0, words_end=9,
    )  # fmt: skip
    assert json.loads(record.encode()) == RECORD
    assert list(json.loads(record.encode())) == list(RECORD)
    read = parse_record(record.encode().ljust(RECORD_SIZE))
    assert (read.pid, read.pipe, read.port, read.state) == (11, 12, 8000, "exited")
    assert (read.exit.signal, read.exit.requested, read.exit.words_end) == ("SIGKILL", True, 9)
