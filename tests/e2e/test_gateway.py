"""The gateway page in a real Chromium, under each kind of route."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from tests.helpers.server import AiKoreServer, free_range

SCRIPT = r"""
printf '\033[32mpreparing <b>things</b>\033[0m\n'
read -r < "$INSTANCE_CONF_DIR/go"
exec python3 -m http.server --bind 127.0.0.1 "$WEBUI_PORT"
"""


@pytest.mark.parametrize("kind", ["path", "host", "port"])
def test_a_visitor_starts_an_app_watches_its_log_and_gets_there(
    browser: Browser, aikore_factory: Callable[..., AiKoreServer], kind: str
) -> None:
    server = aikore_factory(app_ports=free_range(2)).start()
    server.blueprint("slow", 'mkfifo -m 600 "$INSTANCE_CONF_DIR/go"\n' + SCRIPT)
    instance = server.create("My <i>app</i>", "slow")
    path = instance["urls"][kind]
    url = path if path.startswith("http") else server.url + path
    page = browser.new_page(viewport={"width": 390, "height": 700})
    page.goto(f"{url}?kept=1")
    page.locator("#name", has_text="My <i>app</i>").wait_for()
    page.locator("#start").click()
    page.locator("#log", has_text="preparing <b>things</b>").wait_for()
    assert "[32m" not in page.locator("#log").inner_text()
    with open(server.home / "instances" / instance["slug"] / "go", "w") as fifo:
        fifo.write("go\n")
    page.get_by_text("Directory listing").first.wait_for()
    assert page.url == f"{url}?kept=1"
