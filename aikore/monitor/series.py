"""The names of series and their values in a sample. The one place that knows both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aikore.monitor.figures import GpuFigures, InstanceFigures, Stats

NAME = re.compile(
    r"cpu|load|memory|swap|disk|disk\.(read|write)|network\.(received|sent)|manager\.(cpu|memory)"
    r"|gpu\.([a-z0-9:]{1,16}|\*)\.(utilization|memory|temperature|power)"
    r"|instance\.([0-9]{1,18}|\*)\.(cpu|memory|gpu|gpu_memory|gpu\.([a-z0-9:]{1,16}|\*)\.memory)"
)
"""What may be asked for; ``*`` stands for every GPU or instance."""


def expand(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the wanted names, each once, with those that the ones with a ``*`` stand for in their place."""
    found: dict[str, None] = {}
    for name in wanted:
        if "*" not in name:
            found[name] = None
            continue
        pattern = re.compile(re.escape(name).replace(r"\*", "[^.]+"))
        found.update(dict.fromkeys(one for one in known if pattern.fullmatch(one)))
    return list(found)


def values(stats: Stats) -> dict[str, float]:
    """Return the series of a sample; what is unknown is left out."""
    return {name: value for name, value in _all(stats) if value is not None}


def _all(stats: Stats) -> Iterator[tuple[str, float | None]]:
    host, manager = stats["host"], stats["manager"]
    yield "cpu", host["cpu"]
    yield "load", host["load"][0]
    yield "memory", host["memory"]["used"]
    yield "swap", host["swap"]["used"]
    yield "disk", host["disk"]["used"]
    yield "disk.read", host["disk"]["read"]
    yield "disk.write", host["disk"]["write"]
    yield "network.received", host["network"]["received"]
    yield "network.sent", host["network"]["sent"]
    yield "manager.cpu", manager["cpu"]
    yield "manager.memory", manager["memory"]
    for gpu in stats["gpus"]:
        yield from _of_gpu(gpu)
    for instance in stats["instances"]:
        yield from _of_instance(instance, bool(stats["gpus"]))


def _of_gpu(gpu: GpuFigures) -> Iterator[tuple[str, float | None]]:
    prefix = f"gpu.{gpu['id']}."
    yield prefix + "utilization", gpu["utilization"]
    yield prefix + "memory", gpu["memory_used"]
    yield prefix + "temperature", gpu["temperature"]
    yield prefix + "power", gpu["power"]


def _of_instance(instance: InstanceFigures, gpus: bool) -> Iterator[tuple[str, float | None]]:
    prefix = f"instance.{instance['id']}."
    yield prefix + "cpu", instance["cpu"]
    yield prefix + "memory", instance["memory"]
    if gpus:
        yield prefix + "gpu", sum(instance["gpu_utilization"].values())
        yield prefix + "gpu_memory", sum(instance["gpu_memory"].values())
        for gpu, used in instance["gpu_memory"].items():
            yield f"{prefix}gpu.{gpu}.memory", used
