"""What a blueprint warns of stands on the row and leads to its place in the log."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.page import Dashboard


def test_a_warning_on_the_row_opens_the_log_at_its_line(dashboard: Dashboard) -> None:
    page, server = dashboard.page, dashboard.server
    script = 'seq 3000\necho "IMPORT FAILED: /nodes/first"\nseq 3000\nexec sleep 600\n'
    server.blueprint("says", script, ready="process", warn=["IMPORT FAILED"])
    server.create("Painter", "says")
    server.create("Quiet", "says")
    expect(dashboard.row("Painter").get_by_test_id("warnings")).to_be_hidden()
    server.start_and_wait("painter")
    chip = dashboard.row("Painter").get_by_test_id("warnings")
    expect(chip).to_have_text("⚠ 1")
    expect(chip).to_have_attribute("title", re.compile("IMPORT FAILED: /nodes/first"))
    expect(dashboard.row("Quiet").get_by_test_id("warnings")).to_be_hidden()
    line = page.get_by_test_id("log-text").get_by_text("IMPORT FAILED: /nodes/first")
    chip.click()
    expect(line).to_be_in_viewport()
    expect(page.locator(".row.here")).to_have_text("IMPORT FAILED: /nodes/first")
    page.get_by_test_id("log-follow").click()
    expect(line).not_to_be_in_viewport()
    chip.click()
    expect(line).to_be_in_viewport()
