"""The events socket as each person and each token gets it, over real connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection as Connection
from websockets.asyncio.client import unix_connect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from aikore import live
from aikore.auth.identity import SCOPE_KEY, Identity
from aikore.auth.permissions import Role
from aikore.base.events import Bus, Part, Topic
from aikore.instances.topics import INSTANCE, INSTANCE_REMOVED, TRASH
from aikore.instances.views import HIDDEN
from tests.helpers.access import invite, make_token, set_up
from tests.helpers.server import AiKoreServer

SECRET = "hf_secret"
PEOPLE = ("owner", "admin", "operator", "creator", "viewer")
SCOPES = ("read", "create", "operate", "admin")
SEES_SECRETS = {"owner", "admin", "scope admin"}
RUNS = SEES_SECRETS | {"operator", "scope operate", "scope operate for one"}


@dataclass
class House:
    """A house with somebody of each role and a token of each scope; one instance has a secret."""

    server: AiKoreServer
    headers: dict[str, dict[str, str]]

    def socket(self, who: str, path: str = "/api/events") -> ClientConnection:
        url = f"ws://127.0.0.1:{self.server.port}{path}"
        return connect(url, additional_headers=self.headers[who], max_size=None, proxy=None)

    def change(self, **fields: object) -> None:
        self.server.http.patch("/api/instances/keeps-a-secret", json=fields).raise_for_status()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    server = AiKoreServer(tmp_path_factory.mktemp("events") / "home", auth="on")
    try:
        server.start()
        owner = set_up(server)
        people = {"owner": owner} | {role: invite(owner, server, role, f"p-{role}") for role in PEOPLE[1:]}
        server.blueprint("sleeps", "exec sleep 1000", ready="process")
        for name in ("Keeps a secret", "Other"):
            server.create(name, "sleeps", environment={"HF_TOKEN": SECRET})
        headers = {
            who: {"Cookie": "; ".join(f"{k}={v}" for k, v in one.cookies.items())} for who, one in people.items()
        }
        tokens = {f"scope {scope}": make_token(owner, scope=scope) for scope in SCOPES}
        tokens["scope operate for one"] = make_token(owner, scope="operate", instance="keeps-a-secret")
        headers |= {who: {"Authorization": f"Bearer {made['token']}"} for who, made in tokens.items()}
        yield House(server, headers)
    finally:
        server.clean_up()


def cookies(person: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in person.cookies.items())


def receive(socket: ClientConnection, topic: str = "") -> Any:
    """Return the snapshot, or the data of the next change of a topic."""
    while True:
        message = json.loads(socket.recv(10))
        if message.get("topic", "") == topic:
            return message["data"]


def fits(topic: Topic[Any], data: Any) -> None:
    """Check that data are what their topic promises, with nothing left out and nothing besides."""
    adapter: TypeAdapter[Any] = TypeAdapter(topic.model)
    assert json.loads(adapter.dump_json(adapter.validate_python(data))).keys() == data.keys()


WATCHERS = [*((who, "/api/events") for who in (*PEOPLE, *(f"scope {scope}" for scope in SCOPES)))]
WATCHERS.append(("scope operate for one", "/api/instances/keeps-a-secret/events"))


@pytest.mark.parametrize(("who", "path"), WATCHERS, ids=lambda value: value.replace("/", " ").strip())
def test_everybody_is_told_what_their_permissions_let_them_see(house: House, who: str, path: str) -> None:
    with house.socket(who, path) as socket:
        snapshot = receive(socket)
        house.change(launch_args=f"--told-to {who}")
        change = receive(socket, "instance")
    assert change["launch_args"] == f"--told-to {who}"
    assert {one["slug"] for one in snapshot["instances"]} >= {"keeps-a-secret"}
    for seen in (*snapshot["instances"], change):
        fits(INSTANCE, seen)
        assert seen["environment"] == {"HF_TOKEN": SECRET if who in SEES_SECRETS else HIDDEN}
        assert ("start" in seen["actions"]) == (who in RUNS)
        assert ("edit" in seen["actions"]) == (who in SEES_SECRETS)


def test_a_token_for_one_instance_is_told_of_no_other_and_of_nothing_else(house: House) -> None:
    for path in ("/api/events", "/api/instances/other/events"):
        with pytest.raises(InvalidStatus) as refused, house.socket("scope operate for one", path):
            pass
        assert refused.value.response.status_code == 403
    with house.socket("scope operate for one", "/api/instances/keeps-a-secret/events") as socket:
        snapshot = receive(socket)
        house.server.http.patch("/api/instances/other", json={"launch_args": "--not-theirs"}).raise_for_status()
        house.server.blueprint("news", "exec sleep 1", ready="process")
        house.change(launch_args="--theirs")
        message = json.loads(socket.recv(10))
    assert (snapshot.keys(), [one["slug"] for one in snapshot["instances"]]) == ({"instances"}, ["keeps-a-secret"])
    assert (message["topic"], message["data"]["launch_args"], message["seq"]) == ("instance", "--theirs", 2)


def test_a_deleted_instance_is_told_with_the_trash(house: House) -> None:
    made = house.server.create("Goes", "sleeps")
    with house.socket("viewer") as socket:
        receive(socket)
        house.server.http.delete("/api/instances/goes").raise_for_status()
        removed, trash = receive(socket, "instance_removed"), receive(socket, "trash")
    assert removed == {"id": made["id"]}
    fits(INSTANCE_REMOVED, removed)
    TypeAdapter(TRASH.model).validate_python(trash)
    assert [one["slug"] for one in trash] == ["goes"]


def test_parts_of_the_snapshot_are_what_their_topics_promise(house: House) -> None:
    from aikore.blueprints.topics import BLUEPRINTS
    from aikore.notices import NOTICE
    from aikore.system import SYSTEM

    with house.socket("viewer") as socket:
        snapshot = receive(socket)
    assert snapshot.keys() == {"instances", "trash", "blueprints", "notices", "system"}
    TypeAdapter(BLUEPRINTS.model).validate_python(snapshot["blueprints"])
    TypeAdapter(list[NOTICE.model]).validate_python(snapshot["notices"])  # type: ignore[name-defined]
    fits(SYSTEM, snapshot["system"])


# A slow client, over a real connection --------------------------------------------------------------------------


@asynccontextmanager
async def served(app: FastAPI, path: Path) -> AsyncIterator[None]:
    """Serve an app to a viewer, behind a guard that lets everybody in as one."""

    async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
        scope[SCOPE_KEY] = Identity("vera", Role.VIEWER, "session")
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(let_in, uds=str(path), log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


async def test_a_client_that_does_not_read_is_resynced_and_then_knows_all(tmp_path: Path) -> None:
    bus, present = Bus(), {}
    numbers: Topic[dict[str, Any]] = Topic("number", dict, needs="instances.view")
    app = FastAPI(routes=live.router(bus, [Part.each("numbers", numbers, present.values)], int).routes)

    def tell(count: int) -> None:
        for number in range(len(present), len(present) + count):
            present[number] = {"id": number, "padding": "x" * 10_000}
            bus.publish(numbers, present[number])

    async with (
        served(app, tmp_path / "socket"),
        unix_connect(str(tmp_path / "socket"), "ws://localhost/api/events", max_size=None, max_queue=1) as client,
    ):
        for _ in range(20):
            tell(100)
            await asyncio.sleep(0.01)
        known, kinds = await _read_until(client, lambda known: len(known) == len(present))
        tell(3)
        more, _ = await _read_until(client, lambda known: len(known) == 3)
    assert known | more == set(present)
    assert "resync" in kinds


async def _read_until(client: Connection, enough: Callable[[set[int]], bool]) -> tuple[set[int], set[str]]:
    """Return the numbers that the client knows of and the kinds of messages it got, which have no gap.

    A resync replaces what it knew.
    """
    known: set[int] = set()
    seqs: list[int] = []
    kinds: set[str] = set()
    async with asyncio.timeout(20):
        while not enough(known):
            message = json.loads(await client.recv())
            seqs.append(message["seq"])
            kinds.add(message["type"])
            if message["type"] == "change":
                known.add(message["data"]["id"])
            else:
                known = {one["id"] for one in message["data"]["numbers"]}
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    return known, kinds
