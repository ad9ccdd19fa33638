"""Reads ``run.json``, the keeper's record. Apps can write to it, so nothing it says is taken unchecked."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aikore.base import disk, procfs
from aikore.launch import living
from aikore.launch.keeper.process import machine_session
from aikore.launch.keeper.record import PROTOCOL, RECORD_SIZE
from aikore.launch.layout import RECORD_NAME
from aikore.launch.protocol import RunExit, RunRecord

NUMBER_MAX = 2**31
TIME_MAX = 2.0**33


def read_record(folder: Path) -> RunRecord | None:
    """Return what the record in ``folder`` says, or None when there is none that can be read."""
    for _ in range(3):  # an overwrite in place may be seen half
        try:
            return parse_record(disk.read_small(folder / RECORD_NAME, RECORD_SIZE))
        except ValueError:
            time.sleep(0.001)
        except OSError:
            return None
    return None


def read_descriptor(fd: int) -> RunRecord | None:
    """Return what the record that is open as ``fd`` says, or None when it cannot be read."""
    for _ in range(3):
        try:
            return parse_record(os.pread(fd, RECORD_SIZE, 0))
        except ValueError:
            time.sleep(0.001)
        except OSError:
            return None
    return None


def parse_record(text: bytes) -> RunRecord:
    """Return a record from its JSON text. Raises ValueError when it is none."""
    try:
        return _record(json.loads(text))
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no record: {error}") from error


def _record(data: Mapping[str, Any]) -> RunRecord:
    if data["protocol"] != PROTOCOL:
        raise ValueError(f"run.json has protocol {data['protocol']}")
    folder = data.get("folder")
    return RunRecord(
        run=_whole(data["run"], NUMBER_MAX),
        uuid=_text(data["uuid"]),
        session=_text(data["session"]),
        keeper_pid=_whole(data["keeper_pid"], NUMBER_MAX, 1),
        keeper_start=_whole(data["keeper_start"]),
        pid=_known(data["pid"], NUMBER_MAX, 1),
        state=_text(data["state"]),
        started_at=_moment(data["started_at"]),
        log_offset=_whole(data["log_offset"]),
        folder_id=None if folder is None else (_whole(folder[0], 2**64), _whole(folder[1], 2**64)),
        script_start=_known(data.get("script_start")),
        pipe=_known(data.get("pipe")),
        port=_known(data.get("port"), 65536, 1),
        exit=RunExit(
            code=_known(data["exit_code"], 256),
            signal=None if data["exit_signal"] is None else _text(data["exit_signal"]),
            requested=data["requested"] is True,
            ended_at=None if data["ended_at"] is None else _moment(data["ended_at"]),
            words_end=_known(data.get("words_end")),
        ),
    )


def _whole(value: object, below: int = 2**62, least: int = 0) -> int:
    if type(value) is not int or not least <= value < below:
        raise ValueError(f"{value!r} is no number from {least} to below {below}")
    return value


def _known(value: object, below: int = 2**62, least: int = 0) -> int | None:
    return None if value is None else _whole(value, below, least)


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < TIME_MAX:
        raise ValueError(f"{value!r} is no time")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError(f"{value!r} is no short text")
    return value


def rebuild(one: living.Keeper) -> RunRecord:
    """Make the record of a living keeper anew from its orders and /proc."""
    table = procfs.table()
    children = {pid: found for pid, found in table.items() if found.parent == one.pid and found.session == pid}
    script = min(children, key=lambda pid: children[pid].start, default=None)
    return RunRecord(
        run=one.run,
        uuid=one.uuid,
        session=machine_session(),
        keeper_pid=one.pid,
        keeper_start=one.start,
        pid=script,
        state="running",
        started_at=procfs.started_at(one.start),
        folder_id=one.folder_id,
        script_start=children[script].start if script else None,
    )
