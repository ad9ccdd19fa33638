"""NVIDIA's GPUs by the real binding, in this process, from a stand-in for the library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.gpus import StandInGpus

DENIED = """
import errno, os, sys
from pathlib import Path
from aikore.monitor import nvidia
reader = nvidia.NvidiaReader(Path(sys.argv[1]))
(gpu,) = reader.open()
def deny(path, flags, *more):
    if str(path) == sys.argv[1]:
        raise PermissionError(errno.EPERM, "Operation not permitted")
    return really(path, flags, *more)
reader.read(gpu)
really, os.open = os.open, deny
try:
    reader.read(gpu)
except nvidia.GpuLostError as error:
    print(error)
"""


@pytest.fixture
def gpus(tmp_path: Path) -> StandInGpus:
    return StandInGpus(tmp_path, 1)


def test_a_container_that_lost_its_right_to_the_device_has_lost_its_gpus(tmp_path: Path, gpus: StandInGpus) -> None:
    """NVML goes on with what it has open, but every new program finds no GPU."""
    device = tmp_path / "nvidiactl"
    device.touch()
    command = [sys.executable, "-c", DENIED, str(device)]
    done = subprocess.run(command, env=gpus.variables, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"{device} may not be opened any more. In a container: recreate it"), done
