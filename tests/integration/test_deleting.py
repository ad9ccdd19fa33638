"""The trash in use: on several disks, with many files, and nobody held meanwhile."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from aikore.base.disk import remove_tree
from aikore.base.errors import StorageError
from aikore.base.events import Bus
from aikore.blueprints.library import Library
from aikore.config import Settings
from aikore.database.engine import Database
from aikore.database.migrate import migrate
from aikore.database.wings import AIKORE
from aikore.instances.actor import Actor
from aikore.instances.manager import Manager
from aikore.instances.schemas import InstanceCreate
from aikore.instances.trash import Trash
from aikore.launch.local import LocalLauncher
from aikore.notices import Noticeboard
from aikore.proxy.nginx import NoProxy
from tests.helpers.server import AiKoreServer, blueprint_text, free_range, wait_until

Factory = Callable[..., AiKoreServer]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


def mount(path: Path, *what: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *(what or ("-t", "tmpfs", "-o", "size=64m", "tmpfs")), str(path)], check=True)


@pytest.fixture
def disks(tmp_path: Path, aikore_factory: Factory) -> Iterator[AiKoreServer]:
    """A house whose instances, outputs and trash lie on three disks."""
    server = aikore_factory(disk_reserve_bytes=0)
    for name in ("instances", "outputs", "trashcan"):
        mount(server.home / name)
    yield server
    server.clean_up()
    for name in ("instances", "outputs", "trashcan"):
        subprocess.run(["umount", "--lazy", str(server.home / name)], check=True)


def trash(aikore: AiKoreServer) -> list[dict[str, Any]]:
    return list(aikore.http.get("/api/trash").raise_for_status().json())


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@as_root
def test_instances_on_disks_of_their_own_are_deleted_and_restored_whole(disks: AiKoreServer) -> None:
    aikore = disks.start()
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    (aikore.home / "instances/t/precious").write_text("kept")
    (aikore.home / "outputs/t/render").write_text("kept")
    aikore.http.delete("/api/instances/t").raise_for_status()
    assert (below(aikore.home / "instances/t"), below(aikore.home / "outputs/t")) == (set(), set())
    aikore.create("t", "ticker")
    assert aikore.http.get("/api/instances").json()[0]["slug"] == "t", "the hidden trash is nobody's slug"
    aikore.kill()
    aikore.start()
    (entry,) = trash(aikore)
    back = aikore.http.post(f"/api/trash/{entry['id']}/restore").raise_for_status().json()
    assert back["slug"] == "t-2"
    assert (aikore.home / "instances/t-2/precious").read_text() == "kept"
    assert (aikore.home / "outputs/t-2/render").read_text() == "kept"
    aikore.http.delete("/api/instances/t-2").raise_for_status()
    (entry,) = trash(aikore)
    assert aikore.http.delete(f"/api/trash/{entry['id']}").status_code == 204
    wait_until(lambda: not any("precious" in name for name in below(aikore.home)), what="it is removed for good")
    assert trash(aikore) == []


@as_root
@pytest.mark.parametrize("how", ["", "?permanent=true", "?permanent=true&force=true"])
def test_an_instance_with_a_mount_inside_is_not_deleted_and_goes_on(aikore: AiKoreServer, how: str) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    precious = aikore.home.parent / "nas"
    precious.mkdir()
    (precious / "model").write_text("weights")
    models = aikore.home / "instances/t/models"
    mount(models, "--bind", str(precious))
    try:
        refused = aikore.http.delete(f"/api/instances/t{how}")
        assert (refused.status_code, refused.json()["code"]) == (409, "mounted_inside"), refused.text
        assert str(models) in refused.json()["detail"]
        assert (precious / "model").read_text() == "weights"
        copied = aikore.http.post("/api/instances/t/copy", json={"name": "u"})
        assert (copied.status_code, copied.json()["code"]) == (409, "mounted_inside")
        assert aikore.start_and_wait("t")["status"] == "started"
        aikore.post("t", "stop")
        aikore.wait_status("t", "stopped")
    finally:
        subprocess.run(["umount", str(models)], check=True)
    assert {path.name for path in (aikore.home / "instances").iterdir()} == {"t"}
    assert aikore.http.delete("/api/instances/t").status_code == 204


@as_root
def test_a_mount_in_the_trash_is_never_emptied(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    (aikore.home / "instances/t/models").mkdir()
    aikore.http.delete("/api/instances/t").raise_for_status()
    (entry,) = trash(aikore)
    precious = aikore.home.parent / "nas"
    precious.mkdir()
    (precious / "model").write_text("weights")
    models = aikore.home / "trashcan" / entry["id"] / "instance/models"
    mount(models, "--bind", str(precious))
    try:
        refused = aikore.http.delete(f"/api/trash/{entry['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "mounted_inside"), refused.text
        assert aikore.http.post(f"/api/trash/{entry['id']}/restore").json()["code"] == "mounted_inside"
    finally:
        subprocess.run(["umount", str(models)], check=True)
    assert (precious / "model").read_text() == "weights"
    aikore.http.post(f"/api/trash/{entry['id']}/restore").raise_for_status()


def test_a_size_is_told_to_pages_when_it_is_counted(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    (aikore.home / "instances/t/big").write_bytes(b"x" * 100_000)
    with aikore.events() as socket:
        assert json.loads(socket.recv())["type"] == "snapshot"
        aikore.http.delete("/api/instances/t").raise_for_status()
        seen = []
        while not seen or seen[-1] is None:
            change = json.loads(socket.recv(timeout=20))
            if change.get("topic") == "trash":
                seen += [entry["size"] for entry in change["data"]]
    assert seen[-1] >= 100_000
    aikore.kill()
    aikore.start()
    assert trash(aikore)[0]["size"] == seen[-1], "it is remembered, not counted again"


def test_what_a_killed_manager_left_of_a_purge_is_removed_after_the_next_start(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("t", "ticker")
    aikore.http.delete("/api/instances/t").raise_for_status()
    (entry,) = trash(aikore)
    aikore.kill()
    lies = aikore.home / "trashcan" / entry["id"]
    lies.rename(lies.with_name(f".purge-{entry['id']}"))
    half = aikore.home / "instances" / ".purge-20260101T000000000000-copy"  # a copy that was being made
    half.mkdir()
    aikore.start()
    assert trash(aikore) == []
    wait_until(lambda: not half.exists() and os.listdir(aikore.home / "trashcan") == [])


@contextmanager
def unreadable_until_then(path: Path) -> Iterator[None]:
    """Make everybody who opens a file wait until the block ends: a lease is held on it (fcntl(2))."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with open(path, "rb") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        try:
            yield
        finally:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            signal.signal(signal.SIGIO, before)


def test_a_copy_holds_nobody_and_its_name_slug_and_port_are_taken(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    source = aikore.create("source", "ticker")
    big = aikore.home / "instances/source/big"
    big.write_bytes(b"x" * 4096)
    with ThreadPoolExecutor(1) as pool:
        with unreadable_until_then(big):
            copying = pool.submit(aikore.http.post, "/api/instances/source/copy", json={"name": "Copy"})
            folder = aikore.home / "instances"
            wait_until(lambda: [name for name in os.listdir(folder) if name.startswith(".purge-")], what="it is copied")
            other = aikore.create("other", "ticker")
            aikore.http.delete("/api/instances/other?permanent=true").raise_for_status()
            taken = aikore.http.post("/api/instances", json={"name": "copy", "base_blueprint": "ticker"})
            kept = aikore.http.delete("/api/instances/source")
            assert {one["slug"] for one in aikore.http.get("/api/instances").json()} == {"source"}
            assert not copying.done()
        copied = copying.result(30)
    assert copied.status_code == 201, copied.text
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert (kept.status_code, kept.json()["code"]) == (409, "conflict")
    assert len({one["port"] for one in (source, other, copied.json())}) == 3
    assert (folder / "copy/big").read_bytes() == big.read_bytes()
    assert aikore.http.delete("/api/instances/source").status_code == 204


def test_many_copies_at_once_hold_up_no_start(aikore: AiKoreServer) -> None:
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    aikore.create("source", "ticker")
    aikore.create("other", "ticker")
    big = aikore.home / "instances/source/big"
    big.write_bytes(b"x" * 4096)
    folder = aikore.home / "instances"
    with ThreadPoolExecutor(12) as pool:
        with unreadable_until_then(big):
            ask = partial(httpx.post, f"{aikore.url}/api/instances/source/copy", timeout=60)
            copying = [pool.submit(ask, json={"name": f"copy {number}"}) for number in range(12)]
            wait_until(
                lambda: sum(name.startswith(".purge-") for name in os.listdir(folder)) > 4, 10, "they are copied"
            )
            aikore.post("other", "start")
            aikore.wait_status("other", "started", seconds=15)
            assert not any(one.done() for one in copying)
        assert [one.result().status_code for one in copying] == [201] * 12


# Without a server, so that slow work can be held ------------------------------------------------------------------


@asynccontextmanager
async def managing(home: Path) -> AsyncIterator[Manager]:
    """A manager without a door."""
    settings = Settings(home=home, disk_reserve_bytes=0, instance_ports=free_range(10))
    for folder in (settings.instances_dir, settings.outputs_dir, settings.trash_dir, settings.custom_blueprints_dir):
        folder.mkdir(parents=True, exist_ok=True)
    (settings.custom_blueprints_dir / "idle.sh").write_text(blueprint_text("sleep 1000", {"ready": "process"}))
    database = Database(settings.home, AIKORE)
    migrate(database)
    library = Library(settings.custom_blueprints_dir, settings.custom_blueprints_dir)

    async def no_gpus() -> list[Any]:
        return []

    bus = Bus()
    manager = Manager(settings, database, library, LocalLauncher(), NoProxy(), bus, Noticeboard(bus), no_gpus)
    await manager.load()
    try:
        yield manager
    finally:
        await manager.detach()
        database.close()


async def make(manager: Manager, name: str) -> Actor:
    return await manager.creation.create(InstanceCreate(name=name, base_blueprint="idle"))


async def test_removing_for_good_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, removing = threading.Event(), threading.Event()

    def slow(path: Path) -> None:
        removing.set()
        assert go_on.wait(60)
        remove_tree(path)

    monkeypatch.setattr("aikore.instances.trashcan.remove_tree", slow)
    async with managing(tmp_path) as manager:
        await manager.removal.delete(await make(manager, "one"), permanent=True, force=False)
        await manager.removal.delete(await make(manager, "two"), permanent=False, force=False)
        await manager.removal.purge(manager.trashcan.entries()[0]["id"])
        await manager.creation.copy(await make(manager, "three"), "four")
        assert await asyncio.to_thread(removing.wait, 20)
        assert manager.trashcan.entries() == []
        assert [view["slug"] for view in manager.publisher.list_views()] == ["three", "four"]
        doomed = [*tmp_path.glob("instances/.purge-*"), *tmp_path.glob("trashcan/.purge-*")]
        assert len(doomed) == 2
        go_on.set()
        await asyncio.to_thread(wait_until, lambda: not any(path.exists() for path in doomed))


async def test_a_start_and_the_deletions_of_others_wait_for_no_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    count = Trash.count

    def slow(trash: Trash, entry_id: str) -> int:
        assert go_on.wait(60)
        return count(trash, entry_id)

    monkeypatch.setattr(Trash, "count", slow)
    async with managing(tmp_path) as manager:
        await manager.removal.delete(await make(manager, "one"), permanent=False, force=False)
        await manager.removal.delete(await make(manager, "two"), permanent=False, force=False)
        assert [entry["size"] for entry in manager.trashcan.entries()] == [None, None]
    async with managing(tmp_path) as manager:
        assert [entry["size"] for entry in manager.trashcan.entries()] == [None, None]
        go_on.set()
        while any(entry["size"] is None for entry in manager.trashcan.entries()):
            await asyncio.sleep(0.005)


async def test_a_deletion_that_the_database_refuses_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("The database could not be used.")

    async with managing(tmp_path) as manager:
        actor = await make(manager, "one")
        monkeypatch.setattr("aikore.instances.store._delete_rows", refuse)
        for permanent in (False, True):
            with pytest.raises(StorageError):
                await manager.removal.delete(actor, permanent=permanent, force=False)
            assert [view["slug"] for view in manager.publisher.list_views()] == ["one"]
            assert (tmp_path / "instances/one/launch.sh").exists()
            assert (tmp_path / "outputs/one").exists()
        monkeypatch.undo()
        await manager.removal.delete(actor, permanent=False, force=False)
        assert [entry["slug"] for entry in manager.trashcan.entries()] == ["one"]


@pytest.mark.soak
def test_a_hundred_thousand_files_hold_nobody(aikore_factory: Factory) -> None:
    aikore = aikore_factory().start()
    aikore.blueprint("ticker", "sleep 1000", ready="process")
    for slug in ("big", "small", "other"):
        aikore.create(slug, "ticker")
    for folder in range(100):
        place = aikore.home / f"instances/big/models/{folder}"
        place.mkdir(parents=True)
        for number in range(1000):
            (place / f"{number}").touch()
    took = {}

    def timed(what: str, *request: str) -> None:
        began = time.monotonic()
        aikore.http.request(*request).raise_for_status()
        took[what] = time.monotonic() - began

    timed("delete the big one", "DELETE", "/api/instances/big")
    timed("delete another", "DELETE", "/api/instances/small")
    aikore.kill()
    began = time.monotonic()
    aikore.start()
    took["start"] = time.monotonic() - began
    wait_until(lambda: all(entry["size"] is not None for entry in trash(aikore)), 120, "the sizes are counted")
    big = next(entry for entry in trash(aikore) if entry["slug"] == "big")
    timed("purge", "DELETE", f"/api/trash/{big['id']}")
    timed("delete a third", "DELETE", "/api/instances/other?permanent=true")
    print(took)
    assert all(seconds < 3 for seconds in took.values()), took
    wait_until(lambda: not list(aikore.home.glob("trashcan/.purge-*")), 120, "it is removed")
