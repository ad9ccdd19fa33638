"""What belonged to a removed instance ends with it, whatever the events of the house do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from aikore import main
from aikore.auth.tokens import Wanted
from aikore.base.websockets import Removals
from aikore.config import Settings
from aikore.instances.actor import Actor
from aikore.instances.schemas import InstanceCreate
from aikore.main.home import hold_home
from aikore.terminal.room import shell_of


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[main.House]:
    settings = Settings(home=tmp_path / "home", nginx="off", instance_ports="31900-31999")  # type: ignore[arg-type]
    with hold_home(settings):
        opened = main.House(settings)
        await opened.start()
        yield opened
        await opened.manager.close_house()
        await opened.stop(handing_over=False)


async def make(house: main.House, name: str) -> Actor:
    script = '# /// aikore\n# ready = "process"\n# ///\nsleep 100\n'
    (house.settings.custom_blueprints_dir / "sleeper.sh").write_text(script)
    return await house.manager.creation.create(InstanceCreate(name=name, base_blueprint="sleeper"))


async def test_tokens_terminals_and_sockets_of_a_removed_instance_end_though_every_event_is_lost(
    house: main.House, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = await make(house, "Gone"), await make(house, "Stays")
    for actor in (gone, stays):
        await house.gate.tokens.create(Wanted("a", "viewer", actor.row.id), None)
        await house.terminals.open(shell_of(house.manager, actor.row.slug), (80, 24))
    sockets = {actor: asyncio.create_task(house.removed(actor.row.slug)) for actor in (gone, stays)}
    await asyncio.sleep(0)
    monkeypatch.setattr(house.bus, "publish", lambda *_: None)
    await house.manager.removal.delete(gone, permanent=False, force=False)
    async with asyncio.timeout(10):
        await sockets[gone]
    assert not sockets[stays].done()
    assert [row.instance_id for row in house.gate.tokens.all()] == [stays.row.id]
    assert [session.shell.instance for session in house.terminals.all()] == [stays.row.id]
    sockets[stays].cancel()


async def test_a_hook_that_fails_is_told_and_stops_neither_the_removal_nor_the_other_hooks(house: main.House) -> None:
    gone = await make(house, "Gone")

    async def fails(_: int) -> None:
        raise RuntimeError("no way")

    house.manager.removal.on_removed.insert(0, fails)
    await house.gate.tokens.create(Wanted("a", "viewer", gone.row.id), None)
    await house.manager.removal.delete(gone, permanent=False, force=False)
    assert house.gate.tokens.all() == []
    assert house.manager.publisher.list_views() == []
    assert any("Gone is deleted, but" in notice["message"] for notice in told(house))


def told(house: main.House) -> list[Any]:
    return list(house.notices._newest)


async def test_tokens_of_an_instance_that_went_while_no_manager_ran_end_at_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", nginx="off", instance_ports="31900-31999")  # type: ignore[arg-type]
    for wanted in (7, None):
        with hold_home(settings):
            house = main.House(settings)
            await house.start()
            if wanted is not None:
                await house.gate.tokens.create(Wanted("a", "viewer", wanted), None)
                await house.gate.tokens.create(Wanted("b", "viewer"), None)
            names = [row.name for row in house.gate.tokens.all()]
            await house.stop(handing_over=False)
    assert names == ["b"]


async def test_removals_forget_sockets_that_closed_by_themselves() -> None:
    removals = Removals()
    waits = [asyncio.create_task(removals.of(1)) for _ in range(3)]
    await asyncio.sleep(0)
    for one in waits:
        one.cancel()
        with suppress(asyncio.CancelledError):
            await one
    assert removals._waiting == {}
    await removals.tell(1)
