"""GPUs for machines without any: a stand-in for NVIDIA's library, compiled here, that tells what lies in files.

AiKore's own binding (``pynvml``) loads it like the real one, by ``LD_LIBRARY_PATH``.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "apps" / "nvml.c"
GIB = 2**30

LOST = 15
"""NVML_ERROR_GPU_IS_LOST."""


@cache
def library() -> Path:
    """Return the folder with ``libnvidia-ml.so.1``, compiled once by each worker."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler, "these tests need a C compiler: apt install gcc libc6-dev"
    folder = Path(tempfile.mkdtemp(prefix="aikore-nvml-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", folder / "libnvidia-ml.so.1", SOURCE]
    subprocess.run(command, check=True)
    return folder


class StandInGpus:
    """GPUs whose figures the test sets."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder / "gpus"
        self.variables = {"LD_LIBRARY_PATH": str(library()), "NVML_STANDIN": str(self._folder)}
        self._folder.mkdir()
        for index in range(count):
            (self._folder / str(index)).mkdir()
            self.set(
                index, name=f"Stand-In {index}", uuid=f"GPU-{index:08x}", memory_total=24 * GIB, memory_used=GIB,
                utilization=10 + index, temperature=40 + index, power=50_000, power_limit=350_000, clock_graphics=1500,
                clock_memory=9000, fan=30, pcie_generation=4, pcie_width=16, pcie_received=1024, pcie_sent=2048,
                throttle=0, ecc_corrected=2, ecc_uncorrected=0,
            )  # fmt: skip

    def set(self, index: int, **figures: object) -> None:
        """Set figures; ``None`` makes one unsupported, "!15" an error."""
        for field, value in figures.items():
            path = self._folder / str(index) / field
            if value is None:
                path.unlink(missing_ok=True)
            else:
                fresh = path.with_name(f".{field}")
                fresh.write_text(f"{value}\n")
                fresh.replace(path)

    def processes(self, index: int, *processes: tuple[int, int, int]) -> None:
        """Set the processes the driver names: PID, bytes, percent."""
        self.set(index, processes="\n".join(f"{pid} {used} {busy}" for pid, used, busy in processes) or "0")

    def hang(self, index: int, hangs: bool = True) -> None:
        """Make every call about a GPU wait, or go on."""
        self.set(index, hang=1 if hangs else None)

    def take_away(self, index: int) -> None:
        """Let the last GPU fall off the bus: its calls fail, and the driver names it no more when asked anew."""
        self.set(index, uuid=None, **dict.fromkeys(("memory_used", "utilization", "temperature"), f"!{LOST}"))

    def driver(self, code: int) -> None:
        """Set what the driver answers when it is opened."""
        (self._folder / "driver").write_text(f"{code}\n")
