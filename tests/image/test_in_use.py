"""A container in use: reached by its published port in a browser; single parts of it end and come back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page import Dashboard, LoginPage
from tests.helpers.access import PASSWORD, setup_secret
from tests.helpers.container import MANAGER, MASTER, WORKER, Container
from tests.helpers.server import wait_until
from tests.helpers.terminal import Terminal
from tests.image.conftest import Run

pytestmark = pytest.mark.timeout(120, func_only=True)  # the build has a limit of its own


@pytest.fixture(scope="module")
def house(run: Run) -> Container:
    """One container with a login, whose user is 1234:4321; the tests share it and leave it running."""
    return run("--env=PUID=1234", "--env=PGID=4321", "--env=UMASK=027", "--env=TZ=Europe/Berlin").start()


@pytest.fixture(scope="module")
def web(house: Container) -> Iterator[int]:
    """The process of an instance that serves pages; it is there whatever happens to the rest."""
    house.create("web", "Static")
    house.post("web", "start")
    yield int(house.wait_status("web", "started")["pid"])


# In use ---------------------------------------------------------------------------------------------------------


def test_a_stranger_becomes_the_owner_and_runs_something_in_the_browser(page: Page, house: Container) -> None:
    page.goto(f"{house.url}/.aikore/login#setup={setup_secret(house)}")
    LoginPage(page).enter(PASSWORD, "anna")
    expect(page.get_by_test_id("person")).to_have_text("anna")
    assert page.request.get(f"{house.url}/static/vendor/terminal.js").ok, "the wheel carries the bundles"
    dashboard = Dashboard(page, house)
    dashboard.create("Pages", "Static")
    dashboard.wait_status("Pages", "started")
    dashboard.press("Pages", "view")
    expect(page.frame_locator(dashboard.frame("Pages")).get_by_text("It works")).to_be_visible()


def test_a_terminal_is_a_shell_of_the_chosen_user_in_his_time_zone(house: Container, web: int) -> None:
    terminal = Terminal(house, "/api/instances/web/terminal")
    told = terminal.run("id -u; id -g; id -un; umask; pwd; touch made; stat -c %u:%g:%a made; date +%Z").split()
    assert told[:-1] == ["1234", "4321", "aikore", "0027", "/config/instances/web", "1234:4321:640"]
    assert told[-1] in ("CET", "CEST")
    tools = ("git", "uv", "ffmpeg", "g++", "make", "curl", "python3", "shellcheck")
    assert terminal.run(f"command -v {' '.join(tools)}").count("/bin/") == len(tools)
    terminal.close()


def test_it_is_healthy_and_its_services_are_ready(house: Container) -> None:
    house.podman("healthcheck", "run", house.name)
    ready = "for one in /run/aikore/s6/scan/*; do s6-svstat -o ready $one; done"
    assert house.exec("sh", "-c", ready).split() == ["true", "true"]


def test_nothing_runs_as_root_and_nothing_in_the_data_folder_is_roots(house: Container, web: int) -> None:
    house.exec("aikore", "ls")
    assert {process.user for process in house.processes()} == {1234}
    assert house.exec("find", "/config", "!", "(", "-user", "1234", "-group", "4321", ")") == ""
    status = house.exec("cat", "/proc/1/status")
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)


# Ends of single parts ---------------------------------------------------------------------------------------------


def test_a_killed_nginx_master_comes_back_alone_and_leaves_no_old_worker(house: Container, web: int) -> None:
    master, *_ = house.pids(MASTER)
    workers = set(house.pids(WORKER))
    house.signal("KILL", master)
    wait_until(lambda: house.pids(MASTER) not in ([], [master]), 10, "another master")
    wait_until(lambda: house.serves("web"), 10, "the page is served")
    assert not workers & set(house.pids(WORKER))
    assert house.get("web")["pid"] == web


def test_a_killed_manager_comes_back_and_finds_its_instances(house: Container, web: int) -> None:
    manager, *_ = house.pids(MANAGER)
    master = house.pids(MASTER)
    house.signal("KILL", manager)
    assert house.serves("web"), "running instances do not need the manager"
    wait_until(lambda: house.pids(MANAGER) not in ([], [manager]), 15, "another manager")
    wait_until(house.answers, 30, "it answers")
    instance = house.get("web")
    assert (instance["status"], instance["pid"]) == ("started", web)
    assert house.pids(MASTER) == master


def test_the_manager_is_replaced_alone(house: Container, web: int) -> None:
    master = house.pids(MASTER)
    assert "instances go on" in house.exec("aikore", "restart")
    assert house.serves("web")
    assert house.get("web")["pid"] == web
    assert house.pids(MASTER) == master


def test_a_killed_instance_is_an_error_and_starts_again(house: Container) -> None:
    house.create("short", "99-test-logs")
    house.post("short", "start")
    house.signal("KILL", house.wait_status("short", "started")["pid"])
    assert "SIGKILL" in house.wait_status("short", "error")["status_detail"]
    house.post("short", "start")
    house.wait_status("short", "started")
    house.post("short", "stop")
    house.wait_status("short", "stopped")


def test_the_logs_go_to_the_container_and_to_files_in_the_data_folder(house: Container) -> None:
    assert "AiKore 0" in house.log()
    assert "AiKore 0" in house.exec("sh", "-c", "cat /config/logs/manager/*")
    master, *_ = house.pids(MASTER)
    house.exec("sh", "-c", "echo nonsense >/run/aikore/house/nginx/current/nginx.conf")
    house.signal("HUP", master)
    wait_until(lambda: "unexpected end of file" in house.log(), 10, "NGINX's complaint")
    assert "unexpected end of file" in house.exec("cat", "/config/logs/nginx/current")
    house.create("heals", "Static")  # the next change writes another configuration
    wait_until(lambda: house.http.get("/app/heals/").status_code == 503, 10, "the new route")
