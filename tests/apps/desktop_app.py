"""A page for desktops: it paints itself in a colour, counts, and tells its server what is typed into it."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

COLOUR = os.environ.get("COLOUR", "#c81e64")
STATE: dict[str, Any] = {"count": 0, "typed": "", "width": 0, "resizes": 0, "pages": 0}
PAGE = f"""<!doctype html><title>Painted</title>
<style>html, body, textarea {{ margin: 0; height: 100%; width: 100%; border: 0; box-sizing: border-box;
background: {COLOUR}; resize: none; overflow: hidden }}</style>
<textarea autofocus></textarea>
<script>
let count = 0, resizes = 0;
addEventListener("resize", () => ++resizes);
const area = document.querySelector("textarea");
const state = () => new URLSearchParams({{ count: ++count, width: innerWidth, resizes, typed: area.value }});
setInterval(() => fetch("/tell?" + state()), 250);
area.focus();
</script>"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/tell":
            STATE.update({key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()})
        if url.path == "/" and "AiKore" not in self.headers.get("User-Agent", ""):
            STATE["pages"] += 1
        body = json.dumps(STATE).encode() if url.path == "/state" else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if url.path == "/state" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["WEBUI_PORT"])), Handler).serve_forever()
