"""The dashboard as a person uses it, for tests in a real Chromium.

Hooks: rows are `[data-instance="<id>"]` with `data-status`; everything that can be pressed has a `data-testid`.
"""

from __future__ import annotations

from collections.abc import Mapping

from playwright.sync_api import Locator, Page, expect

from tests.helpers.access import PASSWORD
from tests.helpers.server import AiKoreServer


class Dashboard:
    """One open dashboard."""

    def __init__(self, page: Page, server: AiKoreServer) -> None:
        self.page = page
        self.server = server
        page.goto(server.url + "/")

    def row(self, name: str) -> Locator:
        return self.page.locator("tr[data-instance]").filter(has=self.page.get_by_text(name, exact=True))

    def create(
        self, name: str, blueprint: str, environment: Mapping[str, str] | None = None, start: bool = True
    ) -> None:
        """Make an instance through the form."""
        self.page.get_by_test_id("new").click()
        form = self.page.get_by_test_id("form")
        form.get_by_test_id(f"blueprint-{blueprint}").check(force=True)
        form.get_by_test_id("name").fill(name)
        for key, value in (environment or {}).items():
            if not form.get_by_test_id("env-add").is_visible():
                form.get_by_text("More settings").click()
            form.get_by_test_id("env-add").click()
            form.get_by_test_id("env-name").last.fill(key)
            form.get_by_test_id("env-value").last.fill(value)
        form.get_by_test_id("start-now").set_checked(start)
        form.get_by_test_id("save").click()
        expect(form).to_have_count(0)

    def wait_status(self, name: str, status: str, seconds: float = 30) -> None:
        expect(self.row(name)).to_have_attribute("data-status", status, timeout=seconds * 1000)

    def press(self, name: str, hook: str) -> None:
        self.row(name).get_by_test_id(hook).click()

    def menu(self, name: str, action: str) -> None:
        self.press(name, "more")
        self.page.locator(f'[data-testid="menu"] [data-action="{action}"]').click()

    def frame(self, name: str) -> str:
        """Return the selector of the instance's embedded page."""
        return f'iframe[title="{name}"]'

    def person(self, item: str) -> Locator:
        """Choose something of the person's menu; return the dialog that opens, if one does."""
        self.page.get_by_test_id("person").click()
        self.page.locator(f'[data-testid="menu"] [data-action="{item}"]').click()
        return self.page.get_by_test_id(f"{item}-dialog")


class LoginPage:
    """The login page, wherever somebody was sent to it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problem = page.get_by_test_id("login-problem")
        self.name = page.get_by_test_id("login-name")
        self.password = page.get_by_test_id("login-password")
        self.send = page.get_by_test_id("login-send")

    def enter(self, password: str, name: str | None = None) -> None:
        """Fill in what is asked and send it."""
        if name is not None:
            self.name.fill(name)
        self.password.fill(password)
        self.send.click()


def log_in(page: Page, server: AiKoreServer) -> Dashboard:
    """Open the dashboard and log in as the owner ``anna`` on the way."""
    dashboard = Dashboard(page, server)
    LoginPage(page).enter(PASSWORD)
    expect(page.get_by_test_id("person")).to_have_text("anna")
    return dashboard
