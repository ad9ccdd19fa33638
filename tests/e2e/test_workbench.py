"""Panes, tabs, palette, table and form of the dashboard, as somebody works with them all day."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.e2e.page import Dashboard
from tests.helpers.server import HTTP_APP, AiKoreServer, free_range, wait_until


@pytest.fixture
def aikore(shared_aikore: AiKoreServer) -> AiKoreServer:
    return shared_aikore


def expect_names(page: Page, *wanted: str) -> None:
    expect(page.locator("tr[data-instance] .title")).to_have_text(list(wanted))


def make(server: AiKoreServer, *made: str, blueprint: str = "Static") -> None:
    for name in made:
        server.create(name, blueprint)


def test_of_many_instances_those_far_from_the_screen_have_names_and_can_be_chosen(
    page: Page, aikore_factory: Callable[..., AiKoreServer]
) -> None:
    aikore = aikore_factory(instance_ports=free_range(45)).start()
    make(aikore, *(f"Number {number:02}" for number in range(45)))
    page.set_viewport_size({"width": 1280, "height": 400})
    page.goto(aikore.url)
    rows = page.locator("tr[data-instance]")
    last = rows.filter(has_text="Number 44")
    expect(last).to_have_text("Number 44")
    expect(last.get_by_test_id("toggle")).to_have_count(0)
    page.get_by_test_id("choose-all").check()
    expect(page.locator("#chosen-count")).to_have_text("45 chosen")
    rows.first.focus()
    page.keyboard.press("Control+k")
    page.keyboard.type("start number 44")
    page.keyboard.press("Enter")
    expect(last).to_have_attribute("data-status", "started")
    last.scroll_into_view_if_needed()
    expect(last.get_by_test_id("toggle")).to_have_text("Stop")
    expect(last.get_by_test_id("choose")).to_be_checked()
    page.get_by_test_id("choose-none").click()
    page.get_by_test_id("filter").fill("number 40")
    expect(rows.locator("visible=true").get_by_test_id("toggle")).to_have_text(["Start"])


def test_a_form_opened_too_early_fills_itself_and_keeps_what_is_typed(page: Page, aikore: AiKoreServer) -> None:
    """It once stayed empty when it was opened before the first snapshot had come."""
    held: list[Any] = []
    let_through = False

    def route(socket: WebSocketRoute) -> None:
        def from_server(message: str | bytes) -> None:
            if let_through:
                socket.send(message)
            else:
                held.append(lambda: socket.send(message))

        socket.connect_to_server().on_message(from_server)

    page.route_web_socket(re.compile("/api/events"), route)
    page.goto(aikore.url)
    page.get_by_test_id("new").click()
    page.get_by_test_id("name").fill("Half ty")
    wait_until(lambda: page.wait_for_timeout(10) or held)
    let_through = True
    for send in held:
        send()
    form = page.get_by_test_id("form")
    form.get_by_test_id("blueprint-Static").check(force=True)
    expect(page.get_by_test_id("name")).to_have_value("Half ty")
    content = '#!/usr/bin/env bash\n# /// aikore\n# name = "Newcomer"\n# category = "Video"\n# ///\nsleep 600\n'
    aikore.http.put("/api/blueprints/newcomer", json={"content": content}).raise_for_status()
    expect(form.get_by_test_id("blueprint-newcomer")).to_be_attached()
    expect(form.get_by_test_id("blueprint-Static")).to_be_checked()
    form.get_by_test_id("blueprint-search").fill("vid newc")
    expect(form.get_by_test_id("blueprint-Static")).to_be_hidden()
    form.get_by_test_id("blueprint-search").press("Enter")
    expect(form.get_by_test_id("blueprint-newcomer")).to_be_checked()
    form.get_by_test_id("save").click()
    expect(form).to_have_count(0)
    assert aikore.get("half-ty")["base_blueprint"] == "newcomer"


def test_an_edit_says_what_waits_for_a_restart_and_what_others_did(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    make(server, "One", "Two")
    server.post("one", "start")
    dashboard.wait_status("One", "started")
    dashboard.menu("One", "edit")
    changes = page.get_by_test_id("changes")
    expect(changes).to_have_text("Nothing is changed yet.")
    expect(page.get_by_test_id("save-restart")).to_be_hidden()
    page.get_by_test_id("name").fill("two")
    expect(page.get_by_text("There is already an instance called 'Two'")).to_be_visible()
    page.get_by_test_id("name").fill("Uno")
    page.get_by_test_id("launch-args").fill("--lowv")
    expect(changes).to_have_text("Changes at once: name. After a restart: launch arguments.")
    server.http.patch("/api/instances/one", json={"hostname": "one.lan", "launch_args": "--theirs"})
    expect(page.get_by_test_id("theirs")).to_contain_text("host name")
    expect(page.get_by_test_id("launch-args")).to_have_value("--lowv")
    run = server.get("one")["run"]
    page.get_by_test_id("save-restart").click()
    dashboard.wait_status("Uno", "started")
    wait_until(lambda: server.get("one")["run"] > run, what="it was restarted")
    assert (server.get("one")["launch_args"], server.get("one")["hostname"]) == ("--lowv", "one.lan")


NAMES = ["ok", "  ", "a" * 80, "a" * 81, "😀" * 80, "a\u202eb", "a\tb", "TAKEN", "ＴＡＫＥＮ", "../x"]
HOSTS = ["a.example.lan", "a_b", "1.2.3.4", "Ä.de", "-a.de", "a." * 127 + "a", "b." * 126]
NETWORKS = ["10.0.0.1/33", "10.0.0.01", "10.0.0.0/255.0.0.0", "lan", "::1", "fe80::/129"]
CASES: list[tuple[str, Any]] = [
    *(("name", name) for name in NAMES),
    *(("hostname", host) for host in HOSTS),
    *(("environment", {name: ""}) for name in ("A_1", "1A", "A B", "WEBUI_PORT")),
    *(("environment", {"A": value}) for value in ("x" * 8193, "\0")),
    *(("group", group) for group in ("", "  ", "Video", "g" * 60, "g" * 61, "a\u202eb")),
    *(("launch_args", "x" * length) for length in (8192, 8193)),
    *(("open_networks", [one]) for one in NETWORKS),
    *(("open_networks", ["10.0.0.0/8"] * length) for length in (50, 51)),
]
CHECK = """async cases => {
    const rules = await import('/static/js/house/form/validate.js');
    const check = {
        name: text => rules.nameProblem(text, ['Taken']), hostname: rules.hostnameProblem,
        launch_args: rules.textProblem,
        environment: map => rules.variablesProblem(Object.entries(map)), open_networks: rules.networksProblem,
        group: rules.groupProblem,
    };
    return cases.map(([field, value]) => check[field](value));
}"""


def test_the_form_refuses_what_the_server_refuses(dashboard: Dashboard) -> None:
    server = dashboard.server
    make(server, "Taken")
    said = dashboard.page.evaluate(CHECK, CASES)
    differing = []
    for number, ((field, value), problem) in enumerate(zip(CASES, said, strict=True)):
        wanted = {"name": f"n{number}", "base_blueprint": "Static", field: value}
        answer = server.http.post("/api/instances", json=wanted)
        if (answer.status_code == 201) != (problem == ""):
            differing.append((field, value, problem, answer.text))
    assert differing == []


def test_tools_stand_side_by_side_keep_running_and_come_back(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    make(server, "Left", "Right")
    for name in ("left", "right"):
        server.post(name, "start")
        dashboard.wait_status(name.title(), "started")
        dashboard.press(name.title(), "view")
    frames = {name: page.locator(dashboard.frame(name)) for name in ("Left", "Right")}
    for frame in frames.values():
        frame.evaluate("frame => { frame.contentWindow.kept = true; }")
    expect(frames["Left"]).to_be_hidden()
    page.locator("body").press("b")
    for frame in frames.values():
        expect(frame).to_be_visible()
    dashboard.press("Left", "log")
    expect(page.get_by_test_id("tabs-1").get_by_role("tab")).to_have_text(["Right", "Left · Log"])
    page.locator("body").press(",")
    expect(frames["Right"]).to_be_visible()
    for frame in frames.values():
        assert frame.evaluate("frame => frame.contentWindow.kept"), "moving and hiding a view reloads nothing"

    page.locator("body").press("w")
    expect(frames["Left"]).to_be_hidden()
    whole = frames["Right"].bounding_box()
    assert whole and whole["width"] == 1440 and whole["height"] == 900
    page.keyboard.press("Escape")
    expect(frames["Left"]).to_be_visible()

    page.get_by_test_id("divider").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.get_by_test_id("fold").press("Enter")
    expect(page.get_by_test_id("monitoring")).to_have_attribute("data-open", "true")
    width = page.locator("#instances").evaluate("pane => pane.offsetWidth")
    page.reload()
    expect(page.get_by_test_id("tabs-0").get_by_role("tab")).to_have_text(["Left"])
    expect(page.get_by_test_id("tabs-1").get_by_role("tab")).to_have_text(["Right", "Left · Log"])
    for frame in frames.values():
        expect(frame).to_be_visible()
    assert page.locator("#instances").evaluate("pane => pane.offsetWidth") == width < 720 - 50
    expect(page.get_by_test_id("monitoring")).to_have_attribute("data-open", "true")

    page.get_by_test_id("tab-view").filter(has_text="Left").click(button="middle")
    expect(page.get_by_role("tab")).to_have_text(["Right", "Left · Log"])
    page.get_by_role("tab", name="Right").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Left · Log")).to_be_focused()
    page.keyboard.press("s")
    dashboard.wait_status("Left", "stopped")
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    expect(page.get_by_role("tab")).to_have_count(0)


def test_the_palette_does_things_by_keys_alone(dashboard: Dashboard) -> None:
    make(dashboard.server, "Alpha", "Beta")
    page = dashboard.page
    expect_names(page, "Alpha", "Beta")
    palette = page.get_by_test_id("palette")
    page.keyboard.press("Control+k")
    page.keyboard.type("bet sta")
    expect(palette.get_by_role("option").first).to_have_text("BetaStart")
    page.keyboard.press("Enter")
    dashboard.wait_status("Beta", "started")
    page.keyboard.press("Control+k")
    page.keyboard.type("trash")
    expect(palette.get_by_role("option").first).to_contain_text("Trash")
    page.keyboard.press("ArrowDown")
    expect(palette.locator("[aria-selected=true]")).to_have_text("AlphaMove to trash")
    page.keyboard.press("Escape")
    expect(palette).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("seal")
    expect(page.get_by_text("No instance has these words.")).to_be_visible()
    page.keyboard.press("Escape")
    expect_names(page, "Alpha", "Beta")
    assert dashboard.server.get("alpha")["status"] == "stopped", "a letter typed into a field is no key"


def test_the_table_sorts_groups_and_keeps_an_order_made_by_hand(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    make(server, "b2", "a10", "a9")
    make(server, "log", blueprint="99-test-logs")
    expect_names(page, "b2", "a10", "a9", "log")
    page.get_by_test_id("sort-name").click()
    expect_names(page, "a9", "a10", "b2", "log")
    page.get_by_test_id("sort-name").click()
    expect_names(page, "log", "b2", "a10", "a9")
    dashboard.row("log").focus()
    page.keyboard.press("Alt+ArrowDown")
    expect_names(page, "b2", "log", "a10", "a9")
    expect(dashboard.row("log")).to_be_focused()
    drag(page, dashboard.row("a9").locator(".handle"), dashboard.row("b2"))
    expect_names(page, "a9", "b2", "log", "a10")
    page.get_by_test_id("grouping").select_option("blueprint")
    expect_names(page, "log", "a9", "b2", "a10")
    expect(page.locator("[aria-sort=descending]")).to_have_count(0)
    page.get_by_test_id("group").filter(has_text="Static files").click()
    expect_names(page, "log")
    page.reload()
    expect_names(page, "log")
    page.get_by_test_id("grouping").select_option("none")
    expect_names(page, "a9", "b2", "log", "a10")
    assert [one["name"] for one in server.http.get("/api/instances").json()] == ["a9", "b2", "log", "a10"]
    page.get_by_test_id("grouping").select_option("group")
    server.http.patch("/api/instances/log", json={"group": "Watch"}).raise_for_status()
    expect(page.get_by_test_id("group")).to_have_text(["Watch1", "Without a group3"])
    drag(page, dashboard.row("a10").locator(".handle"), dashboard.row("log"))
    expect_names(page, "a10", "log", "a9", "b2")
    drag(page, dashboard.row("b2").locator(".handle"), page.get_by_test_id("group").filter(has_text="Watch"))
    expect(page.get_by_test_id("group")).to_have_text(["Watch3", "Without a group1"])
    dashboard.row("a9").focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.get_by_test_id("group")).to_have_text(["Watch4"])
    expect_names(page, "b2", "a10", "log", "a9")
    assert {one["group"] for one in server.http.get("/api/instances").json()} == {"Watch"}
    page.get_by_test_id("grouping").select_option("status")
    server.post("a9", "start")
    expect_names(page, "a9", "b2", "a10", "log")
    page.get_by_test_id("grouping").select_option("none")
    page.get_by_test_id("sort-memory").click()
    expect(page.locator("[aria-sort=descending]")).to_have_text("RAM")
    expect_names(page, "a9", "b2", "a10", "log")
    server.post("log", "start")
    expect_names(page, "a9", "log", "b2", "a10")
    page.get_by_test_id("sort-memory").click()
    expect_names(page, "b2", "a10", "log", "a9")


def drag(page: Page, handle: Locator, onto: Locator) -> None:
    """Drag by the handle onto the upper part of a row."""
    handle.hover()
    page.mouse.down()
    box = onto.bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 6, steps=4)
    page.mouse.up()


def test_several_instances_are_started_and_stopped_together(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    make(server, "one", "two", "three", "four")
    dashboard.row("one").get_by_test_id("choose").check()
    dashboard.row("three").get_by_test_id("choose").click(modifiers=["Shift"])
    expect(page.get_by_text("3 chosen")).to_be_visible()
    expect(page.get_by_test_id("all-stop")).to_be_disabled()
    page.get_by_test_id("all-start").click()
    for name in ("one", "two", "three"):
        dashboard.wait_status(name, "started")
    page.keyboard.press("Escape")
    expect(page.get_by_text("3 chosen")).to_be_hidden()
    dashboard.row("two").focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("tr[aria-selected=true] .title")).to_have_text(["two", "three", "four"])
    page.get_by_test_id("all-stop").click()
    for name in ("two", "three"):
        dashboard.wait_status(name, "stopped")
    assert (server.get("one")["status"], server.get("four")["status"]) == ("started", "stopped")


def test_a_page_that_loads_in_part_loads_again(page: Page, aikore: AiKoreServer) -> None:
    """Browsers drop requests when the network changes; a module that is missing once left a dead page."""
    page.route("**/js/house/tabs.js", lambda route: route.abort("connectionreset"), times=1)
    page.goto(aikore.url)
    page.get_by_test_id("first").click()
    expect(page.get_by_test_id("form")).to_be_visible()


def test_every_action_of_an_instance_and_of_a_tab_has_its_place(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    server.blueprint("graph", HTTP_APP, provides=["comfyui"])
    make(server, "Painter", blueprint="graph")
    dashboard.menu("Painter", "copy")
    expect_names(page, "Painter", "Painter copy")
    dashboard.menu("Painter", "activate")
    expect(dashboard.row("Painter").get_by_text("/comfyui/")).to_be_visible()
    dashboard.menu("Painter copy", "activate")
    expect(dashboard.row("Painter copy").get_by_text("/comfyui/")).to_be_visible()
    expect(dashboard.row("Painter").get_by_text("/comfyui/")).to_be_hidden()
    dashboard.menu("Painter", "rebuild")
    expect(page.get_by_test_id("toast").last).to_contain_text("Painter is rebuilt at its next start")
    dashboard.row("Painter").focus()
    page.keyboard.press("s")
    dashboard.wait_status("Painter", "started")
    page.keyboard.press("r")
    wait_until(lambda: server.get("painter")["run"] == 2)
    dashboard.wait_status("Painter", "started")

    dashboard.menu("Painter", "details")
    page.get_by_test_id("details-edit").click()
    page.get_by_test_id("gpu-mode").select_option("cpu")
    page.get_by_test_id("group-name").fill("Studio")
    expect(page.get_by_test_id("changes")).to_contain_text("restart")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("settings")).to_contain_text("Studio")
    assert (server.get("painter")["gpu_ids"], server.get("painter")["group"]) == ([], "Studio")

    dashboard.row("Painter").focus()
    page.keyboard.press("t")
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    dashboard.row("Painter").focus()
    page.keyboard.press("l")
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_text(["Painter · Details", "Painter · Terminal", "Painter · Log"])
    dashboard.row("Painter").focus()
    for key, front in ((".", "Details"), (",", "Log"), (",", "Terminal")):
        page.keyboard.press(key)
        expect(page.locator("[role=tab][aria-selected=true]")).to_have_text(f"Painter · {front}")
    tabs.first.click(button="right")
    page.locator('[data-action="move"]').click()
    expect(page.get_by_test_id("tabs-1").get_by_role("tab")).to_have_text("Painter · Details")
    page.get_by_test_id("move-1").click()
    expect(page.get_by_test_id("tabs-1").get_by_role("tab")).to_have_count(0)
    tabs.filter(has_text="Log").click(button="right")
    page.locator('[data-action="close-others"]').click()
    expect(tabs).to_have_text(["Painter · Log"])

    dashboard.row("Painter").focus()
    folded = page.get_by_test_id("fold")
    expect(folded).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("f")
    expect(folded).to_have_attribute("aria-expanded", "true")
    for name, words in (("1h", "1 hour"), ("7d", "7 days"), ("5m", "5 min")):
        page.get_by_test_id("range").select_option(name)
        expect(page.get_by_test_id("range").locator("option:checked")).to_have_text(words)
    page.keyboard.press("F6")
    was = page.locator("html").get_attribute("data-theme")
    page.get_by_test_id("theme").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", str(was))
    page.reload()
    expect(page.locator("html")).not_to_have_attribute("data-theme", str(was))
    expect_names(page, "Painter", "Painter copy")
    dashboard.row("Painter").focus()
    page.keyboard.press("d")
    expect(page.get_by_test_id("name")).to_have_value("Painter")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.get_by_test_id("name")).to_have_value("")
