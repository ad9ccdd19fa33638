"""What the room of figures adds to the house."""

from __future__ import annotations

from aikore.base.rooms import Room
from aikore.instances.manager import Manager
from aikore.monitor.sampler import Sampler
from aikore.proxy.routes import Proxy
from aikore.stats import api, metrics
from aikore.stats.watch import Watch


def make(sampler: Sampler, watch: Watch, manager: Manager, proxy: Proxy) -> Room:
    """Figures for pages and for Prometheus, and the notices that follow from them."""

    def prometheus() -> tuple[bytes, str]:
        """Return the figures in Prometheus' text format and their media type."""
        latest = sampler.latest
        return metrics.exposition(
            metrics.Source(
                lambda: latest.stats if latest else None, manager.registry.monitored, watch.restarts, proxy.info
            )
        )

    async def begin() -> None:
        watch.begin()

    async def end(_: bool) -> None:
        watch.end()

    return Room(routes=api.router(sampler, prometheus).routes, start=begin, stop=end)
