"""The door with a real NGINX: what passes through, what is refused, reloads, and NGINX's death."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from aikore.base import sockets
from aikore.base.errors import NginxMissingError, ProxyError
from aikore.config import Settings
from aikore.proxy import nginx, processes
from aikore.proxy.nginx import NginxProxy
from aikore.proxy.routes import Route
from tests.apps.echo_app import EchoApp
from tests.helpers.proxy import Door, ask, until
from tests.helpers.server import free_ports


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    door = Door(tmp_path, app_domain="studio.example")
    await door.open()
    yield door
    await door.close()
    assert not sockets.listening(door.port)


# Path routes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest",
    [
        "/",
        "/a%2Fb",
        "/a%20b%25c%3Fd",
        "/a//b",
        "/x%0d%0ay",
        "/?q=%2F&q=a/../b",
        "/a?x?y=/app/other/",
        "/%C3%A4/\u00e4".encode().decode("latin-1"),
        "/a;b='c'\"{}$host|",
        "/workflows%2Fmy%20flow.json?overwrite=true&full_info=true",
        "/...",
        "/.hidden/..x",
    ],
)
async def test_an_app_gets_the_uri_byte_for_byte(door: Door, rest: str) -> None:
    assert (await door.ask(f"/app/echo{rest}")).json["line"] == f"GET {rest} HTTP/1.1"
    assert (await door.ask(f"/app/keep{rest}")).json["line"] == f"GET /app/keep{rest} HTTP/1.1"


@pytest.mark.parametrize(
    "target",
    [
        "/app/echo/../keep/",
        "/app/echo/%2e%2e/keep/",
        "/app/echo/%2E./keep/",
        "/app/echo%2F..%2Fkeep/",
        "/app/echo/x%2f..",
        "/app/echo/./x",
        "/app/echo/../../api/instances",
        "//app/echo/",
        "/app//echo/",
        "/%61pp/echo/",
        "/app/%65cho/",
    ],
)
async def test_a_path_that_could_mean_another_route_is_refused(door: Door, target: str) -> None:
    answer = await door.ask(target)
    assert (answer.status, answer.json["code"]) == (400, "bad_path")
    assert not door.echo.requests
    assert not door.keep.requests


async def test_the_address_without_slash_leads_to_the_one_with_it(door: Door) -> None:
    answer = await door.ask("/app/echo?a=%2F")
    assert (answer.status, answer.header("Location")) == (307, "/app/echo/?a=%2F")


async def test_an_unknown_route_is_a_404_for_people_and_for_programs(door: Door) -> None:
    assert (await door.ask("/app/nobody/")).json["code"] == "not_found"
    page = await door.ask("/app/nobody/", Accept="text/html")
    assert (page.status, page.header("Content-Type")) == (404, "text/html")


async def test_an_app_sees_the_public_host_and_who_asks(door: Door) -> None:
    seen = (await door.ask("/app/echo/", X_Forwarded_For="9.9.9.9")).json["headers"]
    assert seen["host"] == f"localhost:{door.port}" == seen["x-forwarded-host"]
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == "127.0.0.1", "a stranger's word for it counts nothing"
    assert seen["x-forwarded-proto"] == "http"
    assert "connection" not in seen or seen["connection"] != "close"


async def test_large_and_chunked_bodies_arrive_whole(door: Door) -> None:
    body = bytes(12 * 2**20)
    assert (await door.ask("/app/echo/upload", "POST", body=body)).json["length"] == len(body)
    assert (await door.ask("/app/echo/upload", "POST", body=body, chunked=True)).json["length"] == len(body)


async def test_an_apps_own_errors_pass_untouched(door: Door) -> None:
    for path, status in (("teapot", 418), ("broken", 502)):
        answer = await door.ask(f"/app/echo/{path}", Accept="text/html")
        assert (answer.status, answer.json["app"]) == (status, "echo")


async def test_an_app_cannot_steer_the_door_or_the_origin(door: Door) -> None:
    answer = await door.ask("/app/echo/accel")
    assert answer.json["app"] == "echo"
    for name in ("X-Accel-Redirect", "Service-Worker-Allowed", "Clear-Site-Data", "Strict-Transport-Security"):
        assert not answer.header(name)


async def test_cookies_and_redirects_stay_under_the_route(door: Door) -> None:
    cookies = (await door.ask("/app/echo/cookies")).all("Set-Cookie")
    assert cookies == ["a=1; Path=/app/echo/", "b=2; Path=/app/echo/x", "c=3; Path=/app/echo/y"]
    assert (await door.ask("/app/echo/moved")).header("Location") == "/app/echo/login?next=%2F"
    assert (await ask(door.public, "/moved")).header("Location") == "/login?next=%2F"


async def test_websockets_pass_in_both_directions(door: Door) -> None:
    async with connect(door.url("/app/echo/ws?clientId=1"), proxy=None) as socket:
        await socket.send("hello" * 20000)
        assert await socket.recv() == "hello" * 20000
    assert door.echo.requests == ["GET /ws?clientId=1 HTTP/1.1"]


# An app that is not up --------------------------------------------------------------------------------------------


async def test_a_navigation_to_a_down_app_shows_the_gateway_page(door: Door) -> None:
    for headers in ({"Sec_Fetch_Mode": "navigate"}, {"Accept": "text/html,*/*"}):
        answer = await door.ask("/app/down/deep/page?x=1", **headers)
        assert (answer.status, answer.header("Content-Type")) == (503, "text/html")
        assert b'src="/app/down/.aikore/gateway.js"' in answer.body
        assert "default-src 'self'" in answer.header("Content-Security-Policy")
    for name, kind in (("gateway.js", "text/javascript"), ("gateway.css", "text/css")):
        answer = await door.ask(f"/app/down/.aikore/{name}")
        assert (answer.status, answer.header("Content-Type")) == (200, kind)


@pytest.mark.parametrize("how", [{"body": bytes(2**21)}, {"body": bytes(2**16), "chunked": True}])
@pytest.mark.parametrize("manager", [True, False])
async def test_a_program_that_asks_a_down_app_gets_a_problem(door: Door, how: dict[str, object], manager: bool) -> None:
    if not manager:
        door.settings.manager_socket.unlink()
    answer = await door.ask("/app/down/prompt", "POST", **how)
    assert (answer.status, answer.json["code"], answer.header("Retry-After")) == (503, "not_running", "2")
    assert (await door.ask("/app/down/x", Sec_Fetch_Mode="cors", Accept="text/html")).json["code"] == "not_running"


async def test_the_gateway_page_reaches_the_manager_for_its_own_instance_only(door: Door) -> None:
    calls = {
        ("GET", "instance"): "GET /api/instances/down HTTP/1.1",
        ("POST", "start"): "POST /api/instances/down/start HTTP/1.1",
        ("GET", "logs?tail=16384"): "GET /api/instances/down/logs/stream?tail=16384 HTTP/1.1",
        ("GET", "events"): "GET /api/instances/down/events HTTP/1.1",
    }
    for (method, call), line in calls.items():
        assert (await door.ask(f"/app/down/.aikore/{call}", method)).json["line"] == line
    for method, call in (("DELETE", "instance"), ("GET", "start"), ("GET", "x"), ("GET", ""), ("POST", "events")):
        assert (await door.ask(f"/app/down/.aikore/{call}", method)).status == 404
    assert (await door.ask("/app/echo//.aikore/start", "POST")).json["app"] == "manager"


# Host and port routes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["echo.localhost", "echo.studio.example", "echo.example.org", "ECHO.localhost"])
async def test_an_app_lives_at_the_root_of_its_own_host(door: Door, host: str) -> None:
    answer = await door.ask("/api//x%2Fy?z", host=f"{host}:{door.port}")
    assert (answer.json["app"], answer.json["line"]) == ("echo", "GET /api//x%2Fy?z HTTP/1.1")
    assert answer.json["headers"]["host"] == f"{host}:{door.port}"


async def test_an_app_lives_at_the_root_of_its_own_port(door: Door) -> None:
    assert (await ask(door.public, "/api/x%2Fy", host="gpu.lan:1")).json["line"] == "GET /api/x%2Fy HTTP/1.1"
    assert (await ask(door.public, "/.aikore/start", "POST")).json["line"] == "POST /api/instances/echo/start HTTP/1.1"
    assert (await ask(door.public, "/.aikore/nothing")).status == 404
    await door.echo.stop()
    page = await ask(door.public, "/a/b", Accept="text/html")
    assert b'src="/.aikore/gateway.js"' in page.body
    await door.echo.start(door.app_port)


async def test_an_app_with_a_base_path_is_sent_there_from_its_own_root(door: Door) -> None:
    answer = await ask(door.public_keep, "/?a=1")
    assert (answer.status, answer.header("Location")) == (307, "/app/keep/?a=1")
    assert (await ask(door.public_keep, "/app/keep/x")).json["line"] == "GET /app/keep/x HTTP/1.1"


async def test_the_manager_is_asked_under_a_name_it_knows(door: Door) -> None:
    host = f"echo.example.org:{door.port}"
    answer = await door.ask("/.aikore/start", "POST", host=host, Origin=f"http://{host}")
    assert answer.json["headers"]["host"] == "localhost"
    assert "origin" not in answer.json["headers"]


async def test_an_unknown_host_below_our_domains_is_a_404(door: Door) -> None:
    assert (await door.ask("/", host="nobody.localhost")).status == 404


# The main address -------------------------------------------------------------------------------------------------


async def test_the_api_is_the_managers_and_says_when_it_is_away(door: Door) -> None:
    assert (await door.ask("/api/instances?x=1")).json["line"] == "GET /api/instances?x=1 HTTP/1.1"
    await door.manager.stop()
    answer = await door.ask("/api/instances", "POST", body=b"{}")
    assert (answer.status, answer.json["code"], answer.header("Retry-After")) == (503, "manager_away", "1")
    door.settings.manager_socket.unlink(missing_ok=True)
    await door.manager.start(str(door.settings.manager_socket))


async def test_files_asked_for_at_the_root_are_brought_home_by_their_referer(door: Door) -> None:
    referer = f"http://localhost:{door.port}/app/echo/page"
    for target in ("/assets/a%2Fb.js?v=1", "/static/x.js", "/favicon.ico"):
        answer = await door.ask(target, Referer=referer)
        assert (answer.status, answer.header("Location")) == (307, f"/app/echo{target}")
    assert (await door.ask("/api/x", Referer=referer)).json["app"] == "manager"
    assert (await door.ask("/assets/x.js")).status == 404


async def test_the_active_slot_answers_at_comfyuis_addresses(door: Door) -> None:
    assert (await door.ask("/prompt", "POST", body=b"{}")).json["code"] == "no_active_slot"
    assert (await door.ask("/comfyui/")).json["code"] == "no_active_slot"
    await door.proxy.apply([replace(route, active=route.slug == "echo") for route in door.routes])
    for target in ("/prompt", "/queue?x=%2F", "/userdata/workflows%2Fa%20b.json", "/workflows/x", "/ws?clientId=1"):
        assert (await door.ask(target, "POST")).json["line"] == f"POST {target} HTTP/1.1"
    assert (await door.ask("/comfyui/api/x%2Fy?z")).json["line"] == "GET /api/x%2Fy?z HTTP/1.1"
    assert (await door.ask("/comfyui?a")).header("Location") == "/comfyui/?a"
    assert (await door.ask("/promptly")).status == 404
    assert (await door.ask("/api/prompt")).json["app"] == "manager"
    page = await door.ask("/x.js", Referer="http://localhost/comfyui/")
    assert page.header("Location") == "/comfyui/x.js"


# Safety -----------------------------------------------------------------------------------------------------------


async def test_foreign_host_names_are_refused_everywhere(door: Door) -> None:
    for port in (door.port, door.public):
        for target in ("/", "/app/echo/", "/api/x", "/.aikore/start"):
            answer = await ask(port, target, host="evil.com")
            assert (answer.status, answer.json["code"]) == (403, "host_not_allowed")
    assert not door.echo.requests


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("POST", {}, True),
        ("POST", {"Origin": "http://localhost:PORT"}, True),
        ("POST", {"Sec_Fetch_Site": "same-origin"}, True),
        ("GET", {"Origin": "http://evil.com"}, True),
        ("POST", {"Origin": "http://evil.com"}, False),
        ("DELETE", {"Origin": "null"}, False),
        ("POST", {"Sec_Fetch_Site": "cross-site"}, False),
        ("POST", {"Origin": "http://localhost:1"}, False),
        ("GET", {"Origin": "http://evil.com", "Upgrade": "websocket", "Connection": "Upgrade"}, False),
    ],
)
async def test_pages_of_other_sites_may_not_write(
    door: Door, method: str, headers: dict[str, str], allowed: bool
) -> None:
    filled = {key: value.replace("PORT", str(door.port)) for key, value in headers.items()}
    for target in ("/app/echo/x", "/api/x"):
        answer = await door.ask(target, method, **filled)
        assert answer.status == (200 if allowed else 403)
        assert allowed or answer.json["code"] == "origin_not_allowed"


async def test_sockets_of_other_sites_are_refused(door: Door) -> None:
    with pytest.raises(InvalidStatus):
        await connect(door.url("/app/echo/ws"), origin="http://evil.com", proxy=None)  # type: ignore[arg-type]


# Changes ----------------------------------------------------------------------------------------------------------


async def test_changes_that_come_together_make_one_reload_and_no_change_makes_none(door: Door) -> None:
    before = door.proxy.info().reloads
    more = [Route(f"more-{number}", door.down_port) for number in range(20)]
    await asyncio.gather(*(door.proxy.apply([*door.routes, *more[: count + 1]]) for count in range(20)))
    assert door.proxy.info().reloads == before + 1
    assert (await door.ask("/app/more-19/")).status == 503
    generation = door.proxy.info().generation
    await door.proxy.apply([*more, *door.routes])
    assert (door.proxy.info().reloads, door.proxy.info().generation) == (before + 1, generation)
    assert len(os.listdir(door.settings.nginx_dir / "generations")) <= 3


async def test_a_served_change_is_served_by_every_worker(door: Door) -> None:
    await door.proxy.apply(door.routes[:2])
    answers = await asyncio.gather(*(door.ask("/app/down/") for _ in range(50)))
    assert {answer.status for answer in answers} == {404}


async def test_a_refused_change_leaves_the_old_routes(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    before = door.proxy.info()
    with pytest.raises(ProxyError, match="host name"):
        await door.proxy.apply([*door.routes, Route("evil", 1, hostname="x; } server {")])
    with monkeypatch.context() as patch:
        patch.setattr(nginx, "render", lambda routes, options: "nonsense on;")
        with pytest.raises(ProxyError, match="nonsense"):
            await door.proxy.apply(door.routes[:1])
    assert door.proxy.info() == before  # NGINX was not even asked: reading a bad file makes it deaf to later ones
    assert (await door.ask("/app/keep/")).status == 200
    await door.proxy.apply(door.routes[:1])
    assert (await door.ask("/app/keep/")).status == 404


async def test_a_port_that_somebody_else_holds_is_named_and_the_old_routes_go_on(door: Door) -> None:
    taken = free_ports(1)[0]
    other = await EchoApp().start(taken)
    generation = door.proxy.info().generation
    with pytest.raises(ProxyError, match=str(taken)):
        await door.proxy.apply([*door.routes, Route("new", 1, public_port=taken)])
    assert door.proxy.info().generation == generation  # so that a revived NGINX finds what it can serve
    assert (await door.ask("/app/new/")).status == 404
    assert (await door.ask("/app/echo/")).status == 200
    await other.stop()
    await door.proxy.apply([*door.routes, Route("new", 1, public_port=taken)])
    assert (await ask(taken, "/")).status == 503


async def test_a_taken_public_port_is_a_clear_error(tmp_path: Path) -> None:
    door = Door(tmp_path)
    other = await EchoApp().start(door.port)
    with pytest.raises(ProxyError, match=f"Port {door.port} is used by .*AIKORE_PORT"):
        await door.proxy.start(door.routes)
    await other.stop()
    await door.proxy.stop()


async def test_a_missing_nginx_is_a_clear_error(tmp_path: Path) -> None:
    door = Door(tmp_path, nginx_path="/no/such/nginx")
    with pytest.raises(NginxMissingError, match="AIKORE_NGINX_PATH"):
        await door.proxy.start(door.routes)


# Death and adoption -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
async def test_a_killed_nginx_is_back_within_two_seconds(door: Door, whole: bool) -> None:
    pid = door.proxy.info().pid
    assert pid
    if whole:
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)

    async def back() -> bool:
        return door.proxy.info().pid not in (None, pid) and await _ok(door)

    await until(back, 2.0)
    assert not processes.group_members(pid)


async def _ok(door: Door) -> bool:
    try:
        return (await door.ask("/app/echo/")).status == 200
    except (OSError, IndexError, ValueError):
        return False


async def test_a_new_manager_adopts_nginx_without_a_reload(door: Door) -> None:
    pid = door.proxy.info().pid
    async with connect(door.url("/app/echo/ws"), proxy=None) as socket:
        door.proxy.detach()
        door.proxy = NginxProxy(door.settings)
        await door.proxy.start(door.routes)
        assert (door.proxy.info().pid, door.proxy.info().reloads) == (pid, 0)
        await socket.send("still here")
        assert await socket.recv() == "still here"
    door.proxy.detach()
    door.proxy = NginxProxy(door.settings)
    await door.proxy.start(door.routes[:1])
    assert (door.proxy.info().pid, door.proxy.info().reloads) == (pid, 1)


async def test_workers_of_a_dead_master_do_not_keep_the_next_manager_out(door: Door) -> None:
    pid = door.proxy.info().pid
    assert pid
    door.proxy.detach()
    os.kill(pid, signal.SIGKILL)
    door.proxy = NginxProxy(door.settings)
    await door.proxy.start(door.routes)
    assert door.proxy.info().pid != pid
    assert await _ok(door)


async def test_nginx_under_a_supervisor_is_reloaded_but_never_started_or_ended(tmp_path: Path) -> None:
    door = Door(tmp_path, nginx="external")
    folder = door.settings.nginx_dir
    await door.proxy.start(door.routes)
    assert door.proxy.info().pid is None
    child = await asyncio.create_subprocess_exec(
        "nginx", "-p", f"{folder}/", "-e", "error.log", "-c", "current/nginx.conf", start_new_session=True
    )

    async def found() -> int | None:
        return door.proxy.info().pid

    assert await until(found) == child.pid
    await door.proxy.apply(door.routes[:1])
    assert (await door.ask("/app/keep/")).status == 404
    taken = free_ports(1)[0]
    other = await EchoApp().start(taken)
    with pytest.raises(ProxyError, match=str(taken)):
        await door.proxy.apply([*door.routes, Route("new", 1, public_port=taken)])
    await other.stop()
    await door.proxy.stop()
    assert child.returncode is None
    child.terminate()
    await child.wait()


def make_link(folder: Path, generation: str) -> None:
    """Lay NGINX's folder out as AiKore 0.1.0 did: a link leads to the current generation."""
    shutil.rmtree(folder / "current")
    (folder / "current").symlink_to(Path("generations") / generation)


@pytest.mark.parametrize("killed_between", [False, True])
async def test_an_nginx_of_the_first_version_is_adopted_with_its_connections(door: Door, killed_between: bool) -> None:
    before, folder = door.proxy.info(), door.settings.nginx_dir
    make_link(folder, before.generation)
    async with connect(door.url("/app/echo/ws"), proxy=None) as socket:
        door.proxy.detach()
        if killed_between:
            (folder / "current").unlink()
        door.proxy = NginxProxy(door.settings)
        await door.proxy.start(door.routes[:1])
        assert door.proxy.info().pid == before.pid
        assert (await door.ask("/app/keep/")).status == 404
        assert (folder / "current/nginx.conf").is_file()
        assert not (folder / "current").is_symlink()
        await socket.send("still here")
        assert await socket.recv() == "still here"
    os.kill(before.pid or 0, signal.SIGKILL)

    async def back() -> bool:
        return door.proxy.info().pid not in (None, before.pid) and await _ok(door)

    await until(back, 5.0)


async def test_a_change_that_the_first_versions_nginx_refuses_leaves_what_it_had(door: Door) -> None:
    before, folder = door.proxy.info(), door.settings.nginx_dir
    make_link(folder, before.generation)
    text = (folder / "current/nginx.conf").read_text()
    taken = free_ports(1)[0]
    other = await EchoApp().start(taken)
    with pytest.raises(ProxyError, match=str(taken)):
        await door.proxy.apply([*door.routes, Route("new", 1, public_port=taken)])
    await other.stop()
    assert (folder / "current/nginx.conf").read_text() == text
    assert await _ok(door)


async def test_the_folder_of_nginx_holds_no_link(door: Door) -> None:
    await door.proxy.apply(door.routes[:1])
    assert [path for path in door.settings.nginx_dir.rglob("*") if path.is_symlink()] == []


@pytest.mark.parametrize("mode", ["own", "external"])
async def test_a_copied_folder_names_the_originals_nginx_and_leaves_it_alone(
    door: Door, tmp_path: Path, mode: str
) -> None:
    master = door.proxy.info().pid or 0

    async def all_named() -> set[int] | None:  # a worker takes its title a moment after it began
        workers = set(processes.workers(master))
        return workers if len(workers) == door.settings.nginx_workers else None

    workers = await until(all_named)
    copy = tmp_path / "copy"
    shutil.copytree(door.settings.nginx_dir, copy / "nginx", symlinks=True, ignore=shutil.ignore_patterns("temp"))
    other = Door(copy, nginx=mode)
    try:
        await other.proxy.start(other.routes)
        assert (other.proxy.info().pid is None) == (mode == "external")
        assert other.proxy.info().pid != master
    finally:
        await other.proxy.stop()
    assert (door.proxy.info().pid, set(processes.workers(master))) == (master, workers)
    assert await _ok(door)


async def test_a_copied_record_of_a_dead_nginx_ends_no_worker_of_the_original(door: Door, tmp_path: Path) -> None:
    master = door.proxy.info().pid
    assert master
    door.proxy.detach()
    copy = tmp_path / "copy"
    shutil.copytree(door.settings.nginx_dir, copy / "nginx", symlinks=True, ignore=shutil.ignore_patterns("temp"))
    os.kill(master, signal.SIGKILL)
    workers = processes.group_members(master) - {master}
    other = Door(copy)
    try:
        await other.proxy.start(other.routes)
        assert processes.group_members(master) == workers
        assert len(workers) == 2
    finally:
        await other.proxy.stop()
    door.proxy = NginxProxy(door.settings)
    await door.proxy.start(door.routes)
    assert not processes.group_members(master)
    assert await _ok(door)


async def test_a_moved_folder_keeps_its_nginx(door: Door, tmp_path: Path) -> None:
    master = door.proxy.info().pid
    assert master
    moved = tmp_path / "moved"
    door.settings.nginx_dir.rename(moved)
    assert processes.works_on(master, moved)
    moved.rename(door.settings.nginx_dir)


async def test_a_taken_door_port_names_the_aikore_that_has_it(door: Door, tmp_path: Path) -> None:
    other = NginxProxy(Settings(home=tmp_path / "other", port=door.port))
    (tmp_path / "other").mkdir()
    with pytest.raises(ProxyError, match=f"Port {door.port} is used by the AiKore in {tmp_path} .nginx, process"):
        await other.start(door.routes)
    await other.stop()


# Reloads hurt nobody ----------------------------------------------------------------------------------------------


async def _soak(door: Door, changes: int, sockets: int) -> dict[str, int]:
    """Change routes again and again while sockets talk and requests run; return what went wrong and the memory."""
    failures = {"fresh": 0, "requests": 0}
    done = asyncio.Event()

    async def load() -> None:
        while not done.is_set():
            failures["requests"] += 1
            failures["fresh"] += (await door.ask("/app/echo/x")).status != 200

    async def talk(socket: ClientConnection, text: str) -> None:
        await socket.send(text)
        async with asyncio.timeout(10):
            assert await socket.recv() == text

    async with AsyncExitStack() as stack:
        loads = [asyncio.create_task(load()) for _ in range(4)]
        kept = [await stack.enter_async_context(connect(door.url("/app/echo/ws"), proxy=None)) for _ in range(sockets)]
        for number in range(changes):
            extra = [Route(f"extra-{number % 7}", door.down_port, hostname="" if number % 3 else "x.example.org")]
            await door.proxy.apply([*door.routes, *(extra if number % 2 else []), Route("n", 10 + number)])
            kept.append(await stack.enter_async_context(connect(door.url("/app/echo/ws"), proxy=None)))
            await talk(kept[-1], str(number))
        await asyncio.gather(*(talk(socket, "end") for socket in kept))
        done.set()
        await asyncio.gather(*loads)
        info = door.proxy.info()
        memory = sum(_pss(worker) for worker in processes.workers(info.pid or 0))
    return {**failures, "old_workers": info.old_workers, "pss_kib": memory}


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


async def test_twenty_reloads_drop_no_socket_and_fail_no_request(door: Door) -> None:
    result = await _soak(door, 20, 5)
    assert result["fresh"] == 0, result
    assert result["requests"] > 20


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_three_hundred_reloads_drop_no_socket_and_fail_no_request(door: Door) -> None:
    result = await _soak(door, 300, 20)
    print(result)
    assert result["fresh"] == 0, result
