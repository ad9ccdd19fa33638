"""A real Chromium for every test of this level."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.page import Dashboard
from tests.helpers.browser import CHROMIUM_ARGS, chromium_path
from tests.helpers.server import AiKoreServer


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: pytest.fail(f"the page threw: {error}"))
    return page


@pytest.fixture
def dashboard(page: Page, aikore: AiKoreServer) -> Dashboard:
    return Dashboard(page, aikore)
