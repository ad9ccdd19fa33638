"""The figures in Prometheus' text format, by its official client. Names follow its rules: base units, no percents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from aikore import __version__
from aikore.monitor.figures import GpuFigures, InstanceFigures, Stats
from aikore.monitor.instances import MonitoredInstance
from aikore.proxy.routes import ProxyInfo

STATUSES = ("stopped", "starting", "started", "stalled", "stopping", "error")

Row = tuple[str, str, Callable[[GpuFigures], float | None]]

GPU_ROWS: tuple[Row, ...] = (
    ("utilization_ratio", "Share of the time in which it worked.", lambda gpu: _ratio(gpu["utilization"])),
    ("memory_used_bytes", "Memory in use.", lambda gpu: gpu["memory_used"]),
    ("memory_total_bytes", "All of its memory.", lambda gpu: gpu["memory_total"]),
    ("temperature_celsius", "Temperature of the chip.", lambda gpu: gpu["temperature"]),
    ("power_watts", "Power it draws.", lambda gpu: gpu["power"]),
    ("power_limit_watts", "Power it may draw.", lambda gpu: gpu["power_limit"]),
    ("fan_ratio", "Speed of its fan.", lambda gpu: _ratio(gpu["fan"])),
    ("clock_graphics_hertz", "Clock of its cores.", lambda gpu: _mega(gpu["clocks"]["graphics"])),
    ("clock_memory_hertz", "Clock of its memory.", lambda gpu: _mega(gpu["clocks"]["memory"])),
    ("pcie_received_bytes_per_second", "Traffic to it.", lambda gpu: gpu["pcie"]["received"]),
    ("pcie_sent_bytes_per_second", "Traffic from it.", lambda gpu: gpu["pcie"]["sent"]),
    ("ecc_corrected_errors", "Corrected errors since the driver was loaded.", lambda gpu: gpu["ecc"]["corrected"]),
    ("ecc_uncorrected_errors", "Uncorrected ones.", lambda gpu: gpu["ecc"]["uncorrected"]),
    ("up", "Whether it answers.", lambda gpu: float(gpu["state"] == "ok")),
)


class Source:
    """Where the figures of one scrape come from; each is called in a thread."""

    def __init__(
        self,
        stats: Callable[[], Stats | None],
        monitored: Callable[[], Sequence[MonitoredInstance]],
        restarts: Mapping[int, int],
        proxy: Callable[[], ProxyInfo],
    ) -> None:
        self.stats, self.monitored, self.restarts, self.proxy = stats, monitored, restarts, proxy


class _Figures(Collector):
    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("aikore", "AiKore itself.", value={"version": __version__})
        yield from _instances(self._source.monitored(), self._source.restarts)
        yield from _proxy(self._source.proxy())
        if (stats := self._source.stats()) is not None:
            yield from _host(stats)
            yield from _manager(stats)
            yield from _gpus(stats["gpus"])
            yield from _usage(stats["instances"])
            yield _gauge("aikore_instance_disk_bytes", "Disk its folder takes.", "id", _sizes(stats))


def exposition(source: Source) -> tuple[bytes, str]:
    """Return the text and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(source))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _mega(value: float | None) -> float | None:
    return None if value is None else value * 1e6


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float | None]]) -> Metric:
    """Return a metric with one label, or without any where ``label`` is empty. Unknown values are left out."""
    family = GaugeMetricFamily(name, text, labels=[label] if label else [])
    for key, value in values:
        if value is not None:
            family.add_metric([key] if label else [], value)
    return family


def _plain(name: str, text: str, value: float | None) -> Metric:
    return _gauge(name, text, "", [("", value)])


def _host(stats: Stats) -> Iterator[Metric]:
    host = stats["host"]
    disk, network = host["disk"], host["network"]
    yield _plain("aikore_host_cpu_ratio", "Share of all cores that works.", _ratio(host["cpu"]))
    cores = [(str(number), _ratio(core)) for number, core in enumerate(host["cores"])]
    yield _gauge("aikore_host_core_ratio", "Share of a core that works.", "core", cores)
    load = [(str(span), value) for span, value in zip((1, 5, 15), host["load"], strict=False)]
    yield _gauge("aikore_host_load", "Load average.", "minutes", load)
    for name in ("memory", "swap"):
        memory = host["memory"] if name == "memory" else host["swap"]
        yield _plain(f"aikore_host_{name}_total_bytes", f"All {name}.", memory["total"])
        yield _plain(f"aikore_host_{name}_used_bytes", f"Used {name}.", memory["used"])
    yield _plain("aikore_host_disk_total_bytes", "Size of the data folder's file system.", disk["total"])
    yield _plain("aikore_host_disk_free_bytes", "Space left there.", disk["free"])
    yield _plain("aikore_host_disk_read_bytes_per_second", "Read from its device.", disk["read"])
    yield _plain("aikore_host_disk_write_bytes_per_second", "Written to it.", disk["write"])
    yield _plain("aikore_host_network_received_bytes_per_second", "Received.", network["received"])
    yield _plain("aikore_host_network_sent_bytes_per_second", "Sent.", network["sent"])


def _manager(stats: Stats) -> Iterator[Metric]:
    manager = stats["manager"]
    yield _plain("aikore_manager_cpu_ratio", "Cores the manager uses.", _ratio(manager["cpu"]))
    yield _plain("aikore_manager_memory_bytes", "Resident memory of the manager.", manager["memory"])
    yield _plain("aikore_manager_threads", "Threads of the manager.", manager["threads"])
    yield _plain("aikore_manager_open_files", "Open descriptors of the manager.", manager["open_files"])
    yield _plain("aikore_manager_open_sockets", "Open sockets among them.", manager["sockets"])
    yield _plain("aikore_sample_timestamp_seconds", "When these figures were taken.", stats["time"])


def _gpus(gpus: Sequence[GpuFigures]) -> Iterator[Metric]:
    for name, text, value in GPU_ROWS:
        family = GaugeMetricFamily(f"aikore_gpu_{name}", text, labels=["gpu", "uuid", "name"])
        for gpu in gpus:
            if (figure := value(gpu)) is not None:
                family.add_metric([gpu["id"], gpu["uuid"], gpu["name"]], figure)
        yield family
    throttled = GaugeMetricFamily(
        "aikore_gpu_throttled", "1 for each reason its clocks are low.", labels=["gpu", "why"]
    )
    for gpu in gpus:
        for reason in gpu["throttle"]:
            throttled.add_metric([gpu["id"], reason], 1)
    yield throttled


def _instances(monitored: Sequence[MonitoredInstance], restarts: Mapping[int, int]) -> Iterator[Metric]:
    labels = ["id", "slug"]
    status = GaugeMetricFamily("aikore_instance_status", "1 for the status it has.", labels=[*labels, "status"])
    runs = CounterMetricFamily("aikore_instance_runs", "Runs in its whole life.", labels=labels)
    again = CounterMetricFamily("aikore_instance_restarts", "Restarts after a failure, by this manager.", labels=labels)
    for one in monitored:
        own = [str(one.id), one.slug]
        for word in STATUSES:
            status.add_metric([*own, word], float(word == one.status))
        runs.add_metric(own, one.runs)
        again.add_metric(own, restarts.get(one.id, 0))
    yield from (status, runs, again)


def _usage(instances: Sequence[InstanceFigures]) -> Iterator[Metric]:
    def of(value: Callable[[InstanceFigures], float | None]) -> list[tuple[str, float | None]]:
        return [(str(one["id"]), value(one)) for one in instances]

    yield _gauge("aikore_instance_cpu_ratio", "Cores it uses.", "id", of(lambda one: _ratio(one["cpu"])))
    yield _gauge("aikore_instance_memory_bytes", "Memory it uses.", "id", of(lambda one: one["memory"]))
    yield _gauge("aikore_instance_threads", "Its threads.", "id", of(lambda one: one["threads"]))
    yield _gauge("aikore_instance_open_files", "Its open descriptors.", "id", of(lambda one: one["open_files"]))
    yield _gauge("aikore_instance_uptime_seconds", "Time since its start.", "id", of(lambda one: one["uptime"]))
    labels = ["id", "gpu", "inferred"]
    memory = GaugeMetricFamily("aikore_instance_gpu_memory_bytes", "Memory of a GPU it uses.", labels=labels)
    busy = GaugeMetricFamily("aikore_instance_gpu_utilization_ratio", "Its share of a GPU's work.", labels=labels)
    for one in instances:
        inferred = str(one["gpu_inferred"]).lower()
        for gpu, used in one["gpu_memory"].items():
            memory.add_metric([str(one["id"]), gpu, inferred], used)
        for gpu, percent in one["gpu_utilization"].items():
            busy.add_metric([str(one["id"]), gpu, inferred], percent / 100)
    yield from (memory, busy)


def _proxy(info: ProxyInfo) -> Iterator[Metric]:
    reloads = CounterMetricFamily("aikore_proxy_reloads", "Reloads of NGINX by this manager.")
    reloads.add_metric([], info.reloads)
    yield reloads
    yield _plain("aikore_proxy_up", "Whether NGINX runs.", float(info.pid is not None))
    yield _plain("aikore_proxy_old_workers", "Workers of earlier configurations with open sockets.", info.old_workers)


def _sizes(stats: Stats) -> list[tuple[str, float | None]]:
    return [(key, folder["size"]) for key, folder in stats["folders"].items()]
