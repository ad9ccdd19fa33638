"""What AiKore tells of itself and of the machine, and its own restart."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from aikore import __version__
from aikore.auth import access
from aikore.auth.access import needs
from aikore.auth.permissions import Permission
from aikore.base.events import Bus, Part, Topic, whole
from aikore.base.problems import problem_responses
from aikore.base.rooms import Room
from aikore.config.proxy import ProxySettings
from aikore.monitor.gpu import Gpu
from aikore.monitor.gpus import Inventory
from aikore.monitor.sampler import Sampler
from aikore.proxy.routes import Proxy


class Health(BaseModel):
    """The manager answers."""

    status: str


class GpuInfo(BaseModel):
    """One GPU, or one slice (MIG) of it; ``memory_total`` in bytes."""

    id: str
    key: str = Field(description="What an instance's choice remembers: its UUID, of AMD its PCI address.")
    index: int
    name: str
    uuid: str
    vendor: str
    pci: str
    memory_total: int | None
    memory_shared: bool = Field(description="Its memory is the machine's own.")
    driver: str
    compute: str = Field(description="Compute capability such as 8.9, of AMD such as gfx1100; empty: not known.")
    divided: bool = Field(description="It is divided (MIG), so only its slices can be used.")
    parent: str | None = Field(description="The id of the GPU whose slice it is.")


class NginxInfo(BaseModel):
    """The door: who supervises it, the configuration it serves, how often it was reloaded."""

    mode: str
    generation: str
    reloads: int
    pid: int | None
    old_workers: int


class SystemInfo(BaseModel):
    """AiKore and its machine."""

    version: str
    home: str
    python: str
    app_domain: str
    gpus: list[GpuInfo]
    nginx: NginxInfo


class Restarting(BaseModel):
    """The manager will be back in a moment."""

    status: str


Info = dict[str, Any]
"""The JSON of :class:`SystemInfo`."""

SYSTEM = Topic[Info]("system", SystemInfo, needs=Permission.SYSTEM_VIEW, newest=whole)


def part(bus: Bus) -> Part[Info]:
    """Return what a page begins with: AiKore and its machine as they were told last."""
    return Part.one("system", SYSTEM, lambda: bus.latest(SYSTEM, {}))


def system_info(settings: ProxySettings, proxy: Proxy, gpus: Sequence[Gpu]) -> Info:
    """Return the JSON of :class:`SystemInfo`."""
    return {
        "version": __version__,
        "home": str(settings.home),
        "python": platform.python_version(),
        "app_domain": settings.app_domain,
        "gpus": [gpu.as_dict() for gpu in gpus],
        "nginx": asdict(proxy.info()),
    }


def make(
    settings: ProxySettings,
    bus: Bus,
    proxy: Proxy,
    sampler: Sampler,
    on_gpus: Callable[[Inventory], None],
    restart: Callable[[], None],
) -> Room:
    """AiKore and its machine. ``on_gpus`` is told the machine's GPUs, now and whenever they change."""

    def changed(inventory: Inventory) -> None:
        on_gpus(inventory)
        bus.publish(SYSTEM, system_info(settings, proxy, inventory.present))

    async def begin() -> None:
        await sampler.gpus()
        sampler.on_gpus = changed
        changed(sampler.inventory)

    return Room(routes=router(settings, proxy, sampler.gpus, restart).routes, parts=[part(bus)], start=begin)


def router(
    settings: ProxySettings, proxy: Proxy, gpus: Callable[[], Awaitable[Sequence[Gpu]]], restart: Callable[[], None]
) -> APIRouter:
    """Build the routes. ``gpus`` names those there are; ``restart`` replaces the manager once the answer is out."""
    routes = APIRouter(tags=["system"], responses=problem_responses(403, 422, 500))

    @routes.get("/api/health", response_model=Health, dependencies=access.OPEN)
    async def health() -> dict[str, str]:
        """Say that the manager answers."""
        return {"status": "ok"}

    @routes.get("/api/system/info", response_model=SystemInfo, dependencies=needs(Permission.SYSTEM_VIEW))
    async def info() -> dict[str, Any]:
        """Describe AiKore and its machine."""
        present = await gpus()
        return await asyncio.to_thread(system_info, settings, proxy, present)

    @routes.post(
        "/api/system/restart", status_code=202, response_model=Restarting, dependencies=needs(Permission.SYSTEM_RESTART)
    )
    async def restart_manager() -> dict[str, str]:
        """Replace the manager alone; instances and NGINX go on."""
        restart()
        return {"status": "restarting"}

    return routes
