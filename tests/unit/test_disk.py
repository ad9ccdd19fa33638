"""What lies on a disk may be anything: it is read bounded, and mounts are seen however they were made."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikore.base import disk
from aikore.base.errors import MountedError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


def test_a_small_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(b"12345")
    assert disk.read_small(tmp_path / "note", 5) == b"12345"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    path.with_name("real").write_bytes(b"")
    path.symlink_to("real")


def make_endless(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(2**31)


@pytest.mark.parametrize(
    ("make", "number"),
    [(make_pipe, errno.EINVAL), (make_link, errno.ELOOP), (Path.mkdir, errno.EISDIR), (make_endless, errno.EFBIG)],
)
def test_what_is_no_small_plain_file_is_refused_without_waiting(tmp_path: Path, make: object, number: int) -> None:
    make(tmp_path / "odd")  # type: ignore[operator]
    with pytest.raises(OSError) as refused:
        disk.read_small(tmp_path / "odd", 4096)
    assert refused.value.errno == number


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Path]:
    """A folder with a bind mount of the same file system inside, whose name needs escaping."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "model").write_text("weights")
    point = tmp_path / "instance" / "my models"
    point.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(tmp_path / "precious"), str(point)], check=True)
    yield point
    subprocess.run(["umount", str(point)], check=True)


@as_root
def test_a_bind_mount_of_the_same_file_system_is_never_emptied(bound: Path, tmp_path: Path) -> None:
    assert disk.mounts_in(bound.parent) == [bound]
    with pytest.raises(MountedError, match="my models"):
        disk.remove_tree(bound.parent)
    assert (tmp_path / "precious" / "model").read_text() == "weights"


@as_root
def test_a_neighbour_with_a_mount_does_not_matter(bound: Path, tmp_path: Path) -> None:
    other = tmp_path / "inst"
    (other / "deep").mkdir(parents=True)
    disk.remove_tree(other)
    assert not other.exists()
