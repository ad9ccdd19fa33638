"""The package that `pip install` gets: it holds all of the tree, and AiKore runs from it alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.server import AiKoreServer

ROOT = Path(__file__).parents[2]
SHIPPED = "aikore/shipped"
STATIC = [path.relative_to(ROOT / "aikore/static") for path in (ROOT / "aikore/static").rglob("*") if path.is_file()]


@dataclass(frozen=True)
class Package:
    """A wheel and a source distribution, built once for all tests here."""

    wheel: Path
    source: Path


def build(tree: Path, target: Path, *kinds: str) -> list[Path]:
    """Build packages by the backend itself, which the test environment brings: nothing is downloaded."""
    flags = [word for kind in kinds for word in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", *flags, "-d", str(target)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return sorted(target.iterdir())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    wheel, source = build(ROOT, tmp_path_factory.mktemp("dist"), "sdist", "wheel")
    assert (source.suffix, wheel.suffix) == (".gz", ".whl")
    return Package(wheel, source)


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel, its own lists left out."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def tree() -> dict[str, bytes]:
    """Return the files of this tree that a wheel must hold, under the names it gives them."""
    places = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "aikore").rglob("*")}
    places |= {f"{SHIPPED}/blueprints/{path.name}": path for path in (ROOT / "blueprints").iterdir()}
    places |= {f"{SHIPPED}/functions.sh": ROOT / "functions.sh"}
    return {
        name: path.read_bytes() for name, path in places.items() if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_wheel_holds_every_file_of_the_tree_and_nothing_else(package: Package) -> None:
    held, wanted = contents(package.wheel), tree()
    assert sorted(held) == sorted(wanted)
    assert [name for name in wanted if held[name] != wanted[name]] == []


def test_a_wheel_carries_the_bundles_with_the_licenses_of_what_is_in_them(package: Package) -> None:
    held = contents(package.wheel)
    for bundle in ("terminal.js", "terminal.css", "editor.js", "charts.js", "charts.css"):
        assert held[f"aikore/static/vendor/{bundle}"]
    assert held["aikore/static/dist/app.js"]
    licenses = held["aikore/static/vendor/LICENSES.txt"].decode()
    assert all(name in licenses for name in ("@xterm/xterm", "@codemirror/view", "uplot", "MIT"))


def test_the_source_distribution_builds_the_same_wheel(package: Package, tmp_path: Path) -> None:
    with tarfile.open(package.source) as archive:
        # Python 3.11.2 (Debian 12) has no filters; the archive is our own.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(tmp_path / "source")
    (unpacked,) = (tmp_path / "source").iterdir()
    (again,) = build(unpacked, tmp_path / "dist", "wheel")
    assert again.name == package.wheel.name
    assert again.read_bytes() == package.wheel.read_bytes()


def test_aikore_runs_from_the_wheel_alone(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aikore_factory: Callable[..., AiKoreServer]
) -> None:
    installed, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(package.wheel) as archive:
        archive.extractall(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.chdir(elsewhere)
    aikore = aikore_factory().start()
    assert f"{installed}/aikore/static" in (aikore.home / "nginx/current/nginx.conf").read_text()
    stock = {path.stem for path in (ROOT / "blueprints").glob("*.sh")}
    assert {one["id"] for one in aikore.http.get("/api/blueprints").json()} == stock
    aikore.create("Static", "Static")
    for path in ("/", *(f"/static/{file}" for file in STATIC), "/app/static/.aikore/gateway.js"):
        assert aikore.http.get(path).status_code == 200, path
    aikore.post("static", "start")
    assert "It works" in aikore.http.get(aikore.wait_status("static", "started")["url"]).text
