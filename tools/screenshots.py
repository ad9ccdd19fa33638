"""Writes the pictures of README and docs: `.venv/bin/python tools/screenshots.py`, from the repository's root.

They show a real AiKore with real programs on this machine, in both themes and at a phone's width.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from playwright.sync_api import Browser, Page, sync_playwright

from tests.helpers.browser import CHROMIUM_ARGS, chromium_path
from tests.helpers.server import AiKoreServer

FOLDER = Path(__file__).parent.parent / "docs" / "images"
PAINTER = """
stage "Loading the model"
echo "Loading checkpoint shards: 100%"
exec python3 -m http.server --bind 127.0.0.1 "$WEBUI_PORT"
"""
HUNGRY = "echo 'Loading model'; sleep 1; echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1"


def fill(server: AiKoreServer) -> None:
    """Make a few instances, in various states."""
    server.blueprint("painter", f'source "$AIKORE_FUNCTIONS"\n{PAINTER}', name="Painter", category="Image generation")
    server.blueprint("trainer", HUNGRY, name="LoRA trainer", category="Training", ready="process")
    for name, blueprint in (
        ("Painter", "painter"), ("Film lab", "ComfyUI"), ("Notebook", "JupyterLab"), ("Trainer", "trainer"),
        ("Handbook", "Static"), ("Log test", "99-test-logs"),
    ):  # fmt: skip
        server.create(name, blueprint)
    for slug in ("painter", "handbook", "log-test", "trainer"):
        server.post(slug, "start")
    for slug in ("painter", "handbook", "log-test"):
        server.wait_status(slug, "started")
    server.wait_status("trainer", "error")


def open_page(browser: Browser, server: AiKoreServer, theme: str, width: int, height: int) -> Page:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.emulate_media(color_scheme="light" if theme == "light" else "dark")
    page.goto(server.url + "/")
    page.get_by_title("Log test", exact=True).first.wait_for()
    return page


def act(page: Page, name: str, action: str) -> None:
    """Open a tool of an instance by its row's menu."""
    row = page.locator("tr[data-instance]").filter(has=page.get_by_text(name, exact=True))
    row.get_by_test_id("more").click()
    page.locator(f'[data-testid="menu"] [data-action="{action}"]').click()


def picture(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / f"{name}.png")


def wide(browser: Browser, server: AiKoreServer, theme: str) -> None:
    page = open_page(browser, server, theme, 1440, 900)
    act(page, "Handbook", "view")
    page.get_by_test_id("fold").click()
    picture(page, f"dashboard-{theme}")
    act(page, "Painter", "terminal")
    page.wait_for_timeout(1000)
    page.keyboard.type("ls -l; nproc\n")
    act(page, "Painter", "script")
    page.get_by_test_id("move-0").click()
    picture(page, f"tools-{theme}")
    act(page, "Trainer", "details")
    page.keyboard.press("Control+k")
    picture(page, f"palette-{theme}")
    page.context.close()


def narrow(browser: Browser, server: AiKoreServer, theme: str) -> None:
    page = open_page(browser, server, theme, 390, 844)
    picture(page, f"phone-{theme}")
    page.context.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = AiKoreServer(Path(folder) / "home", sample_idle_interval=1, user="")
        try:
            fill(server.start())
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
            for theme in ("dark", "light"):
                wide(browser, server, theme)
                narrow(browser, server, theme)
            browser.close()
        finally:
            server.clean_up()


if __name__ == "__main__":
    main()
