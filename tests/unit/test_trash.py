"""Which folders count as entries of the trash."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikore.config import Settings
from aikore.errors import NotFoundError
from aikore.instances.files import TRASH_CARD, InstanceFiles

ENTRY = "20260102T030405000006-mine"


@pytest.fixture
def files(tmp_path: Path) -> InstanceFiles:
    settings = Settings(home=tmp_path / "home")
    (settings.trash_dir / ENTRY).mkdir(parents=True)
    for folder in (settings.home, settings.trash_dir, settings.trash_dir / ENTRY):
        (folder / TRASH_CARD).write_text('{"id": 1, "name": "Mine"}')
    return InstanceFiles(settings)


def test_an_entry_is_found(files: InstanceFiles) -> None:
    assert files.trash_entry(ENTRY).card["name"] == "Mine"


@pytest.mark.parametrize("entry", ["..", ".", "", "../trashcan", f"{ENTRY}/", f"../trashcan/{ENTRY}", "blueprints"])
def test_what_is_no_entry_is_neither_read_nor_removed(files: InstanceFiles, tmp_path: Path, entry: str) -> None:
    for ask in (files.trash_entry, files.remove_trash):
        with pytest.raises(NotFoundError):
            ask(entry)
    assert (tmp_path / "home/trashcan" / ENTRY / TRASH_CARD).exists()


def test_a_link_is_no_entry(files: InstanceFiles, tmp_path: Path) -> None:
    link = f"{ENTRY}-2"
    (tmp_path / "home/trashcan" / link).symlink_to(ENTRY)
    with pytest.raises(NotFoundError):
        files.remove_trash(link)
    assert [one.id for one in files.list_trash()] == [ENTRY]
