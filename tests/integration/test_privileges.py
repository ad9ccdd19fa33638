"""Started by root, AiKore becomes an ordinary user, with everything it starts."""

from __future__ import annotations

import os
import pwd
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.server import HTTP_APP, AiKoreServer, processes_of, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that everybody can reach. Each run of pytest closes the one that all runs share."""
    with tempfile.TemporaryDirectory(prefix="aikore-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def public_server(aikore_factory: Callable[..., AiKoreServer]) -> Callable[..., AiKoreServer]:
    """Make servers that run by a Python which everybody can read, as the tests' own may lie in root's home."""

    def make(**settings: object) -> AiKoreServer:
        server = aikore_factory(**settings)
        if not public(sys.base_prefix):
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            server.python = f"/usr/bin/python{version}"
            if not os.access(server.python, os.X_OK):
                pytest.skip(f"the tests' Python lies in a closed folder, and there is no {server.python}")
            root = Path(__file__).parents[2]
            server.variables["PYTHONPATH"] = f"{root}:{sysconfig.get_path('purelib')}"
        return server

    return make


def public(path: str) -> bool:
    """Say whether everybody can enter a folder."""
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (Path(path), *Path(path).parents))


def users_of(pids: Iterable[int]) -> set[int]:
    return {uid for pid in pids for uid in psutil.Process(pid).uids()}


def test_manager_nginx_keepers_and_apps_run_as_the_named_user(
    public_server: Callable[..., AiKoreServer],
) -> None:
    server = public_server(user="nobody").start()
    server.blueprint("web", f"id -un; echo HOME=$HOME; {HTTP_APP}")
    server.create("One", "web")
    server.post("one", "start")
    server.wait_status("one", "started")
    assert server.process
    house = psutil.Process(server.process.pid)
    everybody = [house, *house.children(recursive=True)]
    assert any("nginx" in one.name() for one in everybody)
    assert server.record("one")["keeper_pid"] in [one.pid for one in everybody]
    assert users_of(one.pid for one in everybody) == {NOBODY.pw_uid}
    log = server.log_text("one")
    assert "nobody" in log
    assert f"HOME={NOBODY.pw_dir}" in log
    assert {path.stat().st_uid for path in server.home.rglob("*") if path.name != "web.sh"} == {NOBODY.pw_uid}
    with server.events() as events:
        assert "runs as root" not in str(events.recv(10))
    server.kill()
    server.start()
    assert server.get("one")["status"] == "started"
    assert users_of(processes_of(server.home)) == {NOBODY.pw_uid}


def test_root_without_a_user_is_told_so(aikore: AiKoreServer) -> None:
    with aikore.events() as events:
        assert "AiKore runs as root" in str(events.recv(10))
    wait_until(lambda: "AiKore runs as root" in aikore.log(), what="the log says so")


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("no-such-user", "there is no user 'no-such-user'"),
        ("nobody:no-such-group", "there is no group"),
        ("0", "not to run as"),
        ("54321", "name the group too"),
    ],
)
def test_a_user_that_cannot_be_is_refused_before_anything_is_made(
    aikore_factory: Callable[..., AiKoreServer], user: str, words: str
) -> None:
    server = aikore_factory(user=user)
    assert words in server.refusal()
    assert not server.home.exists()


def test_a_data_folder_of_somebody_else_is_refused_with_the_command_that_hands_it_over(
    public_server: Callable[..., AiKoreServer],
) -> None:
    server = public_server(user="54321:54321")
    server.home.mkdir()
    assert f"chown -R 54321:54321 {server.home}" in server.refusal()
    assert list(server.home.iterdir()) == []
    os.chown(server.home, 54321, 54321)
    server.start()
    assert users_of(processes_of(server.home)) == {54321}


def test_a_data_folder_below_a_closed_one_is_refused(
    tmp_path: Path, aikore_factory: Callable[..., AiKoreServer]
) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    assert "does not reach" in aikore_factory("closed/home", user="nobody").refusal()
