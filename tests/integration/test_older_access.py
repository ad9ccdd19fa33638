"""Who belonged to a house before permissions had names still does: people, tokens of each scope, an invitation."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from aikore.auth.permissions import Role, role_of
from tests.helpers.access import PASSWORD, bearer, browser, log_in
from tests.helpers.server import AiKoreServer

OLDER = Path(__file__).parent.parent / "older/0003.sql"
"""A database that AiKore 0.1.0 wrote, with two instances; the two dates on which something ends are far away."""
STATIC = Path(__file__).parent.parent.parent / "blueprints/Static.sh"

READ = "aik_EGAr-UZ5fMiS80FE8ElDxvwBVSfahWLgDRgoF9mkpzU"
OPERATE = "aik_etCplg91mrQOfFo6BHXHnhFkg_gEbwG2SVDPQx_2KzE"
ADMIN = "aik_X--z8ntjfEncd_jRO07Q08MoovW0SneJnVesAfFgcqE"
LIMITED = "aik_fCy13CTddyJUkpHZBu0c68Pf1lGGGNCx_TTa4i9dgVo"
"""Of the owner, for the instance ``first`` alone."""
INVITATION = "7610rRdRkOzygXUT0ww0N_TDXB3sOQxviwEu8-rEoxM"
SESSION = "aikore_b63a6235=cECXNXL0dB1pU-MPBVUSflYaVDDdjQ_7pTNo8Jvptb8"
"""The viewer's cookie; its name comes from the house's own secret."""
HOUSE_NAME = "CJ4N5JPcbWfL5huWKkl_gI4HcWFkDxQZkBOISGlol8E\n"
PEOPLE = {"anna": Role.OWNER, "ada": Role.ADMIN, "otto": Role.OPERATOR, "vera": Role.VIEWER}


@pytest.fixture
def house(aikore_factory: Callable[..., AiKoreServer]) -> AiKoreServer:
    server = aikore_factory(auth="on")
    for slug in ("first", "second"):
        folder = server.home / "instances" / slug
        folder.mkdir(parents=True)
        shutil.copy(STATIC, folder / "launch.sh")
    secrets = server.home / "secrets"
    secrets.mkdir(0o700)
    (secrets / "name").write_text(HOUSE_NAME)
    (secrets / "name").chmod(0o600)
    database = sqlite3.connect(server.home / "aikore.db")
    database.executescript(OLDER.read_text())
    database.close()
    return server.start()


def test_tokens_people_and_an_invitation_of_an_older_house_keep_working(house: AiKoreServer) -> None:
    read, operate, admin, limited = (bearer(house, token) for token in (READ, OPERATE, ADMIN, LIMITED))
    house.http.headers["Authorization"] = f"Bearer {ADMIN}"
    assert operate.post("/api/instances/first/start").status_code == 202
    house.wait_status("first", "started")
    assert operate.get("/app/first/").status_code == 200
    assert operate.delete("/api/instances/second").status_code == 403
    assert (limited.get("/app/first/").status_code, limited.get("/app/second/").status_code) == (200, 403)
    assert [one["slug"] for one in read.get("/api/instances").json()] == ["first", "second"]
    assert read.post("/api/instances/first/stop").status_code == 403
    assert admin.patch("/api/instances/second", json={"autostart": False}).status_code == 200
    assert admin.get("/api/auth/users").status_code == 200

    for name, role in PEOPLE.items():
        status = log_in(house, name).get("/api/auth/status").json()
        assert (status["identity"]["role"], status["permissions"]) == (role.word, sorted(role.permissions)), name
    assert browser(house, Cookie=SESSION).get("/api/auth/status").json()["identity"]["name"] == "vera"

    joined = browser(house).post("/api/auth/join", json={"invite": INVITATION, "name": "olga", "password": PASSWORD})
    assert (joined.status_code, joined.json()["role"]) == (200, "operator")


def test_what_viewers_of_an_older_house_lose_is_the_look_at_apps(house: AiKoreServer) -> None:
    for viewer in (bearer(house, READ), browser(house, Cookie=SESSION)):
        assert viewer.get("/app/first/").status_code == 403
        for kept in ("/api/instances", "/api/instances/first/logs", "/api/trash", "/api/system/info", "/metrics", "/"):
            assert viewer.get(kept).status_code == 200, kept


def test_somebody_of_an_older_house_becomes_a_creator_for_good(house: AiKoreServer) -> None:
    owner = log_in(house, "anna")
    number = next(one["id"] for one in owner.get("/api/auth/users").json() if one["name"] == "vera")
    assert owner.patch(f"/api/auth/users/{number}", json={"role": "creator"}).json()["role"] == "creator"
    house.stop()
    house.start()
    status = browser(house, Cookie=SESSION).get("/api/auth/status").json()
    assert status["permissions"] == sorted(role_of("creator").permissions)
