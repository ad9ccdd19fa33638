"""What an attacker would try, on the real door with a login."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from aikore.auth.digests import same
from tests.helpers.access import PASSWORD, browser, make_token, set_up, setup_secret
from tests.helpers.proxy import Answer, ask
from tests.helpers.server import AiKoreServer

ECHO = f'exec {sys.executable} {Path(__file__).parent.parent / "apps/echo_app.py"} "$WEBUI_PORT"'
Factory = Callable[..., AiKoreServer]


class Target:
    """A house with a login and an app that tells what it was sent."""

    def __init__(self, server: AiKoreServer) -> None:
        self.server = server
        self.owner = set_up(server)
        self.cookie = "; ".join(f"{name}={value}" for name, value in self.owner.cookies.items())
        self.cookie_name = next(iter(self.owner.cookies))
        server.blueprint("echo", ECHO)
        server.create("echo", "echo")
        server.post("echo", "start")
        server.wait_status("echo", "started")

    def ask(self, target: str, method: str = "GET", **more: object) -> Answer:
        return asyncio.run(ask(self.server.port, target, method, **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    server = AiKoreServer(tmp_path_factory.mktemp("target") / "home", auth="on")
    try:
        server.start()
        yield Target(server)
    finally:
        server.clean_up()


# Pages of other sites -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/events", "/api/instances/echo/logs/stream", "/app/echo/ws", "/app/echo/.aikore/logs"]
)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1:1"]
)
def test_a_page_of_another_site_opens_no_socket_with_a_visitors_cookie(target: Target, path: str, origin: str) -> None:
    url = f"ws://127.0.0.1:{target.server.port}{path}"
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(url, additional_headers={"Cookie": target.cookie, "Origin": origin}, proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/api/instances/echo/stop", "/api/auth/logout", "/app/echo/form"])
def test_a_form_of_another_site_changes_nothing(target: Target, path: str) -> None:
    for how in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = target.owner.post(path, headers=how, data={"a": "b"})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert target.server.get("echo")["status"] == "started"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_foreign_forms(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", password=PASSWORD).start()
    answer = browser(server).post("/api/auth/login", json={"password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "domain" not in cookie


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9000", "localhost.evil.example", "", "a b"])
def test_a_rebound_name_gets_nothing(target: Target, host: str) -> None:
    lines = f"GET /api/auth/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert status(raw(target.server.port, lines.encode())) in (400, 403)


# Paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/app/echo/../../api/instances", "/app/echo/..%2f..%2fapi/instances", "/app/echo/%2e%2e/%2e%2e/api/instances",
        "/app/echo/%252e%252e/%252e%252e/secrets/machine.token", "/app/echo/..;/api/instances", "/static/../index.html",
        "/static/%2e%2e/%2e%2e/cli.py", "/static/..%5c..%5ccli.py", "/static/%c0%ae%c0%ae/cli.py",
        "/static/\u2024\u2024/cli.py", "/static//etc/passwd", "/static/js/%00.js", "/app/echo/%00",
        "/.aikore/login/../../x",
        "/.aikore/login/..%2f..%2fcli.py", "/api/blueprints/..%2f..%2fsecrets%2fmachine.token",
        "/api/instances/..%2f..%2fx/script", "/api/trash/..%2fx/restore", "//api/instances", "/app//echo/",
        "/%61pp/echo/",
    ],
)  # fmt: skip
def test_a_path_out_of_bounds_shows_no_file_and_no_other_route(target: Target, path: str) -> None:
    for carried in ({}, {"Cookie": target.cookie}):
        answer = target.ask(path.encode("utf-8").decode("latin-1"), **carried)
        text = answer.body.decode("utf-8", "replace")
        assert answer.status in (302, 307, 308, 400, 401, 403, 404, 405, 422) or b'"app": "echo"' in answer.body, (
            path, answer.status, text[:200],
        )  # fmt: skip
        assert "root:" not in text and "import " not in text and '"base_blueprint"' not in text


def test_files_that_are_links_out_of_the_data_folder_are_not_followed(target: Target) -> None:
    instance = target.server.home / "instances" / "echo"
    (instance / "launch.sh").rename(instance / "launch.kept")
    (instance / "launch.sh").symlink_to("/etc/passwd")
    try:
        answer = target.owner.get("/api/instances/echo/script")
        assert "root:" not in answer.text
    finally:
        (instance / "launch.sh").unlink()
        (instance / "launch.kept").rename(instance / "launch.sh")


@pytest.mark.parametrize("path", ["/app/echo/%0d%0aSet-Cookie:%20evil=1", "/x%0d%0aLocation:%20http://evil.example/"])
def test_line_breaks_in_an_address_make_no_header(target: Target, path: str) -> None:
    for address in (path, f"/app/echo{path}", f"/.aikore/login?next={path}", f"/.aikore/handover?to={path}"):
        answer = target.ask(address, Accept="text/html")
        assert not any(key.lower() == "set-cookie" for key, _ in answer.headers)
        assert "evil.example" not in answer.header("Location").split("?")[0]


# Cookies and tokens ---------------------------------------------------------------------------------------------


def test_two_cookies_of_our_name_count_as_none(target: Target) -> None:
    for path in ("/api/instances", "/app/echo/x"):
        for tossed in (f"{target.cookie}; {target.cookie_name}=evil", f"{target.cookie_name}=evil; {target.cookie}"):
            answer = target.ask(path, Cookie=tossed)
            assert answer.status == 401, path
            assert target.cookie.split("=")[1] not in answer.body.decode()


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("{ours}", ""), ("{ours}; a=1", "a=1"), ("a=1; {ours}", "a=1"), ("a=1; {ours}; b=2", "a=1; b=2"),
        ("a=1;{ours};b=2", "a=1;b=2"), ("xaikore=1; {ours}; my{name}=3", "xaikore=1; my{name}=3"),
    ],
)  # fmt: skip
def test_an_app_gets_its_own_cookies_and_not_ours(target: Target, sent: str, arrives: str) -> None:
    names = {"ours": target.cookie, "name": target.cookie_name}
    answer = target.ask("/app/echo/x", Cookie=sent.format(**names))
    assert answer.json["headers"].get("cookie", "") == arrives.format(**names)


def test_an_app_gets_its_own_authorization_and_no_token_of_ours(target: Target) -> None:
    token = make_token(target.owner, scope="operate")["token"]
    own = target.ask("/app/echo/x", Cookie=target.cookie, Authorization="Bearer the-apps-own")
    assert own.json["headers"]["authorization"] == "Bearer the-apps-own"
    for how in (
        {"Authorization": f"Bearer {token}"},
        {"Authorization": httpx.BasicAuth("x", token)._auth_header},
        {"X_AiKore_Token": token, "Authorization": "Bearer the-apps-own"},
        {"Cookie": target.cookie, "Authorization": f"Bearer {token}x"},
    ):
        seen = target.ask("/app/echo/x", **how)
        assert seen.status == 200 and token not in seen.body.decode(), how


def test_a_visitor_cannot_name_himself_by_headers_of_ours(target: Target) -> None:
    for how in ("X_AiKore_Remote_User", "Remote_User", "X_Remote_User", "X_AiKore_Identity"):
        assert target.ask("/api/instances", **{how: "anna"}).status == 401
        assert target.ask("/app/echo/x", **{how: "anna"}).status == 401
    seen = target.ask("/app/echo/x", Cookie=target.cookie, X_AiKore_Remote_User="anna", X_Forwarded_For="6.6.6.6")
    assert "x-aikore-remote-user" not in seen.json["headers"]
    assert seen.json["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_a_session_that_was_planted_before_the_login_is_worth_nothing_after_it(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", password=PASSWORD).start()
    first = browser(server)
    first.post("/api/auth/login", json={"password": PASSWORD}).raise_for_status()
    ((name, planted),) = first.cookies.items()
    victim = browser(server)
    victim.cookies.set(name, planted, domain="127.0.0.1")
    answer = victim.post("/api/auth/login", json={"password": PASSWORD})
    assert planted not in answer.headers["set-cookie"]
    assert browser(server, Cookie=f"{name}={planted}").get("/api/instances").status_code == 401


def test_guessing_is_slowed_down_and_the_owner_at_home_is_not(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", trusted_proxies="127.0.0.1", password=PASSWORD).start()
    home, stranger = {"X-Forwarded-For": "192.168.1.2"}, {"X-Forwarded-For": "203.0.113.9"}
    client = browser(server)
    login = "/api/auth/login"
    assert client.post(login, json={"password": PASSWORD}, headers=home).status_code == 200
    codes = [client.post(login, json={"password": f"guess {n}"}, headers=stranger).status_code for n in range(8)]
    assert codes[:5] == [401] * 5 and codes[-1] == 429
    slowed = client.post(login, json={"password": PASSWORD}, headers=stranger)
    assert slowed.status_code == 429 and int(slowed.headers["retry-after"]) >= 1
    assert client.post(login, json={"password": PASSWORD}, headers=home).status_code == 200


def test_comparing_a_secret_takes_as_long_whatever_it_is() -> None:
    secret = "s" * 43

    def spent(guess: str) -> float:
        rounds = []
        for _ in range(300):
            began = time.perf_counter_ns()
            for _ in range(20):
                same(guess, secret)
            rounds.append(time.perf_counter_ns() - began)
        return statistics.median(rounds)

    early, late = spent("x" + secret[1:]), spent(secret[:-1] + "x")
    assert 0.5 < early / late < 2.0


def test_secrets_are_in_no_log_no_list_of_processes_and_no_error(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", password=PASSWORD, token="a-fixed-token-of-the-settings").start()
    owner = browser(server)
    owner.post("/api/auth/login", json={"password": PASSWORD}).raise_for_status()
    token = make_token(owner, scope="admin")["token"]
    server.http.headers["Authorization"] = f"Bearer {token}"
    server.blueprint("tell", "env; sleep 1000", ready="process")
    server.create("tell", "tell")
    server.post("tell", "start")
    server.wait_status("tell", "started")
    httpx.get(f"http://x:{token}@127.0.0.1:{server.port}/app/tell/")
    httpx.get(f"http://127.0.0.1:{server.port}/app/tell/?token={token}")
    session = next(iter(owner.cookies.values()))
    secrets = [PASSWORD, token, session, "a-fixed-token-of-the-settings"]
    secrets += [path.read_text().strip() for path in (server.home / "secrets").iterdir()]
    places = [server.log(), server.log_text("tell"), (server.home / "nginx/error.log").read_text()]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            places.append(Path(f"/proc/{pid}/cmdline").read_text())
    for secret in secrets:
        assert not any(secret in place for place in places), secret[:8]


def test_secrets_lie_in_files_of_0600_in_a_folder_of_0700(target: Target) -> None:
    folder = target.server.home / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert files and all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert (target.server.home / "nginx").stat().st_mode & 0o777 == 0o700


# The protocol itself --------------------------------------------------------------------------------------------


def raw(port: int, data: bytes, seconds: float = 5.0) -> bytes:
    """Send bytes and return what comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        connection.sendall(data)
        connection.settimeout(seconds)
        found = b""
        try:
            while piece := connection.recv(65536):
                found += piece
        except TimeoutError:
            pass
    return found


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return int(found[1]) if found else 400


SMUGGLED = b"GET /api/instances HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length: 0\r\nContent-Length: 48\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: +0\r\n",
    ],
)
def test_a_request_cannot_be_smuggled_behind_another(target: Target, head: bytes) -> None:
    """Whatever NGINX makes of the first request, the second is a stranger's own and gets nothing."""
    cookie = target.cookie.encode()
    first = b"POST /app/echo/x HTTP/1.1\r\nHost: localhost\r\nCookie: " + cookie + b"\r\n" + head + b"\r\n0\r\n\r\n"
    answers = raw(target.server.port, first + SMUGGLED, 2.0)
    assert b'"base_blueprint"' not in answers
    assert len(re.findall(rb"HTTP/1\.1 200", answers)) <= 1


def test_oversized_headers_are_refused_and_hurt_nobody(target: Target) -> None:
    huge = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 400_000 + b"\r\n\r\n"
    assert status(raw(target.server.port, huge)) in (400, 414, 431)
    many = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 50_000 + b"\r\n"
    assert status(raw(target.server.port, many)) in (400, 431)
    assert target.owner.get("/api/instances").status_code == 200


def test_an_oversized_body_is_refused_by_the_api_with_flat_memory(target: Target) -> None:
    answer = target.owner.post("/api/auth/login", content=b'{"password": "' + b"a" * 30_000_000 + b'"}')
    assert answer.status_code in (413, 422)
    assert target.owner.get("/api/instances").status_code == 200


def test_five_hundred_slow_connections_leave_the_dashboard_answering(target: Target) -> None:
    slow = []
    try:
        for _ in range(500):
            connection = socket.create_connection(("127.0.0.1", target.server.port), 5)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            slow.append(connection)
        began = time.monotonic()
        assert target.owner.get("/").status_code == 200
        assert target.owner.get("/api/instances").status_code == 200
        assert time.monotonic() - began < 5
    finally:
        for connection in slow:
            connection.close()


# Before and behind other proxies --------------------------------------------------------------------------------


def test_forwarded_headers_are_believed_of_listed_proxies_only(aikore_factory: Factory) -> None:
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "ai.example.org"}
    for proxies, scheme in (("", "http"), ("127.0.0.1", "https")):
        server = aikore_factory(
            f"home{len(proxies)}", auth="on", password=PASSWORD, trusted_proxies=proxies, allowed_hosts="ai.example.org"
        ).start()
        answer = browser(server, **said).post("/api/auth/login", json={"password": PASSWORD})
        assert ("secure" in answer.headers["set-cookie"].lower()) == (scheme == "https")
        entries = browser(server).get("/api/auth/audit", headers={"Cookie": cookies(answer)}).json()
        assert entries[-1]["address"] == ("203.0.113.9" if proxies else "127.0.0.1")


def cookies(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].split(";")[0]


def test_a_trusted_proxy_says_who_is_logged_in(aikore_factory: Factory) -> None:
    server = aikore_factory(
        auth="on", password=PASSWORD, trusted_proxies="127.0.0.1", auth_header="Remote-User", auth_header_role="viewer"
    ).start()
    guest = browser(server, **{"Remote-User": "guest"})
    assert guest.get("/api/auth/status").json()["identity"] == {"name": "guest", "role": "viewer", "via": "header"}
    assert guest.get("/").status_code == 200
    assert browser(server, **{"Remote-User": "owner"}).get("/api/auth/status").json()["identity"]["role"] == "owner"
    assert browser(server).get("/").status_code in (302, 401)


def test_whom_a_trusted_proxy_names_may_be_a_creator(aikore_factory: Factory) -> None:
    server = aikore_factory(
        auth="on", password=PASSWORD, trusted_proxies="127.0.0.1", auth_header="Remote-User", auth_header_role="creator"
    ).start()
    status = browser(server, **{"Remote-User": "guest"}).get("/api/auth/status").json()
    assert status["identity"] == {"name": "guest", "role": "creator", "via": "header"}
    assert "generate" in status["permissions"] and "apps.open" not in status["permissions"]


def test_a_header_of_somebody_else_says_nothing(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", password=PASSWORD, trusted_proxies="10.9.9.9", auth_header="Remote-User").start()
    assert browser(server, **{"Remote-User": "owner"}).get("/api/instances").status_code == 401


def test_the_setup_secret_is_not_shown_once_there_is_an_owner(aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    secret = setup_secret(server)
    set_up(server)
    server.stop()
    server.log_path.write_text("")
    server.start()
    assert secret not in server.log() and "setup=" not in server.log()
