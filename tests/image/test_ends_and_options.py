"""Containers that end, are killed and replaced, and those started with all that can be said to `docker run`."""

from __future__ import annotations

import os

import pytest

from tests.helpers.container import MASTER, Container
from tests.helpers.database import make_older
from tests.helpers.desktop import RED, Viewer, state, wait_for_page
from tests.helpers.podman import ROOT
from tests.helpers.server import wait_until
from tests.image.conftest import Run

pytestmark = pytest.mark.timeout(120, func_only=True)  # the build has a limit of its own

LAST_WORDS = """\
trap 'sleep 1; echo goodbye; date >"$INSTANCE_CONF_DIR/goodbye"; exit 0' TERM
echo hello
while :; do sleep 0.1; done"""


# The container ends ---------------------------------------------------------------------------------------------


def test_stop_ends_every_instance_gracefully_and_an_upgrade_finds_all_as_it_was(run: Run) -> None:
    house = run().start()
    house.blueprint("polite", LAST_WORDS, ready="process")
    for name, blueprint in (("one", "polite"), ("two", "polite"), ("web", "Static")):
        house.create(name, blueprint, autostart=name != "one")
        house.post(name, "start")
    for name in ("one", "two", "web"):
        house.wait_status(name, "started")
    for name in ("one", "two"):  # from its first line on a program hears that it is to end
        wait_until(lambda name=name: "hello" in house.http.get(f"/api/instances/{name}/logs/download").text)
    script = house.http.get("/api/instances/two/script")
    mine = {"content": script.json()["content"] + "# mine\n"}
    house.http.put("/api/instances/two/script", json=mine, headers={"If-Match": script.headers["ETag"]})
    assert house.stop() == 0
    house.remove()

    # Another container on the data of an older AiKore, for another user.
    make_older(house.data / "aikore.db", "0002")
    again = run("--env=PUID=2000", "--env=PGID=2000", volume=house.volume).start()
    assert list(again.data.glob("aikore.db.before-*-from-0002"))
    assert again.exec("find", "/config", "!", "(", "-user", "2000", "-group", "2000", ")") == ""
    assert again.http.get("/api/instances/two/script").json()["content"] == mine["content"]
    assert again.http.get("/api/blueprints/polite").status_code == 200
    assert all((again.data / f"instances/{name}/goodbye").exists() for name in ("one", "two"))
    assert again.get("one")["status"] == "stopped"
    assert "goodbye" in again.log_text("one")
    again.wait_status("web", "started")
    again.wait_status("two", "started")
    assert again.serves("web")
    _test_power_loss(again)


def _test_power_loss(house: Container) -> None:
    """The same container, killed with its instances running, comes back clean."""
    house.kill()
    house.start()
    assert house.get("one")["status"] == "stopped"
    house.wait_status("web", "started")
    assert house.serves("web")
    assert len(house.pids(MASTER)) == 1
    assert house.stop() == 0


# Other ways to run it -------------------------------------------------------------------------------------------


def test_any_user_read_only_without_capabilities_and_network_runs_instances(run: Run) -> None:
    strict = ("--read-only", "--read-only-tmpfs=false", "--tmpfs=/run:noexec,mode=1777", "--tmpfs=/tmp:noexec")
    house = run(*strict, "--user=54321:100", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
    house.start()
    house.exec("aikore", "create", "web", "--blueprint", "Static", "--start")
    url = "http://127.0.0.1:9000/app/web/"
    assert "It works" in house.exec("curl", "-fsS", "-H", f"Authorization: Bearer {house.settings['token']}", url)
    assert {process.user for process in house.processes()} == {54321}
    assert house.stop() == 0


@pytest.fixture(scope="module")
def frugal(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """A read-only container that may become PUID and no more, on a folder with a file of somebody else."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "models").mkdir()
    (folder / "models/old").write_text("x")
    caps = ("--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=SETUID", "--cap-add=SETGID", "--read-only")
    apps = f"--volume={ROOT}/tests/apps:/apps:ro"
    return run(*caps, apps, "--env=PUID=99", "--env=PGID=100", volume=str(folder)).start()


def test_three_capabilities_are_enough_to_become_puid_and_a_folder_is_given_away_once(frugal: Container) -> None:
    old = frugal.data / "models/old"
    assert old.stat().st_uid == 99
    assert {process.user for process in frugal.processes()} == {99}
    assert frugal.stop() == 0
    os.chown(old, 1, 1)
    frugal.start()
    assert old.stat().st_uid == 1, "it looked through the whole folder again"


def test_a_desktop_shows_its_page_mends_its_browser_and_ends_with_the_container(frugal: Container) -> None:
    frugal.blueprint("painted", "exec python3 /apps/desktop_app.py")
    frugal.create("paint", "painted", persistent_mode=True)
    paint = frugal.start_and_wait("paint")
    wait_for_page(paint, frugal)
    wait_for_red(frugal)
    pages = state(paint, frugal)["pages"]
    browser, *_ = frugal.pids("/usr/bin/firefox-esr")
    frugal.signal("KILL", browser)
    wait_until(lambda: state(paint, frugal)["pages"] > pages, 40, "a new browser shows the page")
    wait_for_red(frugal)
    assert frugal.get("paint")["run"] == 1
    assert frugal.stop() == 0


def wait_for_red(house: Container) -> None:
    with house.socket("/api/instances/paint/desktop") as line:
        viewer = Viewer(line)
        wait_until(lambda: viewer.colour(viewer.width // 4, viewer.height // 4) == RED, 30, "the screen is red")


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
    code, told = run(*options, **given).refuse()
    assert code == 1
    assert words in told
