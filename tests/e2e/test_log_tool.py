"""The log tool in a real Chromium: logs of any size and content."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.page import Dashboard
from tests.helpers.server import wait_until

LINES = 1_000_000
SEEN = """
() => {
  const box = document.querySelector(".log").getBoundingClientRect();
  const row = document.elementsFromPoint(box.left + 60, box.top + box.height / 2).find((one) => one.matches(".row"));
  return Number(row?.textContent.match(/^line (\\d+) /)?.[1] ?? -1);
}
"""
"""The number of the line in the middle of what is seen."""
SCROLL = "share => { const log = document.querySelector('.log'); log.scrollTop = share * log.scrollHeight; }"
IN_ORDER = """
() => [...document.querySelectorAll(".log .row")].map((row) => Number(row.textContent.match(/^line (\\d+) /)?.[1]))
  .every((number, at, all) => at === 0 || number === all[at - 1] + 1)
"""


def write_log(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with open(folder / "output.log", "w") as file:
        file.writelines(
            f"line {number} {'x' * (number % 70)}{' rare' * (number % 100_000 == 7)}\n" for number in range(LINES)
        )


def near(page: Page, wanted: int, tolerance: int) -> None:
    wait_until(lambda: abs(page.evaluate(SEEN) - wanted) <= tolerance, 10, f"line {wanted} is seen")


def test_a_log_of_a_million_lines_is_scrolled_to_any_place_and_searched(dashboard: Dashboard) -> None:
    page, server = dashboard.page, dashboard.server
    server.create("Big", "Static")
    write_log(server.home / "instances/big/logs")
    dashboard.press("Big", "log")
    log = page.get_by_test_id("log-text")
    expect(log).to_contain_text(f"line {LINES - 1} ")
    for share in (0.5, 0.1, 0.99, 0.25):
        page.evaluate(SCROLL, share)
        near(page, int(LINES * share), LINES // 50)
        assert page.evaluate(IN_ORDER)
    log.hover()
    before = page.evaluate(SEEN)
    for _ in range(40):  # over several pieces
        page.mouse.wheel(0, -1800)
    near(page, before - 4000, 40)
    assert page.evaluate(IN_ORDER) and page.locator(".log .row").count() < 500
    log.press("Home")
    expect(page.locator(".log .row").first).to_have_text("line 0 ")
    assert page.evaluate("document.querySelector('.log').scrollTop") == 0

    page.get_by_test_id("log-search").fill("RARE")
    expect(page.get_by_test_id("log-found")).to_have_text("1 of 10")
    page.get_by_test_id("log-next").click()
    expect(page.locator(".row.found")).to_contain_text("line 100007 ")
    page.get_by_test_id("log-previous").click()
    page.get_by_test_id("log-previous").click()
    expect(page.locator(".row.found")).to_contain_text("line 900007 ")

    page.get_by_role("button", name="Aa").click()
    expect(page.get_by_test_id("log-found")).to_have_text("Not found")
    with page.expect_download() as download:
        page.get_by_test_id("log-download").click()
    assert download.value.path().stat().st_size == (server.home / "instances/big/logs/output.log").stat().st_size

    with open(server.home / "instances/big/logs/output.log", "a") as file:
        file.write("printed meanwhile\n")
    page.get_by_test_id("log-follow").click()
    expect(page.locator(".log .row").last).to_have_text("printed meanwhile")
    with open(server.home / "instances/big/logs/output.log", "a") as file:
        file.write("printed now\n")
    expect(page.locator(".log .row").last).to_have_text("printed now")


def test_whatever_a_program_prints_is_shown_as_text_in_its_colours(dashboard: Dashboard) -> None:
    page, server = dashboard.page, dashboard.server
    server.blueprint(
        "odd",
        r"""
printf '\033[31mred\033[0m \033[48;5;21mblue ground\033[0m \033[1;38;2;1;2;3mown\033[m plain\n'
printf '<i>a</i> \a\b\033]0;title\007 \342\200\256 right to left\342\200\254 \377 bad\n'
printf 'y%.0s' {1..10000}; printf ' end\n'
printf '2026-01-01 ERROR broken\nRuntimeError: worse\nWARNING: hm\n'
printf 'half 1%%\rhalf 2%%\r'; sleep 0.5; printf 'half 3%%\n'; printf 'not ended'
sleep 1000
""",
        ready="process",
    )
    server.create("Odd", "odd")
    dashboard.press("Odd", "toggle")
    dashboard.press("Odd", "log")
    rows = page.locator(".log .row")
    expect(page.get_by_test_id("log-text")).to_contain_text("half 3%")
    expect(rows.last).to_have_text("not ended")
    texts = rows.all_inner_texts()
    assert "red blue ground own plain" in texts
    assert any(text.startswith("<i>a</i> ␇␈ ") and text.endswith("� bad") for text in texts)
    assert [text for text in texts if "half" in text] == ["half 3%"]
    assert any(len(text) == 10_004 for text in texts)
    expect(page.locator(".row.error")).to_have_count(2)
    expect(page.locator(".row.warning")).to_have_count(1)
    expect(page.get_by_text("red", exact=True)).to_have_css("color", "rgb(194, 43, 57)")
    expect(page.get_by_text("own", exact=True)).to_have_css("color", "rgb(1, 2, 3)")
    page.get_by_test_id("log-times").click()
    assert rows.first.get_attribute("data-time")
    page.get_by_test_id("log-wrap").click()
    assert page.get_by_test_id("log-text").evaluate("node => node.scrollWidth") > 10_000


def test_several_logs_are_read_in_the_order_of_time(dashboard: Dashboard) -> None:
    page, server = dashboard.page, dashboard.server
    for name in ("One", "Two"):
        server.blueprint(name, f"for n in {{1..400}}; do echo {name} $n; done; sleep 600", ready="process")
        server.create(name, name)
        server.post(name.lower(), "start")
        server.wait_status(name.lower(), "started")
    dashboard.press("One", "log")
    expect(page.get_by_test_id("log-text")).to_contain_text("One 400")
    page.get_by_test_id("log-with").click()
    page.get_by_role("menuitem", name="Two").click()
    rows = page.get_by_test_id("log-together").locator(".row")
    expect(rows.last).to_contain_text("Two 400")
    page.get_by_test_id("log-together").evaluate("node => { node.scrollTop = 0; }")
    expect(rows.filter(has_text="One 400")).to_have_count(1)
    wait_until(lambda: rows.count() > 500, 10, "older lines come")
    with open(server.home / "instances/one/logs/output.log", "a") as file:
        file.write("printed now\n")
    expect(rows.last).to_contain_text("printed now")
    page.get_by_test_id("log-search").locator("visible=true").fill("ONE 7")
    expect(page.get_by_test_id("log-found").locator("visible=true")).to_have_text("11 of 11")
    expect(page.locator(".together .found")).to_have_text(re.compile("One 79$"))
    page.get_by_test_id("log-next").locator("visible=true").click()
    expect(page.locator(".together .found")).to_have_text(re.compile("One 7$"))
    expect(page.locator(".together .found")).to_be_in_viewport()
    expect(page.get_by_test_id("log-kept")).to_have_text("Here the logs begin.")
    page.get_by_role("button", name="Two ×").click()
    expect(page.get_by_test_id("log-text")).to_contain_text("printed now")
