"""An AiKore with a login, an owner, and clients of other people."""

from __future__ import annotations

import re
from typing import Any

import httpx

from tests.helpers.server import AiKoreServer, wait_until

PASSWORD = "correct horse battery"


def setup_secret(server: AiKoreServer) -> str:
    """Return the secret of the link that the first start printed."""
    found = wait_until(lambda: re.search(r"/\.aikore/login#setup=(\S+)", server.log()), 10, "the link is printed")
    return str(found[1])


def browser(server: AiKoreServer, **headers: str) -> httpx.Client:
    """Return a client that keeps cookies and asks for pages, as a browser does."""
    return httpx.Client(base_url=server.url, timeout=30, trust_env=False, headers=headers)


def set_up(server: AiKoreServer, name: str = "anna") -> httpx.Client:
    """Become the owner; return a browser that is logged in. The server's own client gets a token of the owner."""
    owner = browser(server)
    wanted = {"setup": setup_secret(server), "name": name, "password": PASSWORD}
    owner.post("/api/auth/setup", json=wanted).raise_for_status()
    server.http.headers["Authorization"] = f"Bearer {make_token(owner, scope='admin')['token']}"
    return owner


def log_in(server: AiKoreServer, name: str | None = None, password: str = PASSWORD) -> httpx.Client:
    person = browser(server)
    person.post("/api/auth/login", json={"name": name, "password": password}).raise_for_status()
    return person


def invite(owner: httpx.Client, server: AiKoreServer, role: str, name: str) -> httpx.Client:
    """Invite somebody; return their browser, logged in."""
    secret = owner.post("/api/auth/invites", json={"role": role}).raise_for_status().json()["secret"]
    person = browser(server)
    wanted = {"invite": secret, "name": name, "password": PASSWORD}
    person.post("/api/auth/join", json=wanted).raise_for_status()
    return person


def make_token(person: httpx.Client, **wanted: Any) -> dict[str, Any]:
    answer = person.post("/api/auth/tokens", json={"name": "test", **wanted})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def bearer(server: AiKoreServer, token: str) -> httpx.Client:
    return browser(server, Authorization=f"Bearer {token}")
