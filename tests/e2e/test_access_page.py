"""Logging in, people, tokens and the audit log in a real Chromium, with the login on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.page import Dashboard, LoginPage, log_in
from tests.helpers.access import PASSWORD, bearer, browser, set_up, setup_secret
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until

Factory = Callable[..., AiKoreServer]
LOGIN = re.compile(r"/\.aikore/login")


@pytest.fixture
def house(aikore_factory: Factory) -> AiKoreServer:
    """A started AiKore with the owner ``anna``, whom no browser knows yet."""
    server = aikore_factory(auth="on").start()
    set_up(server)
    return server


def join(browser_: Browser, server: AiKoreServer, dashboard: Dashboard, role: str, name: str) -> Dashboard:
    """Invite somebody by the page and take the invitation up in another browser."""
    dialog = dashboard.person("people")
    dialog.get_by_test_id("invite").click()
    expect(dialog.get_by_test_id("invites")).to_contain_text("Invitation as")
    dialog.get_by_test_id("withdraw").last.click()
    expect(dialog.get_by_test_id("invites")).not_to_contain_text("Invitation as")
    dialog.get_by_test_id("invite-role").select_option(role)
    dialog.get_by_test_id("invite").click()
    link = dialog.get_by_test_id("shown-once").input_value()
    dialog.get_by_test_id("close").click()
    page = browser_.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(link)
    LoginPage(page).enter(PASSWORD, name)
    expect(page.get_by_test_id("person")).to_have_text(name)
    return Dashboard(page, server)


def test_the_printed_link_makes_the_owner(page: Page, aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    page.goto(f"{server.url}/.aikore/login#setup={setup_secret(server)}")
    login = LoginPage(page)
    expect(login.name).to_have_value("owner")
    assert "setup=" not in page.url
    login.enter("short", "anna")
    expect(login.problem).to_contain_text("at least 8")
    login.enter(PASSWORD)
    expect(page.get_by_test_id("person")).to_have_text("anna")
    expect(page.get_by_test_id("first")).to_be_visible()


def test_without_its_link_a_new_house_asks_for_it(page: Page, aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on").start()
    page.goto(server.url)
    page.get_by_test_id("login-link").fill(f"http://elsewhere/.aikore/login#setup={setup_secret(server)}")
    login = LoginPage(page)
    login.send.click()
    login.enter(PASSWORD, "anna")
    expect(page.get_by_test_id("person")).to_have_text("anna")


def test_a_wrong_password_is_refused_in_words_and_haste_has_to_wait(page: Page, house: AiKoreServer) -> None:
    page.goto(house.url)
    login = LoginPage(page)
    expect(login.name).to_be_hidden()
    for _ in range(5):
        login.enter("not the password")
        expect(login.problem).to_contain_text("do not belong together")
        expect(login.send).to_be_enabled()
    login.enter(PASSWORD)
    expect(login.send).to_have_text(re.compile(r"Wait \d+ s"))
    expect(login.send).to_be_disabled()
    expect(login.send).to_have_text("Log in")
    login.send.click()
    expect(page.get_by_test_id("person")).to_be_visible()


def test_who_logs_out_and_in_again_gets_where_they_wanted(page: Page, house: AiKoreServer) -> None:
    house.blueprint("web", HTTP_APP)
    house.create("x", "web")
    house.post("x", "start")
    house.wait_status("x", "started")
    dashboard = log_in(page, house)
    dashboard.person("logout")
    expect(page).to_have_url(LOGIN)
    page.goto(f"{house.url}/app/x/?a=1&next=//elsewhere/&b=?")
    expect(page).to_have_url(LOGIN)
    LoginPage(page).enter(PASSWORD)
    expect(page.get_by_text("Directory listing").first).to_be_visible()
    assert page.url == f"{house.url}/app/x/?a=1&next=//elsewhere/&b=?"


def test_the_login_leads_to_no_foreign_address(page: Page, house: AiKoreServer) -> None:
    for elsewhere in ("//example.org/", "/\\example.org/", "http://example.org/", "/.aikore/login"):
        page.context.clear_cookies()
        page.goto(f"{house.url}/.aikore/login?next={elsewhere}")
        LoginPage(page).enter(PASSWORD)
        expect(page.get_by_test_id("person")).to_be_visible()
        assert page.url == f"{house.url}/", elsewhere


def test_a_login_link_is_used_up_by_a_press_only(page: Page, house: AiKoreServer) -> None:
    link = house.http.post("/api/auth/links")
    assert link.status_code == 403, "a token of an admin makes no links"
    dashboard = log_in(page, house)
    url = dashboard.page.evaluate("fetch('/api/auth/links', {method: 'POST'}).then(a => a.json()).then(d => d.url)")
    dashboard.person("logout")
    expect(page).to_have_url(LOGIN)
    page.goto(url)
    expect(page.get_by_text("This link logs you in once.")).to_be_visible()
    page.goto(url.replace("#", "?again#"))  # as a preview of the link would
    LoginPage(page).send.click()
    expect(page.get_by_test_id("person")).to_have_text("anna")


def test_a_session_ended_elsewhere_leads_to_the_login_and_back(
    browser: Browser, page: Page, house: AiKoreServer
) -> None:
    log_in(page, house)
    other = log_in(browser.new_context().new_page(), house)
    dialog = other.person("sessions")
    expect(dialog.get_by_text("this one")).to_have_count(1)
    ends = dialog.get_by_test_id("end-session")
    count = ends.count()
    for left in range(count - 1, -1, -1):
        ends.first.click()
        expect(ends).to_have_count(left)
    expect(page).to_have_url(re.compile(r"login\?next=/$"))
    LoginPage(page).enter(PASSWORD)
    expect(page.get_by_test_id("person")).to_have_text("anna")


def test_a_viewer_sees_nothing_that_changes_something(browser: Browser, page: Page, house: AiKoreServer) -> None:
    house.create("x", "Static")
    house.create("gone", "Static")
    house.http.delete("/api/instances/gone").raise_for_status()
    owner = log_in(page, house)
    viewer = join(browser, house, owner, "viewer", "vera").page
    row = viewer.locator("tr[data-instance]")
    expect(row).to_be_visible()
    expect(row.get_by_test_id("toggle")).to_be_hidden()
    expect(viewer.get_by_test_id("new")).to_be_hidden()
    row.get_by_test_id("more").click()
    names = viewer.locator('[data-testid="menu"] [data-action]')
    assert names.evaluate_all("items => items.map(item => item.dataset.action)") == ["log", "details"]
    viewer.keyboard.press("Escape")
    expect(row.get_by_test_id("view")).to_be_hidden()
    expect(row.locator(".c-address")).to_have_text("/app/x/")
    expect(row.locator("a[href]")).to_have_count(0)
    row.get_by_text("x", exact=True).dblclick()
    viewer.get_by_test_id("show-trash").click()
    expect(viewer.get_by_test_id("trash")).to_contain_text("gone")
    expect(viewer.get_by_test_id("restore")).to_have_count(0)
    viewer.keyboard.press("Escape")
    row.focus()
    for key in ("s", "r", "e", "v", "Enter"):
        viewer.keyboard.press(key)
    expect(viewer.locator("iframe")).to_have_count(0)
    viewer.get_by_test_id("person").click()
    assert "people" not in names.evaluate_all("items => items.map(item => item.dataset.action)")
    assert house.get("x")["status"] == "stopped"
    expect(viewer.get_by_test_id("toast")).to_have_count(0)


def test_a_creator_is_offered_what_a_creator_may(browser: Browser, page: Page, house: AiKoreServer) -> None:
    house.create("x", "Static")
    house.post("x", "start")
    house.wait_status("x", "started")
    owner = log_in(page, house)
    creator = join(browser, house, owner, "creator", "cleo")
    expect(creator.row("x").get_by_test_id("log")).to_be_visible()
    expect(creator.row("x").get_by_test_id("view")).to_be_hidden()
    dialog = creator.person("tokens")
    scopes = dialog.get_by_test_id("token-scope").locator("option")
    expect(scopes).to_have_text(["May look", "May generate"])
    dialog.get_by_test_id("token-scope").select_option("create")
    dialog.get_by_test_id("token-name").fill("phone")
    dialog.get_by_test_id("token-make").click()
    client = bearer(house, dialog.get_by_test_id("shown-once").input_value())
    assert (client.get("/api/instances").status_code, client.get("/app/x/").status_code) == (200, 403)
    creator.page.goto(f"{house.url}/app/x/")
    creator.page.get_by_role("link", name="the AiKore page").click()
    expect(creator.page.get_by_test_id("person")).to_have_text("cleo")
    people = owner.person("people")
    expect(people.get_by_test_id("person-role")).to_have_value("creator")


def test_an_app_is_gone_from_the_page_of_who_may_open_it_no_longer(
    browser: Browser, page: Page, house: AiKoreServer
) -> None:
    house.create("x", "Static")
    house.post("x", "start")
    owner = log_in(page, house)
    other = join(browser, house, owner, "operator", "otto")
    other.wait_status("x", "started")
    other.press("x", "view")
    expect(other.page.frame_locator("iframe").get_by_text("It works")).to_be_visible()
    owner.person("people").get_by_test_id("person-role").select_option("viewer")
    expect(other.page.locator("iframe")).to_have_count(0)
    expect(other.page.get_by_text("Apps are for operators and admins.")).to_be_visible()
    expect(other.row("x").get_by_test_id("view")).to_be_hidden()


def test_a_new_role_shows_without_a_reload(browser: Browser, page: Page, house: AiKoreServer) -> None:
    house.create("x", "Static")
    owner = log_in(page, house)
    other = join(browser, house, owner, "viewer", "otto").page
    expect(other.locator("tr[data-instance]")).to_be_visible()
    owner.person("people").get_by_test_id("person-role").select_option("operator")
    expect(other.get_by_test_id("toggle")).to_be_visible()
    expect(other.get_by_test_id("new")).to_be_hidden()
    other.get_by_test_id("toggle").click()
    owner.wait_status("x", "started")


def test_a_token_of_the_page_works_until_it_is_revoked(page: Page, house: AiKoreServer) -> None:
    dialog = log_in(page, house).person("tokens")
    dialog.get_by_test_id("token-name").fill("from the page")
    dialog.get_by_test_id("token-make").click()
    dialog.get_by_test_id("copy").click()
    expect(dialog.get_by_test_id("copy")).to_have_text("Copied")
    client = bearer(house, dialog.get_by_test_id("shown-once").input_value())
    assert client.get("/api/instances").status_code == 200
    assert client.post("/api/system/restart").status_code == 403
    line = dialog.get_by_test_id("tokens").locator("li").filter(has_text="from the page")
    for _ in range(2):  # the first press says what will happen
        line.get_by_test_id("token-revoke").click()
    expect(line).to_have_count(0)
    wait_until(lambda: client.get("/api/instances").status_code == 401, 5)


def test_the_audit_log_says_who_started_what(page: Page, house: AiKoreServer) -> None:
    house.create("My app", "Static")
    dashboard = log_in(page, house)
    dashboard.press("My app", "toggle")
    dashboard.wait_status("My app", "started")
    dialog = dashboard.person("audit")
    dialog.get_by_test_id("audit-filter").fill("started")
    row = dialog.get_by_test_id("audit").locator("tr:visible")
    expect(row).to_have_count(1)
    for words in ("anna", "My app", "127.0.0.1", "done"):
        expect(row).to_contain_text(words)


def test_a_changed_password_is_the_one_that_counts(page: Page, house: AiKoreServer) -> None:
    dashboard = log_in(page, house)
    dialog = dashboard.person("password")
    dialog.get_by_test_id("old-password").fill("not the old one")
    dialog.get_by_test_id("new-password").fill("an even better one")
    dialog.get_by_test_id("save").click()
    expect(dialog.get_by_test_id("problem")).to_contain_text("old password")
    dialog.get_by_test_id("old-password").fill(PASSWORD)
    dialog.get_by_test_id("save").click()
    expect(dialog).to_have_count(0)
    assert browser(house).post("/api/auth/login", json={"password": "an even better one"}).status_code == 200


def test_networks_without_login_are_saved(page: Page, house: AiKoreServer) -> None:
    house.create("x", "Static")
    dashboard = log_in(page, house)
    dashboard.menu("x", "edit")
    page.get_by_test_id("open-networks").fill("192.168.1.7/24, 10.0.0.1")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("form")).to_have_count(0)
    assert house.get("x")["open_networks"] == ["192.168.1.0/24", "10.0.0.1/32"]


def test_an_address_of_its_own_is_entered_without_another_login(page: Page, house: AiKoreServer) -> None:
    house.blueprint("web", HTTP_APP)
    house.create("x", "web")
    house.post("x", "start")
    dashboard = log_in(page, house)
    dashboard.wait_status("x", "started")
    dashboard.press("x", "view")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="By host").click()
    expect(popup.value.get_by_text("Directory listing").first).to_be_visible()
    assert popup.value.url == f"http://x.localhost:{house.port}/"


def test_everything_works_below_a_sub_path(page: Page, aikore_factory: Factory) -> None:
    server = aikore_factory(auth="on", root_path="/ai/kore")
    server.launch()
    page.goto(f"{server.url}/ai/kore/.aikore/login?next=/ai/kore/?a#setup={setup_secret(server)}")
    LoginPage(page).enter(PASSWORD)
    page.wait_for_url(f"{server.url}/ai/kore/?a")
    page.get_by_test_id("first").click()
    page.get_by_text("Static files").click()
    page.get_by_test_id("save").click()
    row = page.locator('tr[data-status="started"]')
    row.get_by_test_id("view").click()
    expect(page.frame_locator("iframe").get_by_text("It works")).to_be_visible()
    row.get_by_test_id("log").click()
    expect(page.get_by_test_id("log-text")).not_to_be_empty()


def test_where_no_login_is_asked_for_the_page_says_so(dashboard: Dashboard) -> None:
    expect(dashboard.page.get_by_test_id("open-house")).to_contain_text("AIKORE_AUTH=off")
    expect(dashboard.page.get_by_test_id("person")).to_be_hidden()
    dashboard.page.goto(f"{dashboard.server.url}/.aikore/login?next=/?there")
    expect(dashboard.page).to_have_url(f"{dashboard.server.url}/?there")
