"""Nobody gets in who does not belong: every address of the house, asked by strangers and by people of each role."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from aikore.auth.access import Needs
from aikore.auth.guard import OPEN_PATHS
from aikore.auth.permissions import SCOPES, Permission, Role
from aikore.config import Settings
from aikore.main import create_app
from tests.helpers.access import PASSWORD, bearer, browser, invite, log_in, make_token, set_up, setup_secret
from tests.helpers.server import HTTP_APP, AiKoreServer, free_ports, wait_until

PAGE = {"Accept": "text/html"}
Factory = Callable[..., AiKoreServer]


class House:
    """A running house with somebody of each role, and one app that runs."""

    def __init__(self, server: AiKoreServer) -> None:
        self.server = server
        self.owner = set_up(server)
        self.viewer = invite(self.owner, server, "viewer", "vera")
        self.creator = invite(self.owner, server, "creator", "cleo")
        self.operator = invite(self.owner, server, "operator", "otto")
        self.admin = invite(self.owner, server, "admin", "adam")
        server.blueprint("web", HTTP_APP, provides=["comfyui"])
        self.web = server.create("web", "web", hostname="web.example.lan")
        server.create("idle", "web")
        server.post("web", "start")
        server.wait_status("web", "started")

    def person(self, role: Role) -> httpx.Client:
        return getattr(self, role.word)  # type: ignore[no-any-return]

    @property
    def stranger(self) -> httpx.Client:
        return browser(self.server)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    first, last = sorted(free_ports(2))
    ports = f"{first}-{last}" if last == first + 1 else f"{first}-{first}"
    server = AiKoreServer(tmp_path_factory.mktemp("house") / "home", auth="on", app_ports=ports)
    try:
        server.start()
        yield House(server)
    finally:
        server.clean_up()


# Every route declares who may use it ----------------------------------------------------------------------------


def routes(app: FastAPI) -> list[APIRoute | APIWebSocketRoute]:
    return [route for route in app.routes if isinstance(route, APIRoute | APIWebSocketRoute)]


def needed(route: APIRoute | APIWebSocketRoute) -> Permission | None:
    """Return the permission a route asks for, None when it declares none."""
    found = [d.call.permission for d in route.dependant.dependencies if isinstance(d.call, Needs)]
    assert len(found) < 2, f"{route.path} declares several permissions"
    return found[0] if found else None


APP = create_app(Settings(home=Path("/nonexistent")))
ROUTES = routes(APP)


def test_the_walk_finds_the_routes() -> None:
    paths = {route.path for route in ROUTES}
    assert {"/api/instances", "/api/instances/{id}/logs/stream", "/api/auth/tokens", "/api/events"} <= paths
    assert {path for path in APP.openapi()["paths"]} <= paths


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{getattr(route, 'methods', 'WS')} {route.path}")
def test_every_route_declares_a_permission_or_is_named_as_open(route: APIRoute) -> None:
    assert (needed(route) is None) == (route.path in OPEN_PATHS), f"{route.path} declares no permission"


def calls() -> list[tuple[str, str, Permission | None]]:
    """Return method (or WS), path and needed permission of every route, with an instance where it needs one."""
    found = []
    for route in ROUTES:
        path = re.sub(r"\{id\}", "web" if "/instances/" in route.path else "1", route.path)
        path = path.replace("{name}", "web" if "/blueprints/" in path else "start.js")
        methods = sorted(route.methods) if isinstance(route, APIRoute) else ["WS"]
        found += [(method, path, needed(route)) for method in methods]
    return found


def ask(client: httpx.Client, server: AiKoreServer, method: str, path: str) -> int:
    """Return the status of a call. What could change something is sent in a form that no route accepts."""
    if method != "WS":
        return client.request(method, path, content=b"{" if method in ("POST", "PUT", "PATCH") else None).status_code
    headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in client.cookies.items())}
    try:
        with connect(f"ws://127.0.0.1:{server.port}{path}", additional_headers=headers, proxy=None):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.parametrize(("method", "path", "permission"), calls(), ids=lambda value: str(value))
def test_a_route_answers_401_to_a_stranger_and_403_to_every_role_without_its_permission(
    house: House, method: str, path: str, permission: Permission | None
) -> None:
    if permission is None:
        return
    assert ask(house.stranger, house.server, method, path) == 401
    for role in Role:
        person = house.person(role)
        if permission in role.permissions:
            if method in ("GET", "WS"):  # what changes something is not tried out
                assert ask(person, house.server, method, path) not in (401, 403), role
        elif method in ("POST", "PUT", "PATCH"):  # bodies are not looked at before the permission is
            answer = person.request(method, path, json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), role
        else:
            assert ask(person, house.server, method, path) == 403, role


# The door -------------------------------------------------------------------------------------------------------

OPEN_LOCATIONS = {
    "= /.aikore/login",
    r"~ ^/\.aikore/login/(?<login_file>login\.(?:css|js)|tokens\.css|mark\.svg)$",
    "= /.aikore/handover",
    "= /.aikore/enter",
}
"""The login page's files and the hand-over, which looks at the session itself."""
KNOWN_LOCATIONS = {
    "/api/": ["/api/instances", "/api/docs", "/api/openapi.json", "/api/nothing"],
    "= /metrics": ["/metrics"],
    "= /": ["/"],
    "/static/": ["/static/js/app.js", "/static/nothing"],
    "~ ^/static/v-[0-9a-f]+/(?<asset>.+)$": ["/static/v-00/js/app.js"],
    "= /.aikore/generation": ["/.aikore/generation"],
    "/app/": ["/app/web/", "/app/web/index.html", "/app/idle/", "/app/nobody/"],
    "~ ^/desktop/[a-z0-9-]+/$": ["/desktop/web/", "/desktop/nobody/"],
    "/": ["/prompt", "/ws", "/view"],
    r"~ ^/app/[a-z0-9-]+/\.aikore/(?<gateway_file>gateway\.(?:css|js))$": ["/app/web/.aikore/gateway.js"],
    r"~ ^/app/[a-z0-9-]+/\.aikore/(?<gateway_call>.*)$": [
        "/app/web/.aikore/instance",
        "/app/web/.aikore/logs",
        "/app/web/.aikore/events",
    ],
    "/comfyui/": ["/comfyui/", "/comfyui/prompt"],
    # At a host name and a port of an instance:
    r"~ ^/\.aikore/(?<gateway_file>gateway\.(?:css|js))$": ["HOST/.aikore/gateway.js"],
    r"~ ^/\.aikore/(?<gateway_call>.*)$": ["HOST/.aikore/instance"],
    "HOST /": ["HOST/", "HOST/index.html", "PORT/", "PORT/index.html"],
}
EMPTY_LOCATIONS = {"/.aikore/", "= /.aikore/check", "= /.aikore/alive", "= /comfyui", "~ ^/desktop/[a-z0-9-]+$"}
"""Nothing is there, NGINX's own questions, a redirect."""


def test_every_location_of_nginx_is_known_to_these_tests(house: House) -> None:
    text = (house.server.home / "nginx/current/nginx.conf").read_text()
    found = set(re.findall(r"^\s*location (.*?) \{$", text, re.MULTILINE))
    named = {location for location in found if location.startswith("@")}
    assert found - named <= set(KNOWN_LOCATIONS) | OPEN_LOCATIONS | EMPTY_LOCATIONS


@pytest.mark.parametrize("address", [path for paths in KNOWN_LOCATIONS.values() for path in paths])
def test_an_address_of_the_door_answers_a_stranger_with_401_or_the_login(house: House, address: str) -> None:
    headers, url = located(house, address)
    program = house.stranger.get(url, headers=headers)
    assert program.status_code == 401, program.text
    assert program.headers["content-type"] == "application/problem+json"
    if not address.startswith(("/api", "/metrics", "/.aikore")) and "/.aikore/" not in address:
        page = house.stranger.get(url, headers=headers | PAGE)
        assert page.status_code in (302, 401)
        if page.status_code == 302:
            assert "/.aikore/" in page.headers["location"]


def located(house: House, address: str) -> tuple[dict[str, str], str]:
    """Return the headers and the address for a path on the main address, at a host name, or at a port."""
    if address.startswith("HOST"):
        return {"Host": f"web.localhost:{house.server.port}"}, address[4:]
    if address.startswith("PORT"):
        port = re.search(r":(\d+)/", house.server.get("web")["urls"]["port"])
        assert port
        return {}, f"http://127.0.0.1:{port[1]}{address[4:]}"
    return {}, address


@pytest.mark.parametrize("address", ["/app/web/", "/comfyui/", "HOST/", "PORT/"])
@pytest.mark.parametrize("scope", SCOPES)
def test_an_app_is_opened_by_who_has_the_permission_and_by_nobody_else(house: House, scope: str, address: str) -> None:
    house.owner.post("/api/instances/web/activate").raise_for_status()
    headers, url = located(house, address)
    url = url if "//" in url else house.server.url + url
    token = make_token(house.owner, scope=scope)["token"]
    headers |= {"Authorization": f"Bearer {token}"}
    answer = httpx.get(url, headers=headers)
    if Permission.APPS_OPEN in SCOPES[scope].permissions:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        sent = httpx.post(url, headers=headers)
        assert (sent.status_code, sent.json()["code"]) == (403, "not_allowed")
        page = httpx.get(url, headers=headers | PAGE)
        assert page.status_code == 403 and "An admin can give you another one" in page.text


@pytest.mark.parametrize("path", ["//comfyui/prompt", "/%63omfyui/", "/comfyu%69/x"])
def test_no_other_spelling_of_the_active_slot_opens_its_app(house: House, path: str) -> None:
    house.owner.post("/api/instances/web/activate").raise_for_status()
    for person in (house.viewer, house.creator, house.owner):
        answer = person.get(house.server.url + path)
        assert (answer.status_code, answer.json().get("code")) == (400, "bad_path")


@pytest.mark.parametrize("role", Role)
def test_who_is_logged_in_is_told_by_name_what_they_may_do(house: House, role: Role) -> None:
    status = house.person(role).get("/api/auth/status").json()
    assert status["permissions"] == sorted(role.permissions)
    assert status["identity"]["role"] == role.word


def test_a_stranger_may_nothing(house: House) -> None:
    assert house.stranger.get("/api/auth/status").json()["permissions"] == []


def test_a_creator_sees_the_lists_and_gets_into_nothing_that_shows_what_others_made(house: House) -> None:
    lists = ("/api/instances", "/api/blueprints", "/api/trash", "/api/system/info", "/api/instances/web/logs")
    assert {path: house.creator.get(path).status_code for path in lists} == dict.fromkeys(lists, 200)
    closed = ("/app/web/", "/desktop/web/", "/api/instances/web/files", "/api/instances/web/script", "/api/terminals")
    assert {path: house.creator.get(path).status_code for path in closed} == dict.fromkeys(closed, 403)
    assert house.creator.get("/api/instances/web").json()["actions"] == []


def test_a_desktop_is_for_operators(house: House) -> None:
    assert house.operator.get("/desktop/web/").status_code == 200
    assert house.viewer.get("/desktop/web/").status_code == 403
    assert house.creator.get("/desktop/web/").status_code == 403
    assert house.owner.get("/desktop/nobody/").status_code == 404
    other = bearer(house.server, make_token(house.owner, scope="operate", instance="idle")["token"])
    assert (other.get("/desktop/idle/").status_code, other.get("/desktop/web/").status_code) == (200, 403)
    assert ask(other, house.server, "WS", "/api/instances/web/desktop") in (401, 403)


def test_only_somebody_who_is_logged_in_learns_that_an_instance_does_not_exist(house: House) -> None:
    assert house.stranger.get("/app/nobody/").status_code == 401
    assert house.owner.get("/app/nobody/").status_code == 404
    elsewhere = {"Host": f"nobody.localhost:{house.server.port}"}
    operator = bearer(house.server, make_token(house.owner, scope="operate")["token"])
    assert operator.get("/app/web/", headers=elsewhere).status_code == 404, "the address has no instance, not the path"


# Logging in -----------------------------------------------------------------------------------------------------


def test_a_browser_is_sent_to_the_login_and_the_page_is_there(house: House) -> None:
    sent = house.stranger.get("/app/web/a b?x=1&y=2", headers=PAGE)
    assert sent.headers["location"] == "/.aikore/login?next=/app/web/a%20b?x=1&y=2"
    page = house.stranger.get("/.aikore/login")
    assert page.status_code == 200 and "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for file in ("login.js", "login.css", "tokens.css", "mark.svg"):
        assert house.stranger.get(f"/.aikore/login/{file}").status_code == 200, file


def test_the_setup_link_works_once_and_a_wrong_one_never(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    secret = setup_secret(server)
    stranger = browser(server)
    wrong = stranger.post("/api/auth/setup", json={"setup": "x" * 43, "name": "eve", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credential")
    weak = stranger.post("/api/auth/setup", json={"setup": secret, "name": "anna", "password": "short"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert set_up(server).get("/api/instances").status_code == 200
    again = stranger.post("/api/auth/setup", json={"setup": secret, "name": "eve", "password": PASSWORD})
    assert again.status_code == 409
    assert not (server.home / "secrets/setup.token").exists()


def test_a_session_outlives_the_manager_and_ends_with_logging_out(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    owner = set_up(server)
    server.kill()
    server.start()
    assert owner.get("/api/instances").status_code == 200
    cookies = dict(owner.cookies)
    assert owner.post("/api/auth/logout").status_code == 204
    assert (
        browser(server, Cookie="; ".join(f"{k}={v}" for k, v in cookies.items())).get("/api/instances").status_code
        == 401
    )


def test_logging_out_everywhere_ends_all_browsers_and_their_sockets(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    owner, other = set_up(server), log_in(server)
    headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in other.cookies.items())}
    with connect(f"ws://127.0.0.1:{server.port}/api/events", additional_headers=headers, proxy=None) as events:
        events.recv(5)
        assert owner.post("/api/auth/logout?everywhere=true").status_code == 204
        wait_until(lambda: _closed(events) == 4401, 5, "the socket is closed")
    assert other.get("/api/instances").status_code == 401


def _closed(socket: Any) -> int | None:
    try:
        socket.recv(0.2)
    except TimeoutError:
        return None
    except Exception:
        return int(socket.close_code)
    return None


def test_the_password_of_the_settings_is_the_owners(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", password=PASSWORD).start()
    assert log_in(server).get("/api/auth/status").json()["identity"]["role"] == "owner"
    assert "setup=" not in server.log()
    kept = log_in(server)
    server.stop()
    server.settings["password"] = "another " + PASSWORD
    server.start()
    assert kept.get("/api/instances").status_code == 401
    assert log_in(server, password="another " + PASSWORD).get("/api/instances").status_code == 200


def test_a_password_is_changed_with_the_old_one_and_ends_other_sessions(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    owner, other = set_up(server), log_in(server)
    new = "even more correct horses"
    refused = owner.put("/api/auth/password", json={"old": "wrong", "new": new})
    assert refused.status_code == 401
    assert owner.put("/api/auth/password", json={"old": PASSWORD, "new": new}).status_code == 204
    assert (owner.get("/api/instances").status_code, other.get("/api/instances").status_code) == (200, 401)
    assert log_in(server, password=new).get("/api/instances").status_code == 200


def test_a_closed_house_leaves_no_kept_credential_in_memory(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    folder = Settings(home=server.home).door_cache_dir
    set_up(server).get("/")
    assert folder.is_dir()
    assert server.stop() == 0
    assert not folder.exists()


def test_with_auth_off_nobody_is_asked_and_everybody_is_told(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="off").start()
    assert browser(server).get("/").status_code == 200
    assert browser(server).get("/api/auth/status").json()["identity"]["via"] == "open"
    assert "AIKORE_AUTH=off" in server.log()


# Tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        lambda token: {"Authorization": f"Bearer {token}"},
        lambda token: {"X-AiKore-Token": token},
        lambda token: {"Authorization": httpx.BasicAuth("any", token)._auth_header},
    ],
    ids=["bearer", "header", "basic"],
)
def test_a_program_comes_in_with_a_token(house: House, headers: Callable[[str], dict[str, str]]) -> None:
    token = make_token(house.owner, scope="operate")["token"]
    program = browser(house.server, **headers(token))
    assert program.get("/api/instances").status_code == 200
    assert program.get("/app/web/").status_code == 200
    assert program.delete("/api/instances/idle").status_code == 403


def test_a_token_in_the_address_works(house: House) -> None:
    token = make_token(house.owner, scope="operate")["token"]
    assert httpx.get(f"http://x:{token}@127.0.0.1:{house.server.port}/app/web/").status_code == 200


def test_a_token_of_one_instance_is_good_for_that_one_only(house: House) -> None:
    program = bearer(house.server, make_token(house.owner, scope="operate", instance="web")["token"])
    assert program.get("/api/instances/web").status_code == 200
    assert program.get("/app/web/").status_code == 200
    for elsewhere in ("/api/instances", "/api/instances/idle", "/app/idle/", "/", "/api/trash", "/api/auth/tokens"):
        assert program.get(elsewhere).status_code == 403, elsewhere


def test_a_token_never_may_more_than_its_maker_and_makes_none(house: House) -> None:
    refused = house.viewer.post("/api/auth/tokens", json={"name": "x", "scope": "admin"})
    assert refused.status_code == 403
    for role in Role:
        for scope in SCOPES:
            made = house.person(role).post("/api/auth/tokens", json={"name": "x", "scope": scope})
            assert made.status_code == (201 if SCOPES[scope].permissions <= role.permissions else 403), (role, scope)
    program = bearer(house.server, make_token(house.owner, scope="admin")["token"])
    assert program.post("/api/auth/tokens", json={"name": "x"}).status_code == 403


def test_a_token_shrinks_with_the_role_of_its_maker(house: House) -> None:
    maker = invite(house.owner, house.server, "admin", "maja")
    program = bearer(house.server, make_token(maker, scope="admin")["token"])
    number = next(one["id"] for one in house.owner.get("/api/auth/users").json() if one["name"] == "maja")
    for role in (Role.ADMIN, Role.OPERATOR, Role.CREATOR, Role.VIEWER):
        house.owner.patch(f"/api/auth/users/{number}", json={"role": role.word}).raise_for_status()
        status = program.get("/api/auth/status").json()
        assert (status["identity"]["role"], status["permissions"]) == (role.word, sorted(role.permissions))


def test_a_token_is_stored_as_a_digest_and_shown_once(house: House) -> None:
    token = make_token(house.owner)["token"]
    assert all("token" not in one for one in house.owner.get("/api/auth/tokens").json())
    for path in house.server.home.glob("aikore.db*"):
        assert token.encode() not in path.read_bytes()


def revoke_after(house: House, idle: float) -> None:
    """Use a token, revoke it, be idle, and see how long it still opens an app."""
    made = make_token(house.owner, scope="operate")
    program = bearer(house.server, made["token"])
    assert program.get("/app/web/").status_code == 200
    time.sleep(idle)  # the idleness itself
    assert house.owner.delete(f"/api/auth/tokens/{made['id']}").status_code == 204
    wait_until(lambda: program.get("/app/web/").status_code == 401, 5.0)


@pytest.mark.parametrize("idle", [0.0, 7.0])
def test_a_revoked_token_is_refused_within_five_seconds(house: House, idle: float) -> None:
    revoke_after(house, idle)


@pytest.mark.soak
def test_a_revoked_token_is_refused_within_five_seconds_after_a_minute_of_idleness(house: House) -> None:
    revoke_after(house, 60.0)


def test_a_token_that_was_revoked_while_idle_gets_not_one_more_answer(house: House) -> None:
    made = make_token(house.owner, scope="operate")
    program = bearer(house.server, made["token"])
    assert program.get("/app/web/").status_code == 200
    assert house.owner.delete(f"/api/auth/tokens/{made['id']}").status_code == 204
    time.sleep(6.0)  # longer than a yes is kept
    assert program.get("/app/web/").status_code == 401


def test_the_token_of_the_settings_works(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", token="a fixed token for machines").start()
    assert bearer(server, "a fixed token for machines").get("/api/instances").status_code == 200
    assert bearer(server, "a fixed token for machinez").get("/api/instances").status_code == 401


# People ---------------------------------------------------------------------------------------------------------


def test_a_viewer_sees_and_cannot_change(house: House) -> None:
    seen = house.viewer.get("/api/instances/web").json()
    assert seen["actions"] == [] or set(seen["actions"]) <= set()
    operated = house.operator.get("/api/instances/web").json()["actions"]
    assert "stop" in operated and "edit" not in operated


def test_values_of_variables_are_shown_to_admins_only(house: House) -> None:
    house.owner.patch("/api/instances/idle", json={"environment": {"HF_TOKEN": "hf_secret"}}).raise_for_status()
    assert house.owner.get("/api/instances/idle").json()["environment"] == {"HF_TOKEN": "hf_secret"}
    assert "hf_secret" not in house.operator.get("/api/instances").text
    headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in house.viewer.cookies.items())}
    url = f"ws://127.0.0.1:{house.server.port}/api/events"
    with connect(url, additional_headers=headers, proxy=None) as events:
        assert "hf_secret" not in events.recv(5)


def test_an_invitation_works_once_and_only_the_owner_makes_admins(house: House) -> None:
    admin = invite(house.owner, house.server, "admin", "ada")
    assert admin.get("/api/auth/users").status_code == 200
    assert admin.post("/api/auth/invites", json={"role": "admin"}).status_code == 403
    secret = admin.post("/api/auth/invites", json={"role": "viewer"}).json()["secret"]
    wanted = {"invite": secret, "name": "zoe", "password": PASSWORD}
    assert house.stranger.post("/api/auth/join", json=wanted).status_code == 200
    assert house.stranger.post("/api/auth/join", json=wanted | {"name": "zed"}).status_code == 404


def test_somebody_who_is_removed_is_out_at_once(house: House) -> None:
    person = invite(house.owner, house.server, "admin", "gone")
    token = make_token(person, scope="admin")["token"]
    number = next(p["id"] for p in house.owner.get("/api/auth/users").json() if p["name"] == "gone")
    assert house.owner.delete(f"/api/auth/users/{number}").status_code == 204
    assert person.get("/api/instances").status_code == 401
    assert bearer(house.server, token).get("/api/instances").status_code == 401


def test_apps_close_within_five_seconds_to_somebody_with_a_smaller_role(house: House) -> None:
    person = invite(house.owner, house.server, "operator", "olaf")
    assert person.get("/app/web/").status_code == 200
    number = next(one["id"] for one in house.owner.get("/api/auth/users").json() if one["name"] == "olaf")
    house.owner.patch(f"/api/auth/users/{number}", json={"role": "creator"}).raise_for_status()
    wait_until(lambda: person.get("/app/web/").status_code == 403, 5.0)
    assert person.get("/api/instances").status_code == 200


def test_every_change_is_in_the_audit_log(house: House) -> None:
    house.operator.post("/api/instances/idle/start").raise_for_status()
    house.operator.post("/api/instances/idle/stop").raise_for_status()
    house.viewer.post("/api/instances/idle/start")
    entries = house.owner.get("/api/auth/audit?limit=500").json()
    seen = [(e["who"], e["action"], e["target"], e["status"]) for e in entries]
    assert ("otto", "start_instance", "idle", 202) in seen
    assert ("vera", "start_instance", "idle", 403) in seen
    assert any(e["action"] == "create_instance" and e["detail"] == "idle" for e in entries)
    assert all(e["address"] == "127.0.0.1" and e["time"].endswith("Z") for e in entries if e["who"] == "otto")


# Credentials stay with us ---------------------------------------------------------------------------------------


def test_a_network_without_login_serves_programs_that_can_carry_nothing(house: House) -> None:
    bare = house.stranger
    assert bare.get("/app/web/").status_code == 401
    house.owner.patch("/api/instances/web", json={"open_networks": ["127.0.0.1"]}).raise_for_status()
    try:
        wait_until(lambda: bare.get("/app/web/").status_code == 200, 5)
        assert bare.get("/app/idle/").status_code == 401
        assert bare.get("/desktop/web/").status_code == 401
        assert bare.get("/desktop/web/", headers={"Host": f"web.localhost:{house.server.port}"}).status_code == 404
        assert bare.post("/app/web/").status_code == 501, "the app itself answers"
        wait_until(lambda: house.viewer.get("/app/web/").status_code == 200, 6)
        assert house.viewer.get("/app/idle/").status_code == 403
        assert bare.get("/api/instances/web").status_code == 401
        assert bare.post("/app/web/.aikore/start").status_code == 401
    finally:
        house.owner.patch("/api/instances/web", json={"open_networks": []}).raise_for_status()
    wait_until(lambda: bare.get("/app/web/").status_code == 401, 6)


def test_a_host_of_an_instance_gets_its_cookie_by_a_hand_over(house: House) -> None:
    host = f"web.localhost:{house.server.port}"
    visitor = httpx.Client(trust_env=False, headers={"Host": host, **PAGE})
    base = f"http://127.0.0.1:{house.server.port}"
    sent = visitor.get(f"{base}/index.html?a=1&b=2").headers["location"]
    assert sent == f"http://localhost:{house.server.port}/.aikore/handover?to=http://{host}/index.html?a=1&b=2"
    handed = house.owner.get(sent.split(str(house.server.port), 1)[1]).headers["location"]
    assert handed.startswith(f"http://{host}/.aikore/enter?code=")
    entered = visitor.get(handed.replace(f"http://{host}", base))
    assert (entered.status_code, entered.headers["location"]) == (302, "/index.html?a=1&b=2")
    cookie = {"Cookie": entered.headers["set-cookie"].split(";")[0]}
    assert visitor.get(f"{base}/", headers=cookie).status_code == 200
    again = visitor.get(handed.replace(f"http://{host}", base))
    assert "set-cookie" not in again.headers, "a code is good once"
    assert house.stranger.get("/api/instances", headers=cookie).status_code == 403, "it opens that instance only"


@pytest.mark.parametrize(
    "target",
    ["http://evil.example/", "javascript:alert(1)", "http://web.localhost@evil.example/", "//evil.example/", "http://"],
)
def test_a_hand_over_goes_to_our_own_addresses_only(house: House, target: str) -> None:
    answer = house.owner.get(f"/.aikore/handover?to={target}")
    assert answer.status_code == 422, answer.headers


def without_manager(server: AiKoreServer, seconds: float) -> None:
    """Kill the manager and go on using an app; only somebody unknown has to wait for it."""
    owner = set_up(server)
    server.blueprint("web", HTTP_APP)
    server.create("web", "web")
    server.post("web", "start")
    server.wait_status("web", "started")
    assert owner.get("/app/web/").status_code == 200
    server.kill()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert owner.get("/app/web/").status_code == 200
        time.sleep(0.25)  # a visitor now and then
    away = browser(server).get("/app/web/")
    assert (away.status_code, away.json()["code"]) == (503, "manager_away")
    server.start()
    assert owner.get("/app/web/").status_code == 200


def test_apps_stay_reachable_while_the_manager_is_away(aikore_factory: Factory) -> None:
    without_manager(aikore_factory(auth="on").start(), 8.0)


@pytest.mark.soak
def test_apps_stay_reachable_while_the_manager_is_away_for_half_a_minute(aikore_factory: Factory) -> None:
    without_manager(aikore_factory(auth="on").start(), 32.0)
