"""The real image, run as a user runs it: reached by its published port, stopped, killed, started again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page import Dashboard, LoginPage
from tests.helpers.access import PASSWORD, setup_secret
from tests.helpers.container import Container, Podman
from tests.helpers.server import wait_until
from tests.helpers.terminal import Terminal
from tests.image.conftest import Run

pytestmark = pytest.mark.timeout(120, func_only=True)  # the build has a limit of its own

MASTER = "nginx: master process"
WORKER = "nginx: worker process"
MANAGER = "/opt/aikore/bin/python /opt/aikore/bin/aikore serve"
MEGABYTE = 10**6

LAST_WORDS = """\
trap 'sleep 1; echo goodbye; date >"$INSTANCE_CONF_DIR/goodbye"; exit 0' TERM
echo hello
while :; do sleep 0.1; done"""


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


def serves(house: Container, path: str = "/app/web/") -> bool:
    answer = house.http.get(path)
    return answer.status_code == 200 and "It works" in answer.text


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
    for tool in ("git", "uv", "ffmpeg", "g++", "make", "curl", "python3"):
        assert "/bin/" in terminal.run(f"command -v {tool}"), tool
    terminal.close()


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
    wait_until(lambda: serves(house), 10, "the page is served")
    assert not workers & set(house.pids(WORKER))
    assert house.get("web")["pid"] == web


def test_a_killed_manager_comes_back_and_finds_its_instances(house: Container, web: int) -> None:
    manager, *_ = house.pids(MANAGER)
    master = house.pids(MASTER)
    house.signal("KILL", manager)
    assert serves(house), "running instances do not need the manager"
    wait_until(lambda: house.pids(MANAGER) not in ([], [manager]), 15, "another manager")
    wait_until(house.answers, 30, "it answers")
    instance = house.get("web")
    assert (instance["status"], instance["pid"]) == ("started", web)
    assert house.pids(MASTER) == master


def test_the_manager_is_replaced_alone(house: Container, web: int) -> None:
    master = house.pids(MASTER)
    assert "instances go on" in house.exec("aikore", "restart")
    assert serves(house)
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


# Ends of the container --------------------------------------------------------------------------------------------


def test_stop_ends_every_instance_gracefully_and_everything_is_there_afterwards(run: Run) -> None:
    house = run().start()
    text = f"#!/usr/bin/env bash\n# /// aikore\n# ready = 'process'\n# ///\n{LAST_WORDS}\n"
    house.http.put("/api/blueprints/polite", json={"content": text}).raise_for_status()
    for name, blueprint in (("one", "polite"), ("two", "polite"), ("web", "Static")):
        house.create(name, blueprint, autostart=name != "one")
        house.post(name, "start")
        house.wait_status(name, "started")
    script = house.http.get("/api/instances/two/script")
    mine = {"content": script.json()["content"] + "# mine\n"}
    house.http.put("/api/instances/two/script", json=mine, headers={"If-Match": script.headers["ETag"]})
    assert house.stop() == 0
    house.remove()

    # Another container, as after an upgrade, for another user.
    again = run("--env=PUID=2000", "--env=PGID=2000", volume=house.volume).start()
    assert again.exec("find", "/config", "!", "(", "-user", "2000", "-group", "2000", ")") == ""
    assert again.http.get("/api/instances/two/script").json()["content"] == mine["content"]
    assert again.http.get("/api/blueprints/polite").status_code == 200
    assert again.exec("sh", "-c", "cat /config/instances/*/goodbye").count(":") >= 4
    assert again.get("one")["status"] == "stopped"
    assert "goodbye" in again.log_text("one")
    again.wait_status("web", "started")
    again.wait_status("two", "started")
    assert serves(again)
    _test_power_loss(again)


def _test_power_loss(house: Container) -> None:
    """The same container, killed with its instances running, comes back clean."""
    house.kill()
    house.start()
    assert house.get("one")["status"] == "stopped"
    house.wait_status("web", "started")
    assert serves(house)
    assert len(house.pids(MASTER)) == 1
    assert house.stop() == 0


# Other ways to run it -----------------------------------------------------------------------------------------------


def test_any_user_read_only_without_capabilities_and_network_runs_instances(run: Run) -> None:
    strict = ("--read-only", "--read-only-tmpfs=false", "--tmpfs=/run:noexec,mode=1777", "--tmpfs=/tmp:noexec")
    house = run(*strict, "--user=54321:100", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
    house.start()
    house.exec("aikore", "create", "web", "--blueprint", "Static", "--start")
    url = "http://127.0.0.1:9000/app/web/"
    assert "It works" in house.exec("curl", "-fsS", "-H", f"Authorization: Bearer {house.settings['token']}", url)
    assert {process.user for process in house.processes()} == {54321}
    assert house.stop() == 0


def test_three_capabilities_are_enough_to_become_puid_and_a_folder_is_given_away_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "old").write_text("x")
    caps = ("--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=SETUID", "--cap-add=SETGID")
    house = run(*caps, "--read-only", "--env=PUID=99", "--env=PGID=100", volume=str(tmp_path)).start()
    assert (tmp_path / "models" / "old").stat().st_uid == 99
    assert {process.user for process in house.processes()} == {99}
    assert house.stop() == 0
    os.chown(tmp_path / "models" / "old", 1, 1)
    house.start()
    assert (tmp_path / "models" / "old").stat().st_uid == 1, "it looked through the whole folder again"
    assert house.stop() == 0


@pytest.mark.parametrize(
    ("options", "given", "words"),
    [
        (["--user=777:777"], {"volume": "/usr/share"}, "cannot be written by user 777"),
        (["--env=PUID=bob"], {}, "PUID and PGID must be numbers"),
        (["--env=UMASK=rwx"], {}, "UMASK must be an octal number"),
        (["--cap-drop=ALL"], {}, "SETUID and SETGID"),
        (["--read-only", "--read-only-tmpfs=false"], {}, "--tmpfs /run:mode=1777"),
        ([], {"port": 99999999}, "AIKORE_PORT"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_run_says_why_and_ends(run: Run, options: list[str], given: dict[str, object], words: str) -> None:
    house = run(*options, **given)
    house.launch()
    assert house.ended() == 1
    assert words in house.log()


# The image ----------------------------------------------------------------------------------------------------------


def test_the_image_is_small_says_what_it_is_and_how_it_is_checked(podman: Podman, image: str) -> None:
    size = int(podman("inspect", "--format={{.Size}}", image))
    assert size < 900 * MEGABYTE, f"{size / MEGABYTE:.0f} MB"
    labels = podman("inspect", "--format={{json .Labels}}", image)
    for name in ("title", "description", "source", "licenses", "version", "revision", "created"):
        assert f'"org.opencontainers.image.{name}"' in labels
    assert "/etc/aikore/health" in podman("inspect", "--format={{json .HealthCheck}}", image)
    assert "nvcc" not in podman("run", "--rm", "--pull=never", image, "sh", "-c", "command -v nvcc; ls /usr/local")


def test_with_arguments_it_runs_them_as_the_user(podman: Podman, image: str) -> None:
    run = ("run", "--rm", "--pull=never", "--env=PUID=1500", image)
    assert podman(*run, "id", "-u") == "1500"
    assert podman(*run, "aikore", "--version").startswith("aikore ")
