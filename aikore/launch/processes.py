"""Finds and ends what a killed keeper left running, by the mark of its run."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from aikore import procfs
from aikore.launch.keeper import descendants

RUN_MARK = "AIKORE_RUN"


def marked(run_uuid: str) -> set[int]:
    """Return the processes that carry ``AIKORE_RUN=<run_uuid>`` in their environment."""
    return procfs.marked(RUN_MARK, run_uuid)


def kill_marked(run_uuid: str, patience: float = 5.0) -> set[int]:
    """Kill what a dead keeper left behind, children of the found ones too; return the PIDs that would not go.

    Blocks up to ``patience`` seconds: run it in a thread.
    """
    deadline = time.monotonic() + patience
    while True:
        left = marked(run_uuid)
        for pid in list(left):
            left |= descendants(pid)
        left = {pid for pid in left - {os.getpid()} if procfs.stat(pid)}
        if not left or time.monotonic() > deadline:
            return left
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        time.sleep(0.01)
