"""The manager's own check of Host and Origin, without NGINX before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aikore.auth.gate import Gate
from aikore.auth.guard import Guard
from aikore.config import Settings
from aikore.config.access import AuthMode
from aikore.database.engine import Database
from aikore.database.wings import AIKORE

HOST = "localhost:9000"
OWN = {"Host": HOST, "Origin": f"http://{HOST}"}
FOREIGN = {"Host": HOST, "Origin": "http://evil.example"}


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """Let everybody in."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("in")(scope, receive, send)


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    settings = Settings(home=tmp_path, auth=AuthMode.OFF)
    gate = Gate(settings, Database(tmp_path, AIKORE))
    return Guard(inside, settings, gate, lambda key: (1, key))


@pytest.fixture
async def client(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url=f"http://{HOST}") as client:
        yield client


async def knock(app: ASGIApp, headers: dict[str, str]) -> dict[str, Any]:
    """Open a socket; return the first answer."""
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        answers.append(message)

    pairs = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    await app({"type": "websocket", "path": "/", "headers": pairs, "subprotocols": []}, receive, send)
    return dict(answers[0])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_foreign_page_may_not_change_anything(client: httpx.AsyncClient, method: str) -> None:
    refused = await client.request(method, "/", headers=FOREIGN)
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
    assert (await client.request(method, "/", headers=OWN)).text == "in"


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
async def test_without_an_origin_the_browsers_own_word_counts(
    client: httpx.AsyncClient, site: str, status: int
) -> None:
    assert (await client.post("/", headers={"Sec-Fetch-Site": site})).status_code == status


async def test_programs_without_an_origin_may_change_things(client: httpx.AsyncClient) -> None:
    assert (await client.post("/")).text == "in"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_foreign_host_name_is_refused_for_reading_too(client: httpx.AsyncClient, method: str) -> None:
    refused = await client.request(method, "/", headers={"Host": "evil.example"})
    assert (refused.status_code, refused.json()["code"]) == (403, "host_not_allowed")


async def test_reading_is_not_a_matter_of_origin(client: httpx.AsyncClient) -> None:
    assert (await client.get("/", headers=FOREIGN)).text == "in"


async def test_a_foreign_page_may_not_open_a_socket(guard: Guard) -> None:
    refused = await knock(guard, FOREIGN)
    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)
    assert (await knock(guard, {"Host": "evil.example", "Origin": "http://evil.example"}))["code"] == 1008
    assert (await knock(guard, OWN))["type"] == "websocket.accept"
