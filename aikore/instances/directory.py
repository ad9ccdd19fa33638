"""The instance directory: the little that other rooms may know and ask of instances.

Nothing here shows a row, an actor or a status to decide by: whoever needs an instance says so with
:meth:`Directory.ensure_ready`, and its actor decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from aikore.base.errors import NotReadyError
from aikore.instances.actor import Actor
from aikore.instances.pins import Pins
from aikore.instances.publisher import Publisher
from aikore.instances.registry import Registry
from aikore.monitor.gpu import Gpu


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known of one instance at a moment. ``gpu_ids``: keys of the chosen GPUs, None for all."""

    id: int
    slug: str
    name: str
    status: str
    detail: str
    run: int
    port: int
    provides: tuple[str, ...]
    gpu_ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Gone:
    """An instance that is not there any more."""

    id: int


class Directory:
    """Finds instances, has them started, and tells of their changes."""

    def __init__(
        self,
        registry: Registry,
        publisher: Publisher,
        pins: Pins,
        on_removed: list[Callable[[int], Awaitable[None]]],
    ) -> None:
        self._registry = registry
        self._publisher = publisher
        self._pins = pins
        self.on_removed = on_removed
        """What is awaited with the number of an instance that was removed. Add to it before the house opens."""

    def find(self, key: str) -> Listing:
        """Return an instance by id or slug. Raises NotFoundError."""
        return self._listing(self._registry.get(key))

    def list(self) -> Sequence[Listing]:
        """Return all instances in the order in which people see them."""
        return [self._listing(actor) for actor in self._registry.ordered()]

    def gpus(self, key: str) -> Sequence[Gpu]:
        """Return the GPUs of this machine that an instance may use now. Raises NotFoundError."""
        chosen = self._registry.get(key).row.gpu_ids
        present = [gpu for gpu in self._pins.inventory.present if not gpu.divided]
        return [gpu for gpu in present if chosen is None or gpu.key in chosen]

    async def ensure_ready(self, key: str, why: str, timeout: float) -> Listing:
        """Return an instance that is started; start it first where it does not run.

        ``why`` is for the log. Raises NotFoundError, what stands in the way of a start, and NotReadyError when it
        ended, or was not ready within ``timeout`` seconds; then it goes on starting.
        """
        actor = self._registry.get(key)
        try:
            async with asyncio.timeout(timeout):
                await actor.ensure_ready(why)
        except TimeoutError:
            state = actor.state
            known = f" ({state.detail})" if state.detail else ""
            raise NotReadyError(
                f"{actor.row.name} is {state.status}{known} and was not ready within {timeout:g} s. Its log has more."
            ) from None
        return self._listing(actor)

    async def watch(self) -> AsyncGenerator[Listing | Gone]:
        """Yield all instances, then each one again when it has changed, and what is gone. Never ends.

        Nothing is lost: of one that changes often the newest is told, however slow the reader is.
        """
        with self._publisher.watch() as changed:
            while True:
                number = await changed.next()
                actor = self._registry.of(number)
                yield Gone(number) if actor is None else self._listing(actor)

    def _listing(self, actor: Actor) -> Listing:
        row, state = actor.row, actor.state
        return Listing(
            id=row.id,
            slug=row.slug,
            name=row.name,
            status=str(state.status),
            detail=state.detail,
            run=state.run,
            port=row.port,
            provides=self._registry.header(row).provides,
            gpu_ids=None if row.gpu_ids is None else tuple(row.gpu_ids),
        )
