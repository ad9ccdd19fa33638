"""What the room of access adds to the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aikore.auth import api, door
from aikore.auth.gate import Gate
from aikore.auth.weblinks import Weblinks
from aikore.base.rooms import Room
from aikore.config.access import AccessSettings


class Instances(Protocol):
    """What access must know of instances."""

    def instance_id(self, key: str) -> int: ...
    def access_of(self, slug: str) -> tuple[int, Sequence[str]]: ...
    def is_routed_host(self, host: str) -> bool: ...


def make(settings: AccessSettings, gate: Gate, instances: Instances) -> Room:
    """Login, people, tokens, and the check that NGINX asks."""

    async def open_gate() -> None:
        gate.prepare()
        await gate.load()

    async def end_tokens(instance: int) -> None:
        """End the tokens that open a removed instance alone."""
        await gate.tokens.revoke_of(instance_id=instance)

    async def close_gate(_: bool) -> None:
        await gate.close()

    people = api.router(gate, Weblinks(settings), instances.instance_id)
    checks = door.router(gate, settings, instances.access_of, instances.is_routed_host)
    return Room(routes=[*people.routes, *checks.routes], on_removed=[end_tokens], start=open_gate, stop=close_gate)
