"""The library: stock and custom scripts, and what may be saved."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from aikore.base.errors import (
    InvalidBlueprintError,
    InvalidNameError,
    NameTakenError,
    ReadOnlyError,
    StaleError,
    UnknownBlueprintError,
)
from aikore.blueprints.library import SIZE_MAX, Library

BROKEN = Path(__file__).parents[1] / "apps" / "blueprints"


@pytest.fixture
def custom(tmp_path: Path) -> Path:
    return tmp_path / "home" / "blueprints"


@pytest.fixture
def library(tmp_path: Path, custom: Path) -> Library:
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "ComfyUI.sh").write_text('# /// aikore\n# name = "Comfy"\n# ///\nexec true\n')
    return Library(stock, custom)


def test_a_missing_custom_folder_is_an_empty_one(library: Library) -> None:
    assert [one.id for one in library.list()] == ["ComfyUI"]


def test_a_saved_blueprint_is_listed_and_read_back(library: Library) -> None:
    library.save("My app", "exec true\n")
    assert [(one.id, one.source) for one in library.list()] == [("ComfyUI", "stock"), ("My app", "custom")]
    assert library.get("My app.sh").content == "exec true\n"
    assert library.get("My app").header.name == "My app"


def test_windows_line_ends_become_unix_ones(library: Library) -> None:
    assert library.save("x", "a\r\nb\r\n").content == "a\nb\n"


@pytest.mark.parametrize("name", ["", ".x", "a/b", "../x", "x ", "x.", "é", "a" * 65, "-x", "a\0b", "a\nb", ".."])
def test_a_name_that_could_lead_elsewhere_is_refused(library: Library, custom: Path, name: str) -> None:
    with pytest.raises(InvalidNameError):
        library.save(name, "exec true\n")
    with pytest.raises(UnknownBlueprintError):
        library.get(name)
    assert not custom.exists()


@pytest.mark.parametrize("content", ["a\0b", "\ud800", "x" * (SIZE_MAX + 1), '# /// aikore\n# nam = "x"\n# ///\n'])
def test_what_is_no_blueprint_is_refused_and_leaves_the_old_one(library: Library, content: str) -> None:
    library.save("x", "old\n")
    with pytest.raises(InvalidBlueprintError):
        library.save("x", content)
    assert library.get("x").content == "old\n"


@pytest.mark.parametrize("name", ["ComfyUI", "comfyui", "ComfyUI.sh"])
def test_a_stock_blueprint_cannot_be_replaced(library: Library, name: str) -> None:
    with pytest.raises(NameTakenError):
        library.save(name, "exec true\n")


def test_a_stock_blueprint_cannot_be_removed(library: Library) -> None:
    with pytest.raises(ReadOnlyError):
        library.delete("ComfyUI")


def test_a_removed_blueprint_lies_in_the_trashcan(library: Library, custom: Path) -> None:
    library.save("x", "exec true\n")
    library.delete("x")
    assert [path.read_text() for path in (custom.parent / "trashcan" / "blueprints").glob("*/x.sh")] == ["exec true\n"]
    with pytest.raises(UnknownBlueprintError):
        library.delete("x")


def test_a_save_over_a_newer_version_is_refused(library: Library) -> None:
    first = library.save("x", "one\n")
    library.save("x", "two\n", first.version)
    with pytest.raises(StaleError):
        library.save("x", "three\n", first.version)
    assert library.get("x").content == "two\n"


def test_a_save_leaves_no_temporary_file(library: Library, custom: Path) -> None:
    library.save("x", "one\n")
    assert os.listdir(custom) == ["x.sh"]


def test_broken_files_are_listed_with_their_error(library: Library, custom: Path) -> None:
    shutil.copytree(BROKEN, custom)
    (custom / "binary.sh").write_bytes(b"#!/bin/bash\n\xff\xfe\n")
    (custom / "nul.sh").write_bytes(b"a\0")
    os.mkfifo(custom / "pipe.sh")
    (custom / "folder.sh").mkdir()
    found = {one.id: one.error for one in library.list() if one.source == "custom"}
    assert {path.stem for path in BROKEN.glob("*.sh")} <= found.keys()
    assert all(found.values()), found
    assert (found["binary"] or "").startswith("Line 2: ")


def test_a_link_that_leads_out_is_not_read(library: Library, custom: Path, tmp_path: Path) -> None:
    custom.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (custom / "x.sh").symlink_to(tmp_path / "secret")
    found = library.get("x")
    assert found.error and found.content == ""


def test_saving_over_a_link_replaces_the_link(library: Library, custom: Path, tmp_path: Path) -> None:
    custom.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (custom / "x.sh").symlink_to(tmp_path / "secret")
    library.save("x", "exec true\n")
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_custom_file_with_a_stock_name_is_shown_but_not_used(library: Library, custom: Path) -> None:
    custom.mkdir(parents=True)
    (custom / "ComfyUI.sh").write_text("other\n")
    assert library.get("ComfyUI").source == "stock"
    assert [(one.id, bool(one.error)) for one in library.list()] == [("ComfyUI", False), ("ComfyUI.sh", True)]
