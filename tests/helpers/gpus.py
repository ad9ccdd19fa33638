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
MISMATCH = 18
"""NVML_ERROR_LIB_RM_VERSION_MISMATCH."""
UNKNOWN = 999
"""NVML_ERROR_UNKNOWN."""


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
    """GPUs whose figures the test sets. They are named by slot; the driver counts those that are there."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder / "gpus"
        self.variables = {"LD_LIBRARY_PATH": str(library()), "NVML_STANDIN": str(self._folder)}
        self._folder.mkdir()
        _write(self._folder / "driver_version", "580.95.05")
        for index in range(count):
            (self._folder / str(index)).mkdir()
            self.set(
                index, name=f"Stand-In {index}", uuid=f"GPU-{index:08x}", memory_total=24 * GIB, memory_used=GIB,
                utilization=10 + index, temperature=40 + index, power=50_000, power_limit=350_000, clock_graphics=1500,
                clock_memory=9000, fan=30, pcie_generation=4, pcie_width=16, pcie_received=1024, pcie_sent=2048,
                throttle=0, ecc_corrected=2, ecc_uncorrected=0, compute="8.9", pci=f"00000000:{index + 1:02X}:00.0",
            )  # fmt: skip

    def set(self, index: int | str, **figures: object) -> None:
        """Set figures; ``None`` makes one unsupported, "!15" an error."""
        for field, value in figures.items():
            path = self._folder / str(index) / field
            if value is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, value)

    def processes(self, index: int | str, *processes: tuple[int, int | str, int]) -> None:
        """Set the processes the driver names: PID, bytes ("-": not available), percent."""
        self.set(index, processes="\n".join(f"{pid} {used} {busy}" for pid, used, busy in processes) or "0")

    def hang(self, index: int, hangs: bool = True) -> None:
        """Make every call about a GPU wait, or go on."""
        self.set(index, hang=1 if hangs else None)

    def take_away(self, index: int) -> None:
        """Let a GPU fall off the bus: its calls fail, and the driver names it no more when asked anew."""
        self.set(index, uuid=None)

    def divide(self, index: int, *slices: str) -> None:
        """Put a GPU into MIG mode, with slices of these profiles such as "3g.20gb"; its own load is told no more."""
        self.set(index, mig=1, utilization=None)
        for number, profile in enumerate(slices):
            (self._folder / str(index) / f"slice{number}").mkdir()
            self.set(
                f"{index}/slice{number}", name=f"Stand-In {index} MIG {profile}", uuid=f"MIG-{index:04x}{number:04x}",
                memory_total=10 * GIB, memory_used=GIB,
            )  # fmt: skip

    def driver(self, code: int) -> None:
        """Set what the driver answers when it is opened."""
        _write(self._folder / "driver", code)

    def break_all(self, code: int = UNKNOWN) -> None:
        """Make every call about every GPU fail, and the driver too when it is opened anew."""
        self.driver(code)
        _write(self._folder / "every", code)

    def mend_all(self) -> None:
        """Undo :meth:`break_all`."""
        self.driver(0)
        (self._folder / "every").unlink()


def _write(path: Path, value: object) -> None:
    """Write a file as a whole: the library reads it at any time."""
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(f"{value}\n")
    fresh.replace(path)
