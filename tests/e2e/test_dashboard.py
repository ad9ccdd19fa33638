"""The dashboard in a real Chromium, over a real AiKore with real NGINX and real programs."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.page import Dashboard
from tests.helpers.server import HTTP_APP, AiKoreServer


@pytest.fixture
def aikore(shared_aikore: AiKoreServer) -> AiKoreServer:
    return shared_aikore


def test_an_empty_dashboard_leads_to_a_running_instance_in_three_clicks(dashboard: Dashboard) -> None:
    page = dashboard.page
    page.get_by_test_id("first").click()
    page.get_by_text("Static files").click()
    page.get_by_test_id("save").click()
    dashboard.wait_status("Static files", "started")
    dashboard.press("Static files", "view")
    expect(page.frame_locator(dashboard.frame("Static files")).get_by_text("It works")).to_be_visible()


def test_status_changes_arrive_by_themselves(dashboard: Dashboard) -> None:
    dashboard.server.blueprint("web", HTTP_APP)
    dashboard.server.create("Made elsewhere", "web")
    dashboard.wait_status("Made elsewhere", "stopped")
    dashboard.press("Made elsewhere", "toggle")
    dashboard.wait_status("Made elsewhere", "started")
    os.kill(dashboard.server.get("made-elsewhere")["pid"], signal.SIGKILL)
    dashboard.wait_status("Made elsewhere", "error")
    expect(dashboard.row("Made elsewhere")).to_contain_text("ended by SIGKILL")
    assert "1 failed" in dashboard.page.title()
    expect(dashboard.page.locator("#icon")).to_have_attribute("href", "/static/icons/mark-failed.svg")


EVIL = '<img src=x onerror="document.title=1">'
LONG = "x" * 10_000
BACKWARDS = "\u202eright to left\u202c"


def test_text_from_outside_stays_text_in_every_pane(dashboard: Dashboard) -> None:
    page, server = dashboard.page, dashboard.server
    name = f"{EVIL}{'w' * 30}שלום"
    printed = f"printf '%s\\n' '{EVIL}' '\a{BACKWARDS}' {LONG}"
    text = {"name": EVIL, "category": EVIL, "description": f"<b>{LONG[:400]}</b>"}
    server.blueprint("evil", f"{printed}\necho 'ModuleNotFoundError: No module named \"<b>x</b>\"'; exit 1", **text)
    instance = server.create(name, "evil", group=EVIL, environment={"EVIL": EVIL}, launch_args=EVIL)
    server.create("Other", "99-test-logs")
    slug = instance["slug"]
    folder = server.home / "instances" / slug
    (folder / f"{BACKWARDS}{EVIL}\t").write_text(f"{EVIL}\n\x07{BACKWARDS}\n{LONG}\n")
    (folder / ("long" * 60)).touch()

    def expect_text(where: str, shown: str = EVIL) -> None:
        """The text is seen as it is written; it made no element, and the page is no wider than the window."""
        expect(page.locator(where).filter(has_text=shown).filter(visible=True).first).to_be_attached()
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
        assert "AiKore" in page.title()

    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})

        def tool(kind: str, width: int = width) -> None:
            if width < 760:
                page.get_by_role("button", name="Instances", exact=True).click()
            dashboard.menu(name, kind)

        server.post(slug, "start")
        dashboard.wait_status(name, "error")
        if width < 760:
            page.get_by_role("button", name="Instances", exact=True).click()
        page.get_by_test_id("grouping").select_option("group")
        expect_text("#rows")
        expect_text("[data-testid=group]")
        page.keyboard.press("Control+k")
        page.get_by_test_id("palette-field").fill("img")
        expect_text("[data-testid=palette]")
        page.keyboard.press("Escape")

        tool("log")
        expect_text("[data-testid=log-text]")
        expect_text("[data-testid=log-text]", BACKWARDS)
        expect_text("[role=tab]")
        page.get_by_test_id("log-with").click()
        page.get_by_role("menuitem", name="Other").click()
        expect_text("[data-testid=log-together]")
        page.get_by_role("button", name="Other ×").click()
        tool("script")
        expect_text("[data-testid=script]")
        tool("files")
        expect_text("[data-testid=file-rows]")
        page.locator("[data-file]").filter(has_text="img src=x").get_by_test_id("file-open").click()
        expect_text("[data-testid=file-text]")
        tool("details")
        expect_text("[data-testid=settings]")
        expect_text("[data-testid=failure]", "<b>x</b>")
        tool("edit")
        expect_text(".picker, [data-testid=form]")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        tool("delete")
        expect_text("[data-testid=toast]")
        page.get_by_test_id("show-trash").click()
        expect_text("[data-testid=trash]")
        page.get_by_test_id("restore").click()
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("trash")).to_have_count(0)


def test_a_blueprint_put_there_by_hand_is_offered_by_the_form(dashboard: Dashboard) -> None:
    page = dashboard.page
    expect(page.get_by_test_id("first")).to_be_visible()
    dashboard.server.blueprint("mine", "echo hello", name="Made by hand")
    page.get_by_test_id("new").click()
    expect(page.get_by_test_id("form")).to_contain_text("Made by hand")


def test_the_log_shows_history_and_goes_on_live(dashboard: Dashboard) -> None:
    dashboard.create("logs", "99-test-logs")
    dashboard.wait_status("logs", "started")
    dashboard.press("logs", "log")
    text = dashboard.page.get_by_test_id("log-text")
    expect(text).to_contain_text("tick 1\n")
    expect(text).to_contain_text("tick 3\n")
    assert "\x1b[" not in text.inner_text()
    dashboard.page.get_by_test_id("log-search").fill("TICK 2")
    dashboard.page.get_by_test_id("log-search").press("Enter")
    expect(dashboard.page.get_by_test_id("log-found")).to_contain_text("1 of 1")
    expect(dashboard.page.locator(".row.found")).to_have_text("tick 2")


def test_deleting_can_be_undone(dashboard: Dashboard) -> None:
    dashboard.server.create("Precious", "Static")
    dashboard.menu("Precious", "delete")
    expect(dashboard.row("Precious")).to_have_count(0)
    dashboard.page.get_by_test_id("toast-action").click()
    dashboard.wait_status("Precious", "stopped")


def test_a_refusal_is_shown_beside_the_form_and_the_input_stays(dashboard: Dashboard) -> None:
    dashboard.server.create("Taken", "Static")
    page = dashboard.page
    page.get_by_test_id("new").click()
    page.get_by_test_id("blueprint-Static").check(force=True)
    page.get_by_test_id("name").fill("Taken")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("problem")).to_contain_text("already an instance called")
    dashboard.server.create("Something else happens", "Static")
    expect(page.get_by_test_id("name")).to_have_value("Taken")


def test_editing_shows_the_new_name_and_keeps_the_address(dashboard: Dashboard) -> None:
    dashboard.server.create("Before", "Static")
    dashboard.menu("Before", "edit")
    dashboard.page.get_by_test_id("name").fill("After")
    dashboard.page.get_by_test_id("save").click()
    dashboard.wait_status("After", "stopped")
    assert dashboard.server.get("before")["name"] == "After"


def test_a_lost_server_is_shown_and_comes_back_without_a_reload(dashboard: Dashboard) -> None:
    dashboard.server.create("s", "Static")
    dashboard.wait_status("s", "stopped")
    dashboard.page.evaluate("window.sameDocument = true")
    dashboard.server.kill()
    expect(dashboard.page.get_by_test_id("connection")).to_contain_text("Connection lost")
    dashboard.server.start()
    expect(dashboard.page.get_by_test_id("connection")).to_have_text("", timeout=15_000)
    dashboard.press("s", "toggle")
    dashboard.wait_status("s", "started")
    assert dashboard.page.evaluate("window.sameDocument") is True


def test_the_keyboard_reaches_everything(dashboard: Dashboard) -> None:
    dashboard.server.create("k", "Static")
    dashboard.wait_status("k", "stopped")
    page = dashboard.page
    page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    dashboard.wait_status("k", "started")
    page.keyboard.press("l")
    expect(page.get_by_test_id("tab-log")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)


def test_a_phone_sees_one_pane_and_nothing_runs_over(browser: Browser, dashboard: Dashboard) -> None:
    dashboard.server.create("A rather long name for such a small telephone", "Static")
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    phone.goto(dashboard.server.url + "/")
    phone.locator("tr[data-instance]").wait_for()
    for selector in ("body", "#instances"):
        assert phone.locator(selector).evaluate("node => node.scrollWidth <= node.clientWidth")
    expect(phone.locator("#tools")).to_be_hidden()
    phone.get_by_test_id("more").click()
    phone.locator('[data-testid="menu"] [data-action="log"]').click()
    expect(phone.locator("#tools")).to_be_visible()
    panes = {pane: phone.locator(f"#{pane}") for pane in ("instances", "tools", "bottom")}
    for button, shown in (("Load", "bottom"), ("Instances", "instances"), ("Tools", "tools")):
        phone.get_by_role("button", name=button, exact=True).click()
        for name, pane in panes.items():
            expect(pane).to_be_visible(visible=name == shown)


def test_both_themes_follow_the_system_and_can_be_switched(browser: Browser, dashboard: Dashboard) -> None:
    light = browser.new_page(color_scheme="light")
    light.goto(dashboard.server.url + "/")
    expect(light.locator("html")).to_have_attribute("data-theme", "light")
    light.get_by_test_id("theme").click()
    light.reload()
    expect(light.locator("html")).to_have_attribute("data-theme", "dark")


def test_saving_an_edit_leaves_alone_what_others_changed_meanwhile(dashboard: Dashboard) -> None:
    dashboard.server.create("Shared", "Static")
    dashboard.menu("Shared", "edit")
    dashboard.server.http.patch("/api/instances/shared", json={"launch_args": "--theirs"})
    dashboard.page.get_by_test_id("name").fill("Mine")
    dashboard.page.get_by_test_id("save").click()
    dashboard.wait_status("Mine", "stopped")
    assert dashboard.server.get("shared")["launch_args"] == "--theirs"


def test_a_progress_line_is_shown_in_colour_without_its_codes(dashboard: Dashboard) -> None:
    dashboard.server.blueprint("bar", r"printf '\033[32m50%%\033[0m of it\r'; sleep 600")
    dashboard.server.create("bar", "bar")
    dashboard.server.post("bar", "start")
    dashboard.press("bar", "log")
    expect(dashboard.page.locator(".log .live")).to_have_text("50% of it")
    expect(dashboard.page.locator(".log .live span")).to_have_text("50%")


def test_bars_that_are_redrawn_together_move_as_lines_of_their_own(dashboard: Dashboard) -> None:
    frames = r"""
for step in 1 2 3; do
  if [ $step = 2 ]; then until [ -e go ]; do sleep 0.05; done; fi
  if [ $step = 3 ]; then until [ -e end ]; do sleep 0.05; done; fi
  [ $step = 1 ] || printf '\033[2A'
  printf '\r\033[2K\033[32mfirst %s\033[0m\n\r\033[2Ksecond %s\n' $step $step
done
printf 'done\n'; sleep 600
"""
    dashboard.server.blueprint("bars", 'cd "$INSTANCE_CONF_DIR"\necho before\nprintf "\\033[?25l"\n' + frames)
    dashboard.server.create("bars", "bars")
    folder = dashboard.server.home / "instances/bars"
    dashboard.server.post("bars", "start")
    dashboard.press("bars", "log")
    live = dashboard.page.locator(".log .row.live")
    expect(live).to_have_text(["first 1", "second 1"])
    (folder / "go").touch()
    expect(live).to_have_text(["first 2", "second 2"])
    dashboard.server.post("bars", "stop")
    expect(dashboard.page.locator(".log .row", has_text="second")).to_have_text(["second 2"])
    expect(live).to_have_count(0)


def test_a_folder_without_an_instance_is_taken_in_from_the_trash_dialog(dashboard: Dashboard) -> None:
    dashboard.server.blueprint("web", HTTP_APP)
    dashboard.server.create("Known", "web")
    folders = dashboard.server.home / "instances"
    shutil.copytree(folders / "known", folders / "lost")
    card = json.loads((folders / "lost/.aikore-instance.json").read_text())
    (folders / "lost/.aikore-instance.json").write_text(json.dumps(card | {"name": "Found again", "slug": "lost"}))
    page = dashboard.page
    page.get_by_test_id("show-trash").click()
    section = page.get_by_test_id("unlisted")
    expect(section).to_contain_text("instances/lost")
    section.get_by_test_id("take-in").click()
    expect(section).to_be_hidden()
    page.keyboard.press("Escape")
    dashboard.wait_status("Found again", "stopped")


def test_the_trash_tells_a_size_as_soon_as_it_is_counted(dashboard: Dashboard) -> None:
    dashboard.server.blueprint("web", HTTP_APP)
    dashboard.server.create("Gone", "web")
    (dashboard.server.home / "instances/gone/big").write_bytes(bytes(5_000_000))
    dashboard.page.get_by_test_id("show-trash").click()
    dashboard.server.http.delete("/api/instances/gone").raise_for_status()
    expect(dashboard.page.get_by_test_id("trash")).to_contain_text("5.0 MB")
