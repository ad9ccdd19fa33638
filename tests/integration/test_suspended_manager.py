"""The manager is suspended (SIGSTOP, a frozen machine): known people work on, others are told so in time."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.helpers.access import bearer, browser, make_token, set_up
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

Factory = Callable[..., AiKoreServer]


@contextmanager
def suspended(server: AiKoreServer) -> Iterator[None]:
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.fixture
def house(aikore_factory: Factory) -> tuple[AiKoreServer, httpx.Client]:
    """An AiKore with a running app, and its owner's browser."""
    server = aikore_factory(auth="on").start()
    owner = set_up(server)
    server.blueprint("web", HTTP_APP, ready={"path": "/"})
    server.create("web", "web")
    server.start_and_wait("web")
    return server, owner


def timed(ask: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    began = time.monotonic()
    answer = ask()
    return time.monotonic() - began, answer


def visit(client: httpx.Client, seconds: float, pause: float) -> list[float]:
    """Use the app for a while; return how long each request took. All must be answered by the app."""
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        duration, answer = timed(lambda: client.get("/app/web/"))
        assert "launch.sh" in answer.text, answer.text
        took.append(duration)
        time.sleep(pause)  # a visitor's own pace
    return took


def stay(house: tuple[AiKoreServer, httpx.Client], seconds: float) -> None:
    server, owner = house
    token = make_token(owner, scope="operate")
    visitors = [owner, *(bearer(server, token["token"]) for _ in range(3))]
    for visitor in visitors:
        visitor.get("/app/web/").raise_for_status()
    with suspended(server), ThreadPoolExecutor(len(visitors) + 1) as pool:
        at_once = pool.submit(timed, lambda: browser(server).get("/api/health"))
        took = [one for each in pool.map(lambda client: visit(client, seconds, 0.1), visitors) for one in each]
        duration, answer = at_once.result()
        assert (answer.status_code, answer.json()["code"]) == (503, "manager_away")
        assert answer.headers["content-type"] == "application/problem+json"
        assert duration < 10
        print(
            f"{len(took)} requests: median {statistics.median(took):.3f} s, {sum(t > 0.5 for t in took)} over 0.5 s, "
            f"longest {max(took):.2f} s; the API said 503 after {duration:.1f} s"
        )
        assert statistics.median(took) < 0.2
        assert max(took) < 3
        for path, method in (("/api/instances", "GET"), ("/api/instances/web/stop", "POST"), ("/metrics", "GET")):
            duration, answer = timed(lambda path=path, method=method: server.http.request(method, path))
            assert (answer.status_code, answer.json()["code"], duration < 10) == (503, "manager_away", True)
        duration, answer = timed(lambda: browser(server).get("/app/web/"))
        assert (answer.status_code, answer.json()["code"], duration < 10) == (503, "manager_away", True)
    wait_until(lambda: server.http.get("/api/instances/web").json()["status"] == "started", 2)
    wait_until(lambda: browser(server).get("/app/web/").status_code == 401, 2)
    assert owner.delete(f"/api/auth/tokens/{token['id']}").status_code == 204
    wait_until(lambda: visitors[1].get("/app/web/").status_code == 401, 6)


def test_known_people_work_on_while_the_manager_is_suspended_and_the_api_says_so(
    house: tuple[AiKoreServer, httpx.Client],
) -> None:
    stay(house, 9.0)


@pytest.mark.soak
def test_known_people_work_on_while_the_manager_is_suspended_for_most_of_a_minute(
    house: tuple[AiKoreServer, httpx.Client],
) -> None:
    stay(house, 50.0)


def test_an_api_call_that_takes_long_is_not_cut_off(house: tuple[AiKoreServer, httpx.Client]) -> None:
    server, _ = house
    body = (bytes(2**16) for _ in _slowly(6))
    answer = server.http.put("/api/instances/web/files/content", params={"path": "slow"}, content=body)
    assert answer.status_code < 300, answer.text


def _slowly(seconds: int) -> Iterator[int]:
    for number in range(seconds):
        time.sleep(1)  # longer in all than NGINX waits for the manager to show that it is there
        yield number
