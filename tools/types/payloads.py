"""Writes the interface's payloads as types, for the checks of the dashboard: payloads.d.ts beside this.

They come from the OpenAPI document by openapi-typescript. Words of the document are left out, so that the file changes
with the types only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("payloads.d.ts")
GENERATOR = ROOT / "node_modules/.bin/openapi-typescript"


def schemas() -> dict[str, Any]:
    """Return the models of the document by name."""
    from aikore.config import Settings
    from aikore.main import create_app

    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings(home=Path(home), nginx="off")).openapi()
    found: dict[str, Any] = _wordless(document["components"]["schemas"])
    return found


def _wordless(part: Any) -> Any:
    if isinstance(part, list):
        return [_wordless(item) for item in part]
    if not isinstance(part, dict):
        return part
    words = {key for key in ("title", "description") if isinstance(part.get(key), str)}
    return {key: _wordless(value) for key, value in part.items() if key not in words}


def written() -> str:
    """Return the types as they should stand in the file."""
    document = {"openapi": "3.1.0", "info": {"title": "AiKore", "version": "0"}, "paths": {}}
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place) / "openapi.json", Path(place) / "payloads.d.ts"
        source.write_text(json.dumps({**document, "components": {"schemas": schemas()}}))
        subprocess.run([GENERATOR, source, "-o", made], check=True, capture_output=True, cwd=ROOT)
        return made.read_text()


if __name__ == "__main__":
    if not GENERATOR.exists():
        sys.exit("openapi-typescript is missing: `npm ci` installs it.")
    TARGET.write_text(written())
