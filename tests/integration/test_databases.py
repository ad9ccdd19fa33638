"""The two databases of a house: made and refused together; and what a variable of before named is taken in."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.server import HTTP_APP, AiKoreServer

Factory = Callable[..., AiKoreServer]
FILES = pytest.mark.parametrize("file", ["aikore.db", "studio.db"])
OLDER = Path(__file__).parent.parent / "older/0003.sql"


def versions(home: Path) -> dict[str, str]:
    found = {}
    for path in sorted(home.glob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            (found[path.name],) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return found


def notices(server: AiKoreServer) -> list[str]:
    with server.events() as socket:
        return [notice["message"] for notice in json.loads(socket.recv())["data"]["notices"]]


def test_a_house_of_before_gets_the_studios_database_beside_its_own(aikore_factory: Factory) -> None:
    server = aikore_factory().start()
    server.stop()
    assert set(versions(server.home)) == {"aikore.db", "studio.db"}
    (server.home / "studio.db").unlink()
    server.start()
    assert set(versions(server.home)) == {"aikore.db", "studio.db"}
    assert (server.home / "studio.db").stat().st_size > 0


@FILES
def test_a_newer_database_of_the_two_is_refused_and_both_are_untouched(aikore_factory: Factory, file: str) -> None:
    server = aikore_factory().start()
    server.stop()
    with closing(sqlite3.connect(server.home / file, isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = {path.name: path.read_bytes() for path in server.home.glob("*.db")}
    said = server.refusal()
    assert f"{file} is at version 9999, which is newer than this AiKore" in said
    assert {path.name: path.read_bytes() for path in server.home.glob("*.db")} == before


@FILES
def test_what_is_no_database_of_the_two_is_refused_and_named(aikore_factory: Factory, file: str) -> None:
    server = aikore_factory()
    server.home.mkdir()
    (server.home / file).write_bytes(b"this is not a database" * 100)
    said = server.refusal()
    assert f"{file} cannot be read: its file is no database" in said
    assert [path.name for path in server.home.glob("*.db")] == [file], "the other one was not even made"


def test_lists_are_read_while_a_database_cannot_be_written(aikore_factory: Factory) -> None:
    server = aikore_factory().start()
    server.blueprint("web", HTTP_APP)
    server.create("one", "web")
    server.start_and_wait("one")
    server.post("one", "stop")
    server.wait_status("one", "stopped")
    with closing(sqlite3.connect(server.home / "aikore.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        entries = server.http.get("/api/auth/audit", timeout=60)
        assert entries.status_code == 200
        refused = server.http.post("/api/instances", json={"name": "two", "base_blueprint": "web"}, timeout=60)
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_failed")
        assert "aikore.db could not be used: another program holds it" in refused.json()["detail"]
        other.execute("ROLLBACK")
    server.create("two", "web")


# A variable of before


@pytest.fixture
def elsewhere(aikore_factory: Factory, tmp_path: Path) -> tuple[AiKoreServer, Path]:
    """A data folder whose database AiKore 0.1.0 kept elsewhere, with an instance in it."""
    server = aikore_factory().start()
    server.blueprint("web", HTTP_APP)
    server.create("one", "web")
    server.start_and_wait("one")
    server.kill()
    source = tmp_path / "on a disk/mine.db"
    source.parent.mkdir()
    for path in server.home.glob("aikore.db*"):
        shutil.move(path, source.with_name(path.name.replace("aikore", "mine")))
    server.settings["database_url"] = f"sqlite:///{source}"
    return server, source


def test_a_database_kept_elsewhere_is_copied_into_the_data_folder_and_told_of(
    elsewhere: tuple[AiKoreServer, Path],
) -> None:
    server, source = elsewhere
    server.start()
    assert server.get("one")["status"] == "started", "its keeper was adopted"
    assert [said for said in notices(server) if f"copied from {source}" in said]
    assert f"copied from {source}" in server.log()
    server.http.patch("/api/instances/one", json={"launch_args": "--new"}).raise_for_status()
    server.kill()
    server.start()
    assert server.get("one")["launch_args"] == "--new", "it was copied once"
    assert [said for said in notices(server) if f"{source} is not read" in said]
    with closing(sqlite3.connect(source)) as database:
        assert database.execute("SELECT launch_args FROM instances").fetchall() == [("",)]
    server.kill()
    server.settings["database_url"] = f"sqlite:///{server.home}/aikore.db"
    server.start()
    assert not [said for said in notices(server) if "DATABASE_URL" in said]


def test_a_house_whose_variable_names_another_kind_is_refused_before_anything_is_made(
    aikore_factory: Factory,
) -> None:
    server = aikore_factory(database_url="postgresql://me:secret@db/aikore")
    said = server.refusal()
    assert "names a database of postgresql" in said
    assert "AiKore 0.1.0 was the last that did" in said
    assert "secret" not in said
    assert not server.home.exists()


def test_a_variable_that_names_a_file_of_a_disk_that_is_not_there_is_refused(
    aikore_factory: Factory, tmp_path: Path
) -> None:
    server = aikore_factory(database_url=f"sqlite:///{tmp_path}/unmounted/mine.db")
    assert "Mount its disk" in server.refusal()
    assert not list(server.home.glob("*.db*"))
    del server.settings["database_url"]
    server.start()
