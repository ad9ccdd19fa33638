"""AiKore with a certificate of its own, and behind another proxy under a sub-path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.helpers.access import PASSWORD, browser
from tests.helpers.outer import make_certificate, outer_proxy
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

Factory = Callable[..., AiKoreServer]
PAGE = {"Accept": "text/html"}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


def test_with_a_certificate_everything_is_https(aikore_factory: Factory, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    server = aikore_factory(auth="on", password=PASSWORD, tls_cert=cert, tls_key=key)
    server.url = server.url.replace("http:", "https:")
    server.http = httpx.Client(base_url=server.url, verify=False, trust_env=False)
    server.start()
    page = httpx.Client(base_url=server.url, verify=False, trust_env=False)
    answer = page.post("/api/auth/login", json={"password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert page.get("/").status_code == 200
    assert page.get("/api/instances").json() == []
    assert f"https://localhost:{server.port}/" in server.log()
    plain = httpx.get(f"http://127.0.0.1:{server.port}/x", trust_env=False)
    assert plain.status_code == 308 and plain.headers["location"].startswith("https://127.0.0.1")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tls_cert": "/nowhere/cert.pem", "tls_key": "/nowhere/key.pem"}, "cannot be read"),
        ({"tls_cert": "/etc/hostname"}, "belong together"),
        ({"auth_header": "Remote-User"}, "AIKORE_TRUSTED_PROXIES"),
        ({"trusted_proxies": "everybody"}, "no address or network"),
        ({"root_path": "no slash"}, "no sub-path"),
        ({"password": "short"}, "at least 8"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    aikore_factory: Factory, settings: dict[str, str], says: str
) -> None:
    server = aikore_factory(auth="on", **settings)
    assert says in server.refusal()


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[Callable[[int], int]]:
    """Start a proxy of somebody else before AiKore; give its port."""
    with ExitStack() as stack:
        yield lambda inner: stack.enter_context(outer_proxy(tmp_path, inner))


def test_under_a_sub_path_behind_another_proxy_everything_is_found(
    aikore_factory: Factory, outer: Callable[[int], int]
) -> None:
    server = aikore_factory(auth="on", password=PASSWORD, root_path="/aikore", trusted_proxies="127.0.0.1")
    server.http = httpx.Client(base_url=f"{server.url}/aikore", trust_env=False)
    server.start()
    port = outer(server.port)
    visitor = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
    sent = visitor.get("/aikore/app/web/?a=1", headers=PAGE)
    assert sent.headers["location"] == "/aikore/.aikore/login?next=/aikore/app/web/?a=1"
    for file in ("", "/login.js", "/tokens.css"):
        assert visitor.get(f"/aikore/.aikore/login{file}").status_code == 200, file
    answer = visitor.post(
        "/aikore/api/auth/login", json={"password": PASSWORD}, headers={"Origin": f"https://127.0.0.1:{port}"}
    )
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"]
    assert "Path=/aikore" in cookie and "secure" in cookie.lower()
    headers = {"Cookie": cookie.split(";")[0]}
    visitor.headers.update(headers)
    page = visitor.get("/aikore/")
    assert page.status_code == 200 and 'src="static/' in page.text, "the page asks for its files below itself"
    assert visitor.get("/aikore/static/js/app.js").status_code == 200
    assert visitor.get("/aikore").headers["location"].endswith("/aikore/")
    server.blueprint("web", HTTP_APP)
    made = visitor.post("/aikore/api/instances", json={"name": "web", "base_blueprint": "web"}).json()
    assert made["url"] == "/aikore/app/web/"
    visitor.post("/aikore/api/instances/web/start").raise_for_status()
    wait_until(lambda: visitor.get("/aikore/app/web/", headers={"Accept": "*/*"}).status_code == 200, 15)
    assert visitor.get("/aikore/app/web", follow_redirects=False).headers["location"] == "/aikore/app/web/"
    assert visitor.get("/aikore/api/docs").status_code == 200
    with connect(f"ws://127.0.0.1:{port}/aikore/api/events", additional_headers=headers, proxy=None) as events:
        assert "snapshot" in str(events.recv(5))[:40]
    assert visitor.get("/").text == "somebody else's"
    assert browser(server).get("/api/health").status_code == 404, "outside its sub-path there is nothing"


def test_a_script_is_told_the_whole_sub_path(aikore_factory: Factory) -> None:
    server = aikore_factory(root_path="/aikore")
    server.http = httpx.Client(base_url=f"{server.url}/aikore", trust_env=False)
    server.start()
    server.blueprint("tell", 'echo "at $SUBFOLDER"; sleep 1000', ready="process")
    server.create("tell", "tell")
    server.post("tell", "start")
    wait_until(lambda: "at /aikore/app/tell/" in server.log_text("tell"), 10)
