"""The script tool in a real Chromium: what somebody writes is not lost, and neither is what others wrote."""

from __future__ import annotations

import json

from playwright.sync_api import Page, Route, expect

from tests.e2e.page import Dashboard


def append(page: Page, text: str) -> None:
    page.get_by_test_id("script").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def test_a_stale_script_is_shown_beside_the_newer_one_and_resolved(dashboard: Dashboard) -> None:
    page, http = dashboard.page, dashboard.server.http
    path = "/api/instances/s/script"
    dashboard.server.create("s", "Static")
    begun = http.get(path).json()["content"]
    dashboard.menu("s", "script")
    expect(page.get_by_test_id("script")).to_contain_text("#!/usr/bin/env bash")
    append(page, "# mine\n")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("script-save")).to_be_disabled()
    assert http.get(path).json()["content"] == begun + "# mine\n"

    theirs = begun.replace("#!/usr/bin/env bash", "#!/usr/bin/env bash\n# theirs") + "# mine\n"
    http.put(path, json={"content": theirs}, headers={"If-Match": "*"}).raise_for_status()
    append(page, "# more of mine\n")
    page.keyboard.press("Control+s")
    conflict = page.get_by_test_id("conflict")
    expect(conflict).to_contain_text("Somebody saved another version")
    expect(page.locator(".cm-deletedChunk")).to_have_count(2)
    expect(page.locator(".cm-deletedChunk").first).to_contain_text("# theirs")
    page.get_by_role("button", name="Take theirs").first.dispatch_event("mousedown")
    expect(page.locator(".cm-deletedChunk")).to_have_count(1)
    page.get_by_test_id("keep-mine").click()
    expect(conflict).to_be_hidden()
    assert http.get(path).json()["content"] == theirs + "# more of mine\n"

    http.put(path, json={"content": begun}, headers={"If-Match": "*"}).raise_for_status()
    append(page, "# lost\n")
    page.get_by_test_id("script-save").click()
    page.get_by_test_id("take-theirs").click()
    expect(page.get_by_test_id("script")).not_to_contain_text("# lost")
    expect(page.get_by_test_id("script-save")).to_be_disabled()


def test_a_script_is_compared_checked_and_saved_as_a_blueprint(dashboard: Dashboard) -> None:
    page, http = dashboard.page, dashboard.server.http

    def checked(route: Route) -> None:
        text = json.loads(route.request.post_data or "")["text"]
        at = next((number for number, line in enumerate(text.split("\n"), 1) if "$UNSET" in line), 0)
        found = {"line": at, "column": 6, "end_line": at, "end_column": 12, "level": "warning"}
        problems = [{**found, "code": "SC2086", "message": "Quote <this>."}] if at else []
        route.fulfill(json={"tool": "shellcheck", "problems": problems})

    page.route("**/script/check", checked)
    dashboard.server.create("s", "Static")
    dashboard.menu("s", "script")
    append(page, "echo $UNSET\n")
    expect(page.get_by_test_id("script-problems")).to_have_text("1 problem")
    expect(page.locator(".cm-lintRange-warning")).to_have_text("$UNSET")
    page.get_by_test_id("script-problems").click()
    expect(page.locator(".cm-panel-lint")).to_contain_text("Quote <this>. (SC2086)")

    page.get_by_test_id("script-compare").click()
    expect(page.locator(".cm-changedLine")).to_contain_text(["echo $UNSET"])
    page.get_by_test_id("script-as").click()
    page.get_by_test_id("blueprint-name").fill("Static")
    page.get_by_test_id("blueprint-save").click()
    expect(page.get_by_test_id("blueprint-dialog").get_by_role("alert")).not_to_be_empty()
    page.get_by_test_id("blueprint-name").fill("My own")
    page.get_by_test_id("blueprint-save").click()
    expect(page.get_by_test_id("blueprint-dialog")).to_have_count(0)
    assert http.get("/api/blueprints/My own").json()["content"].endswith("echo $UNSET\n")
