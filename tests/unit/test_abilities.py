"""A data folder that cannot hold what AiKore needs is refused before anything is made in it."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aikore.base.abilities import on_network, require_abilities
from aikore.base.errors import StartupError
from aikore.config import Settings
from aikore.config.access import AuthMode
from aikore.config.proxy import NginxMode
from aikore.main.home import hold_home
from aikore.main.house import House

MKFS = shutil.which("mkfs.vfat", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
FUNCTIONS = Path(__file__).parents[2] / "functions.sh"


def settings(home: Path, **more: Any) -> Settings:
    return Settings(home=home, **more)


def require(settings: Settings) -> None:
    require_abilities(settings.home, settings.run_dir, settings.nginx_dir)


def refuse(number: int) -> Any:
    def work(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return work


def test_an_ordinary_disk_is_fine_and_nothing_is_left_on_it(tmp_path: Path) -> None:
    require(settings(tmp_path / "new" / "home"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links_is_named_with_its_type_and_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    home = tmp_path / "home"
    monkeypatch.setattr(Path, "symlink_to", refuse(number))
    with pytest.raises(StartupError) as refused, hold_home(settings(home)):
        pass
    text = refused.value.message
    assert text.startswith(f"{home} lies on ")
    assert "(mounted at /" in text
    assert "which has no symbolic links" in text
    assert "AIKORE_HOME" in text
    assert not home.exists()


def test_a_disk_without_sockets_asks_for_another_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "bind", refuse(errno.EPERM))
    with pytest.raises(StartupError, match=r"no Unix sockets.*AIKORE_RUNTIME_DIR"):
        require(settings(tmp_path, runtime_dir=tmp_path / "run"))


def test_a_disk_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", refuse(errno.ENOLCK))
    with pytest.raises(StartupError, match=r"no file locks.*AIKORE_HOME"):
        require(settings(tmp_path))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_protected_disk_is_not_taken_for_one_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(Path, "symlink_to", refuse(number))
    require(settings(tmp_path))
    monkeypatch.setattr("tempfile.mkdtemp", refuse(number))
    require(settings(tmp_path))


def _python_env(folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}{os.environ['PATH']}", "INSTANCE_CONF_DIR": str(folder), "AIKORE_PIP": "pip"}
    script = f'set -euo pipefail; source "{FUNCTIONS}"; use_python_env; echo made'
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120)


def test_a_launch_script_says_that_its_disk_has_no_links_before_it_makes_half_an_environment(tmp_path: Path) -> None:
    tools, folder = tmp_path / "tools", tmp_path / "instance"
    tools.mkdir()
    folder.mkdir()
    refusing = tools / "ln"
    refusing.write_text('#!/bin/sh\necho "ln: failed to create symbolic link: Operation not permitted" >&2\nexit 1\n')
    refusing.chmod(0o755)
    done = _python_env(folder, f"{tools}:")
    assert done.returncode == 1
    assert "has no symbolic links" in done.stderr
    assert "AIKORE_HOME" in done.stderr
    assert list(folder.iterdir()) == []


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A file system without links, sockets and owners; skipped where the kernel or the tools cannot have one."""
    image, point = tmp_path / "stick.img", tmp_path / "stick"
    point.mkdir()
    with open(image, "wb") as file:
        file.truncate(20 * 2**20)
    if not MKFS or os.geteuid() != 0:
        pytest.skip("needs root and dosfstools")
    subprocess.run([MKFS, image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, point], capture_output=True).returncode:
        pytest.skip("this kernel cannot mount vfat")
    yield point
    subprocess.run(["umount", point], check=True)


def test_a_real_usb_stick_is_refused_as_a_data_folder_and_by_launch_scripts(stick: Path) -> None:
    with pytest.raises(StartupError, match=r"lies on vfat \(mounted at .*no symbolic links.*AIKORE_HOME"):
        require(settings(stick / "home"))
    with pytest.raises(StartupError, match=r"no Unix sockets.*AIKORE_RUNTIME_DIR"):
        require(settings(stick.parent, runtime_dir=stick))
    assert list(stick.iterdir()) == []
    assert "has no symbolic links" in _python_env(stick).stderr
    assert list(stick.iterdir()) == []


MOUNTED = """\
20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
21 20 0:40 / /srv/nas rw,relatime shared:2 - {kind} server:/export rw
22 21 8:2 / /srv/nas/disk rw,relatime - xfs /dev/sdb1 rw
"""


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Path:
    """A folder on a file system of this kind, as far as mountinfo tells."""
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTED.format(kind=kind))
    monkeypatch.setattr("aikore.base.abilities.MOUNTS", str(table))
    return Path("/srv/nas")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_databases_on_a_network_file_system_are_told_of_once_with_what_to_do(nas: Path, kind: str) -> None:
    told = on_network(nas / "home/aikore.db", nas / "home/studio.db")
    assert f"aikore.db and studio.db lie on {kind} (mounted at /srv/nas)" in told
    assert "Put AIKORE_HOME on a local disk" in told
    assert "aikore.db lies on" in on_network(nas / "home/aikore.db", Path("/home/studio.db"))


@pytest.mark.parametrize("kind", ["nfs"])
def test_databases_on_a_local_disk_are_not_told_of(nas: Path) -> None:
    assert on_network(Path("/home/aikore.db"), Path("/srv/nasty/aikore.db"), nas / "disk/home/aikore.db") == ""


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "overlay", "tmpfs", "virtiofs"])
def test_no_other_file_system_is_taken_for_a_share(nas: Path) -> None:
    assert on_network(nas / "aikore.db") == ""


async def test_a_house_on_a_share_opens_and_tells_of_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("20 1 8:1 / / rw,relatime shared:1 - nfs4 server:/export rw\n")
    monkeypatch.setattr("aikore.base.abilities.MOUNTS", str(table))
    settings = Settings(home=tmp_path / "home", nginx=NginxMode.OFF, auth=AuthMode.OFF)
    with hold_home(settings):
        house = House(settings)
        await house.start()
        told = [notice["message"] for notice in house.notices.part().present()]
        await house.stop(handing_over=False)
    assert len([message for message in told if "lie on nfs4" in message]) == 1
