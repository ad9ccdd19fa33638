"""A real Chromium for every test of this level."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.page import Dashboard
from tests.helpers.browser import Chromium
from tests.helpers.server import AiKoreServer


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The browser of this worker."""
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.fixture
def browser(chromium: Chromium) -> Iterator[Browser]:
    """The worker's browser; each page or context made in it is a new profile."""
    with chromium.lent() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: pytest.fail(f"the page threw: {error}"))
    return page


@pytest.fixture
def dashboard(page: Page, aikore: AiKoreServer) -> Dashboard:
    return Dashboard(page, aikore)
