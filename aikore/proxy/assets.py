"""The pages' files under addresses that change with their content: browsers keep them. Files only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

DASHBOARD = "index.html"
PAGES = {DASHBOARD: "js/app.js", "desktop/index.html": "js/tools/desktop/page.js"}
"""The pages, and the module that each begins with."""
IMPORT = re.compile(r"^(?:import|export)\s[^;]*?from\s*\"(\.[^\"]+)\"|^import\s+\"(\.[^\"]+)\"", re.MULTILINE)
"""A static import of one of our own modules; what is imported when first needed is none."""
STYLE = re.compile(r' *<link rel="stylesheet" href="static/css/[^"]+">\n?')


def digest(static: Path) -> str:
    """Return what stands for the content of all files in a folder."""
    whole = hashlib.sha256()
    for path in sorted(path for path in static.rglob("*") if path.is_file()):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(static)}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:16]


def page(static: Path, name: str, version: str) -> str:
    """Return a page with addresses of a version: the dashboard's of its bundle, else of single modules."""
    text = (static / name).read_text()
    text = _bundled(text) if name == DASHBOARD and is_bundled(static) else _single(text, modules(static, PAGES[name]))
    return re.sub(r'((?:href|src)="(?:\.\./)*)static/', rf"\1static/v-{version}/", text)


def is_bundled(static: Path) -> bool:
    """Tell whether there is a bundle made of just the files that are here; tools/vendor/bundle.py makes it."""
    try:
        sources = json.loads((static / "dist/sources.json").read_text())
    except FileNotFoundError:
        return False
    return all(_sha256(static / name) == digest for name, digest in sources.items())


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _bundled(text: str) -> str:
    style, module = '<link rel="stylesheet" href="static/dist/page.css">', _preload("static/dist/app.js")
    text = STYLE.sub("", text).replace("static/js/begin.js", "static/dist/begin.js")
    return text.replace("</head>", f"{style}\n{module}\n</head>", 1)


def _single(text: str, modules: list[str]) -> str:
    """Let modules be fetched side by side, not in turn."""
    up = re.search(r'src="((?:\.\./)*)static/', text)
    preloads = "\n".join(_preload(f"{up[1] if up else ''}static/{name}") for name in modules)
    return text.replace("</head>", f"{preloads}\n</head>", 1)


def _preload(address: str) -> str:
    return f'<link rel="modulepreload" href="{address}">'


def modules(static: Path, first: str) -> list[str]:
    """Return the modules that one cannot begin without, itself too, by their paths below the folder."""
    found: dict[str, None] = {}
    waiting = [first]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += _imports(static, name)
    return list(found)


def _imports(static: Path, name: str) -> Iterator[str]:
    for match in IMPORT.finditer((static / name).read_text()):
        target = (static / name).parent / (match[1] or match[2])
        yield target.resolve().relative_to(static.resolve()).as_posix()
