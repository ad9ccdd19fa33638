"""Which GPUs there are. Asks NVIDIA's library once per call; without a driver there are none."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. ``id`` is its index as text; ``memory_total`` in bytes."""

    id: str
    index: int
    name: str
    uuid: str
    memory_total: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def list_gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs in PCI bus order; an empty list where there is no driver. Blocks: use a thread."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        log.debug("no NVIDIA driver: %s", error)
        return []
    try:
        return [_describe(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        log.warning("the NVIDIA driver does not answer: %s", error)
        return []
    finally:
        pynvml.nvmlShutdown()


def _describe(pynvml: Any, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    return Gpu(str(index), index, str(pynvml.nvmlDeviceGetName(handle)), str(pynvml.nvmlDeviceGetUUID(handle)), memory)
