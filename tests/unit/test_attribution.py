"""Which instance uses which part of a GPU, as told by the driver or concluded without it."""

from __future__ import annotations

from aikore.monitor.attribution import FRESH, Attribution, GpuUser, Share
from aikore.monitor.gpu import Gpu, GpuProcess, Reading

GPU = Gpu("0", 0, "Some GPU", "GPU-1", 24_000)
OLD = -FRESH * 2
"""Started so long ago that growth is no longer taken to be its own."""


def user(number: int, *pids: int, started_at: float = OLD, cpu: float = 0.0, **more: object) -> GpuUser:
    fields: dict[str, object] = {"gpu_ids": ("0",), "devices": None, **more}
    return GpuUser(number, frozenset(pids), started_at=started_at, cpu=cpu, **fields)  # type: ignore[arg-type]


def seen(used: int, *processes: GpuProcess, busy: float = 50.0, device: str | None = None) -> Reading:
    return Reading(memory_used=used, utilization=busy, processes=list(processes), device=device)


def container() -> Attribution:
    """Foreign PIDs are no processes here."""
    return Attribution(lambda pid: False)


def test_processes_that_the_driver_names_count_for_their_tree() -> None:
    attribution = Attribution(lambda pid: True)
    reading = seen(900, GpuProcess(11, 300, 20.0), GpuProcess(12, 100, 90.0), GpuProcess(99, 500, 1.0))
    assert attribution.share(GPU, reading, [user(1, 10, 11, 12), user(2, 20)], 0.0) == {1: Share(400, 100.0)}


def test_strangers_of_this_machine_are_nobodys_and_nothing_is_concluded() -> None:
    attribution = Attribution(lambda pid: True)
    assert attribution.share(GPU, seen(500, GpuProcess(99, 500)), [user(1, 10)], 0.0) == {}


def test_in_a_container_memory_that_was_there_before_is_nobodys() -> None:
    attribution = container()
    assert attribution.share(GPU, seen(700), [], 0.0) == {}
    assert attribution.share(GPU, seen(700), [user(1)], 1.0) == {1: Share(0, 50.0, True)}
    assert attribution.share(GPU, seen(1000), [user(1)], 2.0) == {1: Share(300, 50.0, True)}


def test_growth_soon_after_a_start_is_the_newest_ones() -> None:
    attribution = container()
    attribution.share(GPU, seen(0), [], 0.0)
    attribution.share(GPU, seen(400), [user(1, started_at=0.0)], 1.0)
    shares = attribution.share(GPU, seen(1000), [user(1, started_at=0.0), user(2, started_at=5.0)], 6.0)
    assert (shares[1].memory, shares[2].memory) == (400, 600)


def test_later_growth_goes_to_those_who_work() -> None:
    attribution = container()
    attribution.share(GPU, seen(0), [], 0.0)
    shares = attribution.share(GPU, seen(1000), [user(1, cpu=75.0), user(2, cpu=25.0)], 1.0)
    assert (shares[1].memory, shares[2].memory) == (750, 250)
    assert all(share.inferred for share in shares.values())


def test_what_an_ended_one_used_goes_with_it() -> None:
    attribution = container()
    attribution.share(GPU, seen(0), [], 0.0)
    attribution.share(GPU, seen(400), [user(1, started_at=0.0)], 1.0)
    attribution.share(GPU, seen(1000), [user(1, started_at=0.0), user(2, started_at=5.0)], 6.0)
    assert attribution.share(GPU, seen(600), [user(2, started_at=5.0)], 7.0) == {2: Share(600, 50.0, True)}


def test_one_pinned_to_another_gpu_is_no_candidate() -> None:
    attribution = container()
    attribution.share(GPU, seen(0), [], 0.0)
    shares = attribution.share(GPU, seen(800), [user(1), user(2, gpu_ids=("1",)), user(3, gpu_ids=())], 1.0)
    assert shares.keys() == {1}


def test_without_pinning_the_open_device_decides() -> None:
    attribution = container()
    attribution.share(GPU, seen(0), [], 0.0)
    users = [
        user(1, gpu_ids=None, devices=frozenset({"/dev/nvidia0"})),
        user(2, gpu_ids=None, devices=frozenset()),
        user(3, gpu_ids=None, devices=None),
    ]
    assert attribution.share(GPU, seen(800, device="/dev/nvidia0"), users, 1.0).keys() == {1}
