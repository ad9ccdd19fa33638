"""How opening, searching and following a 2 GB log compares with `grep -c` on the same files, and what memory it takes.

python bench/logs.py [GIGABYTES]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent))

from aikore.launch.keeper.log import Log
from aikore.logs.follow import Data, follow
from aikore.logs.reader import read_text, tail_offset
from aikore.logs.search import search
from aikore.logs.segments import view

T = TypeVar("T")
ROTATE = 64 * 2**20
LINE = b"2026-01-01 12:00:00 INFO sampler: step %012d of 1000000 took 12.3 ms, loss 0.0123, memory 7.9 GB\n"


def memory(name: str) -> float:
    """Return VmRSS (now) or VmHWM (peak since the last reset) in MB, see proc(5)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def reset_peak() -> float:
    """Let the kernel measure the peak anew; return what is used now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def write(log: Log, size: int) -> int:
    number, end = 0, log.offset + size
    while log.offset < end:
        log.write(b"".join(LINE % at for at in range(number, number + 10000)))
        number += 10000
    return number


def grep(folder: Path, text: str) -> int:
    files = sorted(str(path) for path in folder.glob("output*.log"))
    counts = subprocess.run(["grep", "-ciF", text, *files], capture_output=True, text=True).stdout
    return sum(int(line.rsplit(":", 1)[-1]) for line in counts.split())


def open_tail(folder: Path) -> int:
    with view(folder) as log:
        return len(read_text(log, tail_offset(log, 65536), 65536).text)


def search_all(folder: Path, text: str) -> int:
    found, at, done = 0, 0, False
    while not done:
        with view(folder) as log:
            result = search(log, text, at, limit=1000)
        found, at, done = found + len(result.matches), result.next, result.done
    return found


async def follow_while_written(log: Log, folder: Path, size: int) -> tuple[int, float]:
    frames = follow(folder, tail=0)
    start = await anext(frames)
    writer = threading.Thread(target=write, args=(log, size))
    began = time.perf_counter()
    writer.start()
    count, end = 0, log.offset
    async for frame in frames:
        count += 1
        if isinstance(frame, Data):
            end = frame.next
        if not writer.is_alive() and end >= log.offset:
            break
    return count, (end - start.offset) / 2**20 / (time.perf_counter() - began)  # type: ignore[union-attr]


def main() -> None:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 2) * 2**30)
    with tempfile.TemporaryDirectory(prefix="aikore-bench-") as name:
        folder = Path(name) / "logs"
        folder.mkdir()
        log = Log(str(folder), ROTATE, 1000)
        _, seconds = timed(lambda: write(log, size))
        print(f"written: {log.offset / 2**30:.2f} GB in {len(list(folder.glob('*.log')))} files, {seconds:.1f} s")
        baseline = reset_peak()
        _, opened = timed(lambda: open_tail(folder))
        print(f"open the tail: {opened * 1000:.1f} ms")
        for text in ("of 2000000", "step 000001234567"):
            expected, reference = timed(lambda text=text: grep(folder, text))
            found, own = timed(lambda text=text: search_all(folder, text))
            assert found == expected, (found, expected)
            print(
                f"search {text!r}: {own:.2f} s, grep -ciF {reference:.2f} s, ratio {own / reference:.2f}, {found} found"
            )
        print(f"peak memory growth of opening and searching: {memory('VmHWM') - baseline:.1f} MB")
        baseline = reset_peak()
        frames, speed = asyncio.run(follow_while_written(log, folder, size // 8))
        print(f"follow: {speed:.0f} MB/s with the writer in the same process, {frames} frames")
        print(f"peak memory growth of following, writer included: {memory('VmHWM') - baseline:.1f} MB")


if __name__ == "__main__":
    main()
