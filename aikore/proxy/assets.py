"""The pages' files under addresses that change with their content: browsers keep them. Files only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

PAGES = {"index.html": "js/app.js", "desktop/index.html": "js/desktop/page.js"}
"""The pages, and the module that each begins with."""
IMPORT = re.compile(r"^(?:import|export)\s[^;]*?from\s*\"(\.[^\"]+)\"|^import\s+\"(\.[^\"]+)\"", re.MULTILINE)
"""A static import of one of our own modules; what is imported when first needed is none."""


def digest(static: Path) -> str:
    """Return what stands for the content of all files in a folder."""
    whole = hashlib.sha256()
    for path in sorted(path for path in static.rglob("*") if path.is_file()):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(static)}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:16]


def page(static: Path, name: str, version: str) -> str:
    """Return a page with addresses of a version; its modules are fetched side by side, not in turn."""
    text = (static / name).read_text()
    up = re.search(r'src="((?:\.\./)*)static/', text)
    preloads = "\n".join(
        f'  <link rel="modulepreload" href="{up[1] if up else ""}static/{module}">'
        for module in modules(static, PAGES[name])
    )
    text = text.replace("</head>", f"{preloads}\n</head>", 1)
    return re.sub(r'((?:href|src)="(?:\.\./)*)static/', rf"\1static/v-{version}/", text)


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
