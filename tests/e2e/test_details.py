"""What the dashboard tells about an instance, and what it tells without being asked."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.page import Dashboard

OUT_OF_MEMORY = "echo loading; sleep 1; echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1"


def test_a_failed_instance_says_why_and_what_to_do_in_its_row_details_and_address(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    server.blueprint("hungry", OUT_OF_MEMORY)
    server.create("Painter", "hungry", environment={"HF_HOME": "/data/<b>hf</b>"}, launch_args="--lowvram")
    server.post("painter", "start")
    dashboard.wait_status("Painter", "error")
    expect(dashboard.row("Painter")).to_contain_text("The GPU's memory ran out")
    dashboard.menu("Painter", "details")
    failure = page.get_by_test_id("failure")
    expect(failure).to_contain_text("Stop other instances on this GPU")
    expect(failure.locator("pre")).to_contain_text("torch.OutOfMemoryError: CUDA out of memory.")
    settings = page.get_by_test_id("settings")
    expect(settings).to_contain_text("HF_HOME/data/<b>hf</b>")
    expect(settings).to_contain_text("--lowvram")
    runs = page.get_by_test_id("runs")
    expect(runs).to_contain_text("Run 1 failed: exit code 1")
    dashboard.press("Painter", "view")
    expect(page.frame_locator(dashboard.frame("Painter")).locator("#failure")).to_contain_text(
        re.compile("The GPU's memory ran out.*Stop other instances")
    )


def test_details_follow_a_running_instance_and_go_on_after_the_server_was_replaced(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    server.create("Site", "Static")
    server.start_and_wait("site")
    dashboard.menu("Site", "details")
    usage = page.get_by_test_id("usage")
    expect(usage).to_contain_text(re.compile(r"CPU\d+ % of one coreMemory[\d.]+ MB"))
    expect(page.locator(".details canvas")).to_have_count(2)
    expect(page.get_by_test_id("runs")).to_contain_text("Run 1 runs")
    server.kill()
    expect(page.get_by_test_id("connection")).to_contain_text("Connection lost")
    server.start()
    expect(page.get_by_test_id("connection")).to_be_empty()
    expect(usage).to_contain_text("of one core")
    dashboard.press("Site", "toggle")
    expect(usage).to_contain_text("It does not run.")
    expect(page.get_by_test_id("runs")).to_contain_text("Run 1 stopped")
    expect(page.get_by_test_id("failure")).to_be_hidden()


def test_notices_are_listed_and_new_ones_are_marked_until_they_are_read(dashboard: Dashboard) -> None:
    server, page = dashboard.server, dashboard.page
    server.settings["notice_disk_percent"] = 0.001
    server.stop()
    server.start()
    bell = page.get_by_test_id("notices")
    expect(bell).to_have_attribute("aria-label", re.compile(r"Notices, \d new"))
    bell.click()
    expect(page.get_by_test_id("notices-list")).to_contain_text(re.compile("The disk of the data folder is .* full"))
    page.get_by_test_id("close").click()
    expect(bell).to_have_attribute("aria-label", "Notices")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-role", "owner")
    expect(bell).to_have_attribute("aria-label", "Notices")
