"""Which folders count as entries of the trash, and that every change of it is whole or undone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import product
from pathlib import Path

import pytest

from aikore.base.disk import remove_tree
from aikore.base.errors import MountedError, NotFoundError, StorageError
from aikore.config import Settings
from aikore.instances.trash import TRASH_CARD, Trash

ENTRY = "20260102T030405000006-mine"


@pytest.fixture
def trash(tmp_path: Path) -> Trash:
    settings = Settings(home=tmp_path / "home")
    (settings.trash_dir / ENTRY).mkdir(parents=True)
    for folder in (settings.home, settings.trash_dir, settings.trash_dir / ENTRY):
        (folder / TRASH_CARD).write_text('{"id": 1, "name": "Mine"}')
    return Trash(settings)


def test_an_entry_is_found(trash: Trash) -> None:
    assert trash.entry(ENTRY).card["name"] == "Mine"


@pytest.mark.parametrize("entry", ["..", ".", "", "../trashcan", f"{ENTRY}/", f"../trashcan/{ENTRY}", "blueprints"])
def test_what_is_no_entry_is_neither_read_nor_removed(trash: Trash, tmp_path: Path, entry: str) -> None:
    for ask in (trash.entry, trash.purge):
        with pytest.raises(NotFoundError):
            ask(entry)
    assert (tmp_path / "home/trashcan" / ENTRY / TRASH_CARD).exists()


def test_a_link_is_no_entry(trash: Trash, tmp_path: Path) -> None:
    link = f"{ENTRY}-2"
    (tmp_path / "home/trashcan" / link).symlink_to(ENTRY)
    with pytest.raises(NotFoundError):
        trash.purge(link)
    assert [one.id for one in trash.entries()] == [ENTRY]


# Several file systems ---------------------------------------------------------------------------------------------

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
CARD = {"id": 1, "name": "Mine", "slug": "mine", "base_blueprint": "web"}
MADE_AT = datetime(2026, 1, 1)
LAYOUTS = [
    tuple(name for name, chosen in zip(("instances", "outputs", "trashcan"), bits, strict=True) if chosen)
    for bits in product((False, True), repeat=3)
]
"""Which folders of the house are mounts of their own: all combinations."""


class House:
    """A data folder with one instance, ``mine``."""

    def __init__(self, home: Path, reserve: int = 0) -> None:
        self.home = home
        self.trash = Trash(Settings(home=home, disk_reserve_bytes=reserve))
        for part in ("instances", "outputs"):
            (home / part / "mine" / "deep").mkdir(parents=True)
            (home / part / "mine" / "deep" / "file").write_text(part)

    def is_whole(self, slug: str = "mine") -> bool:
        """Say whether the instance lies in its place, with its outputs, and the trash holds nothing."""
        files = [self.home / part / slug / "deep" / "file" for part in ("instances", "outputs")]
        there = all(file.exists() and file.read_text() == file.parents[2].name for file in files)
        return there and self.trash.entries() == []

    def is_trashed(self) -> bool:
        """Say whether nothing of the instance is left in its place and all of it lies in the trash."""
        left = [self.home / part / "mine" for part in ("instances", "outputs")]
        parts = [self.trash._parts(entry.id) for entry in self.trash.entries()]
        return not any(path.exists() for path in left) and [set(one) for one in parts] == [{"instance", "outputs"}]

    def files(self) -> list[Path]:
        return [path for path in self.home.rglob("*") if path.is_file()]


def mount(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], check=True)


@pytest.fixture(params=LAYOUTS, ids=lambda layout: "+".join(layout) or "one")
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    if request.param and os.geteuid() != 0:
        pytest.skip("only root mounts")
    for name in request.param:
        mount(tmp_path / name)
    yield House(tmp_path)
    for name in request.param:
        subprocess.run(["umount", "--lazy", str(tmp_path / name)], check=True)


def test_deleting_and_restoring_work_whatever_lies_on_a_disk_of_its_own(house: House) -> None:
    moves = house.trash.throw_away("mine", CARD)
    assert house.is_trashed()
    house.trash.restore(moves.entry_id, "mine")
    assert house.trash.drop(moves.entry_id)
    assert house.is_whole()
    again = house.trash.throw_away("mine", CARD).entry_id
    house.trash.restore(again, "other")
    house.trash.drop(again)
    assert house.is_whole("other")


def test_what_is_purged_is_out_of_the_trash_at_once_and_found_again_to_be_removed(house: House) -> None:
    entry = house.trash.throw_away("mine", CARD).entry_id
    doomed = house.trash.purge(entry)
    assert house.trash.entries() == []
    assert set(house.trash.sweep({})) == set(doomed)
    for path in doomed:
        remove_tree(path)
    assert house.files() == []


def test_deleting_for_good_needs_no_trash(house: House) -> None:
    (house.home / "trashcan").mkdir(exist_ok=True)
    moves = house.trash.doom("mine")
    assert house.trash.entries() == []
    for path in house.trash.sweep({}):
        remove_tree(path)
    assert len(moves.done) == 2
    assert house.files() == []


def test_a_refused_second_step_undoes_the_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse_outputs(source: Path, target: Path) -> Path:
        if house.home / "outputs" / "mine" in (source, target):
            raise OSError(errno.EIO, "Input/output error")
        return rename(source, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", refuse_outputs)
        for change in (lambda: house.trash.throw_away("mine", CARD), lambda: house.trash.doom("mine")):
            with pytest.raises(StorageError, match="Nothing was changed"):
                change()
            assert house.is_whole()
    entry = house.trash.throw_away("mine", CARD).entry_id
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", refuse_outputs)
        with pytest.raises(StorageError, match="Nothing was changed"):
            house.trash.restore(entry, "mine")
    assert house.is_trashed()


def killed_after(renames: int, change: Callable[[], object]) -> bool:
    """Do something in a process that is killed after so many renames; False when it came to its end."""
    child = os.fork()
    if child == 0:
        rename, count = Path.rename, iter(range(renames))

        def counted(source: Path, target: Path) -> Path:
            if next(count, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return rename(source, target)

        Path.rename = counted  # type: ignore[method-assign, assignment]
        change()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("permanent", [False, True])
def test_a_deletion_that_is_killed_at_any_step_is_completed_or_undone(house: House, permanent: bool) -> None:
    def change() -> object:
        return house.trash.doom("mine") if permanent else house.trash.throw_away("mine", CARD)

    ends = set()
    for renames in range(9):
        killed = killed_after(renames, change)
        completed = not (house.home / "instances" / "mine").exists()
        ends.add((killed, completed))
        if completed:
            assert house.trash.complete(1, "mine", MADE_AT)
            assert not (house.home / "outputs" / "mine").exists()
            if permanent:
                assert house.trash.entries() == []
                break
            assert house.is_trashed()
            (entry,) = house.trash.entries()
            house.trash.restore(entry.id, "mine")
            house.trash.drop(entry.id)
        for path in house.trash.sweep({1: "mine"}):
            remove_tree(path)
        assert house.is_whole()
        if not killed:
            break
    assert (True, False) in ends


def test_a_restoration_that_is_killed_at_any_step_is_completed_or_undone(house: House) -> None:
    for renames in range(6):
        entry = house.trash.throw_away("mine", CARD).entry_id

        def change(entry: str = entry) -> None:
            house.trash.restore(entry, "mine")
            house.trash.drop(entry)

        killed = killed_after(renames, change)
        if (house.home / "instances" / "mine").exists():
            house.trash.complete_restoration(entry, "mine")
        else:
            assert house.is_trashed()
            house.trash.restore(entry, "mine")
            house.trash.drop(entry)
        for path in house.trash.sweep({1: "mine"}):
            remove_tree(path)
        assert house.is_whole()
        if not killed:
            return
    raise AssertionError("it never came to its end")


def test_a_purge_that_is_killed_at_any_step_is_finished_or_did_not_begin(house: House) -> None:
    for renames in range(6):
        entry = house.trash.throw_away("mine", CARD).entry_id
        killed = killed_after(renames, lambda entry=entry: house.trash.purge(entry))  # type: ignore[misc]
        doomed = house.trash.sweep({})
        if house.trash.entries():
            assert house.is_trashed()
            house.trash.restore(entry, "mine")
            house.trash.drop(entry)
            for path in house.trash.sweep({1: "mine"}):
                remove_tree(path)
            continue
        for path in doomed:
            remove_tree(path)
        assert house.files() == []
        House(house.home)
        if not killed:
            return
    raise AssertionError("it never came to its end")


def test_a_newer_instance_of_the_same_name_is_not_taken_for_the_deleted_one(house: House) -> None:
    house.trash.throw_away("mine", CARD)
    assert not house.trash.complete(1, "mine", datetime(2999, 1, 1))
    assert not house.trash.complete(2, "mine", MADE_AT)
    assert house.is_trashed()


@as_root
@pytest.mark.parametrize("then", ["instances", "outputs"])
def test_restoring_copies_where_a_disk_was_mounted_meanwhile(tmp_path: Path, then: str) -> None:
    house = House(tmp_path)
    entry = house.trash.throw_away("mine", CARD).entry_id
    mount(tmp_path / then)
    try:
        house.trash.restore(entry, "mine")
        assert house.trash.drop(entry)
        assert house.is_whole()
        again = house.trash.throw_away("mine", CARD).entry_id
        with suppress(OSError), open(tmp_path / then / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(65536)):
                pass
        assert house.trash.restore(again, "mine"), "a rename needs no room"
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / then)], check=True)


@as_root
def test_restoring_to_a_disk_without_room_changes_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, reserve=2**30)
    entry = house.trash.throw_away("mine", CARD).entry_id
    mount(tmp_path / "instances")
    try:
        with pytest.raises(StorageError, match="Not enough disk"):
            house.trash.restore(entry, "mine")
        assert house.is_trashed()
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "instances")], check=True)


@as_root
@pytest.mark.parametrize("place", ["instances/mine", "instances/mine/deep", "outputs/mine", "outputs/mine/deep"])
def test_what_holds_a_mount_is_neither_moved_nor_deleted(tmp_path: Path, place: str) -> None:
    house = House(tmp_path)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "model").write_text("weights")
    subprocess.run(["mount", "--bind", str(precious), str(tmp_path / place)], check=True)
    try:
        for change in (lambda: house.trash.throw_away("mine", CARD), lambda: house.trash.doom("mine")):
            with pytest.raises(MountedError, match=str(tmp_path / place)):
                change()
            assert (precious / "model").read_text() == "weights"
    finally:
        subprocess.run(["umount", str(tmp_path / place)], check=True)
    assert house.is_whole()


def test_of_a_linked_instance_the_link_goes_and_comes_back_and_its_target_is_never_touched(tmp_path: Path) -> None:
    house = House(tmp_path)
    disk = tmp_path / "disk"
    (tmp_path / "instances/mine").rename(disk)
    (tmp_path / "instances/mine").symlink_to(disk)
    entry = house.trash.throw_away("mine", CARD).entry_id
    assert house.trash.count(entry) < 10_000
    house.trash.restore(entry, "mine")
    house.trash.drop(entry)
    assert house.is_whole()
    house.trash.doom("mine")
    for path in house.trash.sweep({}):
        remove_tree(path)
    assert (disk / "deep" / "file").read_text() == "instances"
    assert not (tmp_path / "instances/mine").is_symlink()


def test_an_entry_without_its_card_is_still_in_the_trash(tmp_path: Path) -> None:
    house = House(tmp_path)
    entry = house.trash.throw_away("mine", CARD).entry_id
    (tmp_path / "trashcan" / entry / TRASH_CARD).unlink()
    assert house.trash.entry(entry).card == {"name": "mine", "slug": "mine", "base_blueprint": ""}
    house.trash.restore(entry, "mine")


def test_a_size_is_unknown_until_it_was_counted_and_then_remembered(tmp_path: Path) -> None:
    house = House(tmp_path)
    entry = house.trash.throw_away("mine", CARD).entry_id
    assert house.trash.entry(entry).size is None
    assert house.trash.count(entry) == house.trash.entry(entry).size
    assert Trash(Settings(home=tmp_path)).entry(entry).size
