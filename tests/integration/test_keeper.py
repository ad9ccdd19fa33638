"""Real keepers with programs that misbehave on purpose."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aikore.base import procfs
from aikore.base.errors import ConflictError, StorageError
from aikore.launch import orphans
from aikore.launch.local import LocalHandle, LocalLauncher
from aikore.launch.protocol import RunRecord
from tests.helpers.keepers import Bench, ended


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.clean_up()


async def test_stdout_and_stderr_arrive_in_the_order_written(bench: Bench) -> None:
    script = "for i in $(seq 200); do echo out $i; echo err $i >&2; done"
    assert await ended(await bench.run(script)) == (0, None)
    assert bench.log().split("\n")[:-1] == [f"{kind} {i}" for i in range(1, 201) for kind in ("out", "err")]


@pytest.mark.parametrize(
    ("script", "expected"), [("exit 0", (0, None)), ("exit 3", (3, None)), ("kill -SEGV $$", (None, "SIGSEGV"))]
)
async def test_the_exit_is_told_exactly(bench: Bench, script: str, expected: tuple[int | None, str | None]) -> None:
    assert await ended(await bench.run(script)) == expected


async def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(bench: Bench) -> None:
    handle = await bench.run("trap '' TERM; echo up; while :; do sleep 0.05; done", stop_grace=0.3)
    await bench.wait_for(lambda: "up" in bench.log())
    handle.stop()
    assert (await ended(handle))[1] == "SIGKILL"
    await bench.gone(handle)


async def test_the_chosen_stop_signal_is_sent(bench: Bench) -> None:
    handle = await bench.run(
        "trap 'echo interrupted; exit 0' INT; echo up; while :; do sleep 0.05; done", stop_signal="SIGINT"
    )
    await bench.wait_for(lambda: "up" in bench.log())
    handle.stop()
    await ended(handle)
    assert "interrupted" in bench.log()


async def test_a_daemon_that_detaches_is_ended_too(bench: Bench) -> None:
    handle = await bench.run(
        "(setsid bash -c 'trap \"\" TERM HUP; while :; do sleep 0.05; done' </dev/null >/dev/null 2>&1 &)\n"
        "echo up; sleep 1000"
    )
    await bench.wait_for(lambda: "up" in bench.log())
    handle.stop()
    await ended(handle)
    await bench.gone(handle)


async def test_exit_zero_with_a_daemon_goes_on_until_the_daemon_ends(bench: Bench) -> None:
    handle = await bench.run("(setsid sleep 0.5 &)\nexit 0")
    began = time.monotonic()
    assert await ended(handle) == (0, None)
    assert time.monotonic() - began > 0.3


async def test_failing_with_a_daemon_ends_the_daemon(bench: Bench) -> None:
    handle = await bench.run("(setsid sleep 1000 &)\nexit 4")
    assert await ended(handle) == (4, None)
    await bench.gone(handle)


async def test_a_bomb_of_200_is_ended(bench: Bench) -> None:
    handle = await bench.run(
        "trap '' TERM; for i in $(seq 200); do (trap '' TERM; while :; do sleep 1; done) & done; echo up; wait",
        stop_grace=0.2,
    )
    await bench.wait_for(lambda: "up" in bench.log())
    handle.stop()
    await ended(handle, 30)
    await bench.gone(handle)


async def test_a_program_that_closes_its_output_goes_on(bench: Bench) -> None:
    handle = await bench.run("echo last; exec >/dev/null 2>&1; sleep 0.4; exit 5")
    assert await ended(handle) == (5, None)
    assert bench.log() == "last\n"


async def test_a_flood_of_output_loses_nothing(bench: Bench) -> None:
    handle = await bench.run("seq 1 2000000", rotate_bytes=2**20, keep=100)
    assert await ended(handle, 60) == (0, None)
    logs = sorted((bench.folder / "logs").glob("output.0*.log"))
    text = b"".join(path.read_bytes() for path in [*logs, bench.folder / "logs" / "output.log"])
    assert text.split() == [b"%d" % n for n in range(1, 2000001)]


async def test_a_killed_keeper_leaves_nothing_and_reads_lost(bench: Bench) -> None:
    handle = await bench.run("(setsid sleep 1000 &) ; sleep 1000")
    await bench.wait_for(lambda: len(orphans.marked(handle.record.uuid)) >= 3)
    os.kill(handle.record.keeper_pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        assert (await handle.wait()).lost
    await bench.gone(handle)


async def test_a_living_run_is_adopted_and_its_exit_known(bench: Bench) -> None:
    first = await bench.run("while [ ! -e go ]; do sleep 0.02; done; exit 6")
    first.close()
    second = await LocalLauncher().adopt(bench.folder)
    assert isinstance(second, LocalHandle)
    assert second.record == first.record
    (bench.folder / "go").touch()
    assert await ended(second) == (6, None)


async def test_an_exit_nobody_watched_is_known_afterwards(bench: Bench) -> None:
    first = await bench.run("exit 9")
    first.close()
    await bench.wait_for(lambda: not procfs.alive(first.record.keeper_pid, first.record.keeper_start))
    found = await LocalLauncher().adopt(bench.folder)
    assert isinstance(found, RunRecord)
    assert (found.ended, found.exit.code) == (True, 9)


def test_a_process_number_that_was_given_anew_is_somebody_else() -> None:
    start = procfs.start_time(os.getpid())
    assert start is not None
    assert procfs.alive(os.getpid(), start)
    assert not procfs.alive(os.getpid(), start - 1)


async def test_a_second_run_of_one_folder_is_refused(bench: Bench) -> None:
    await bench.run("sleep 1000")
    with pytest.raises(ConflictError):
        await bench.run("echo double")


async def test_the_lock_ends_with_the_keeper_and_not_before(bench: Bench) -> None:
    for _ in range(10):
        handle = await bench.run("sleep 1000")
        os.kill(handle.record.keeper_pid, signal.SIGKILL)
        await ended(handle)


async def test_a_folder_that_cannot_be_written_is_a_clear_error(bench: Bench) -> None:
    (bench.folder / "logs").mkdir()
    (bench.folder / "logs" / "output.log").mkdir()
    with pytest.raises(StorageError, match="could not write"):
        await bench.run("true")


async def test_a_keeper_is_small(bench: Bench) -> None:
    handle = await bench.run("sleep 1000")
    await bench.wait_for(lambda: handle.pids())
    rollup = Path(f"/proc/{handle.record.keeper_pid}/smaps_rollup").read_text()
    assert int(rollup.split("Pss:")[1].split()[0]) <= 12 * 1024


async def test_real_nested_bars_are_stored_once_by_a_keeper_that_stays_small(bench: Bench) -> None:
    script = """
python3 - <<'END'
import sys, time
for step in range(301):
    frame = "".join("\\n" * n + f"\\rbar {n}: {step:3d}" + "\\x1b[A" * n for n in range(8))
    sys.stdout.write(frame); sys.stdout.flush()
print("\\n" * 7)
END
echo drawn; until [ -e seen ]; do sleep 0.05; done
"""
    handle = await bench.run(script)
    await bench.wait_for(lambda: "drawn" in bench.log())
    rollup = Path(f"/proc/{handle.record.keeper_pid}/smaps_rollup").read_text()
    assert int(rollup.split("Pss:")[1].split()[0]) <= 12 * 1024
    (bench.folder / "seen").touch()
    assert await ended(handle) == (0, None)
    assert bench.log().split() == [*" ".join(f"bar {n}: 300" for n in range(8)).split(), "drawn"]
