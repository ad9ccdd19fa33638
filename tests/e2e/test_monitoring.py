"""The load in the dashboard: one line, charts that are full when they open, figures in the table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page import Dashboard
from tests.helpers.gpus import GIB, LOST, StandInGpus
from tests.helpers.server import HTTP_APP, AiKoreServer, wait_until


@pytest.fixture
def gpus(tmp_path: Path) -> StandInGpus:
    return StandInGpus(tmp_path, 2)


@pytest.fixture
def server(aikore_factory: Callable[..., AiKoreServer], gpus: StandInGpus) -> AiKoreServer:
    server = aikore_factory(sample_interval=0.2, sample_idle_interval=0.2)
    server.variables |= gpus.variables
    return server.start()


def readouts(page: Page) -> list[str]:
    return page.locator(".chart .readout").all_inner_texts()


def test_the_load_shows_who_uses_which_gpu_and_its_past_at_once(
    page: Page, server: AiKoreServer, gpus: StandInGpus
) -> None:
    server.blueprint("web", HTTP_APP)
    server.create("Painter", "web", gpu_ids=["0"])
    server.start_and_wait("painter")
    gpus.processes(0, (server.get("painter")["pid"], 6 * GIB, 70))
    gpus.set(0, memory_used=7 * GIB)
    series = f"instance.{server.get('painter')['id']}.gpu.0.memory"
    wait_until(
        lambda: sum(
            value is not None
            for value in server.http.get("/api/system/history", params={"series": series}).json()["series"][series]
        )
    )
    dashboard = Dashboard(page, server)
    summary = page.get_by_test_id("load-summary")
    expect(summary).to_contain_text(re.compile(r"CPU\s*\d+ %.*GPU 0\s*10 %.*VRAM 0\s*7\.5 GB.*GPU 1"))
    expect(dashboard.row("Painter").locator('[data-figure="gpu"]')).to_have_text("6.4 GB")
    expect(dashboard.row("Painter").locator('[data-figure="memory"]')).to_have_text(re.compile(r"[\d.]+ MB"))

    page.get_by_test_id("fold").click()
    card = page.locator('[data-gpu="0"]')
    expect(card).to_contain_text("GPU 0 · Stand-In 0")
    expect(card).to_contain_text("40 °C · 50 W of 350 W · fan 30 % · 1500 MHz")
    expect(card).to_contain_text("Painter 6.4 GB · other 1.1 GB")
    expect(page.locator(".chart canvas")).to_have_count(10)

    now = readouts(page)
    plot = page.locator(".chart .u-over").first
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    wait_until(lambda: sum(a != b for a, b in zip(now, readouts(page), strict=True)) >= 3, what="all charts follow")
    page.get_by_test_id("range").select_option("7d")
    expect(page.locator(".chart canvas")).to_have_count(10)

    gpus.set(1, **dict.fromkeys(("memory_used", "utilization", "temperature"), f"!{LOST}"), uuid=None)
    expect(page.locator('[data-gpu="1"]')).to_contain_text("does not answer")
    expect(card).not_to_contain_text("does not answer")
    page.reload()
    expect(page.get_by_test_id("range")).to_have_value("7d")


def test_without_gpus_the_load_says_so_and_a_hidden_page_watches_nothing(dashboard: Dashboard) -> None:
    page = dashboard.page
    page.get_by_test_id("fold").click()
    expect(page.get_by_test_id("gpu-note")).to_have_text("No GPU here: programs run on the processor.")
    expect(page.locator(".chart canvas")).to_have_count(4)


def test_a_chosen_gpu_has_its_name_in_the_table_and_is_marked_when_it_is_gone(
    page: Page, server: AiKoreServer, gpus: StandInGpus
) -> None:
    server.blueprint("web", HTTP_APP)
    server.create("Painter", "web", gpu_ids=["1"])
    dashboard = Dashboard(page, server)
    chip = dashboard.row("Painter").locator("[data-pin]")
    expect(chip).to_have_text("1 · Stand-In 1")
    gpus.take_away(0)
    expect(chip).to_have_text("0 · Stand-In 1", timeout=30_000)
    summary = page.get_by_test_id("load-summary")
    expect(summary).to_contain_text(re.compile("Stand-In 0lost.*GPU 011 %VRAM 0"))
    gpus.take_away(1)
    expect(chip).to_have_attribute("data-pin", "gone", timeout=60_000)
    expect(chip).to_have_text("Stand-In 1 gone")
    expect(chip).to_have_attribute("title", re.compile("Stand-In 1 .*is not there"))
    seen = [(chip, dashboard.row("Painter").get_by_test_id("gpu-gone"))]
    for width, (there, away) in ((1900, seen[0]), (390, seen[0][::-1])):
        page.set_viewport_size({"width": width, "height": 800})
        expect(there).to_be_visible()
        expect(away).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 800})
    dashboard.press("Painter", "toggle")
    expect(page.get_by_test_id("toast").filter(has_text="is not there")).to_contain_text("once GPU 0")

    dashboard.menu("Painter", "details")
    expect(page.get_by_test_id("settings")).to_contain_text("Stand-In 1 (gone)")
    page.get_by_test_id("details-edit").click()
    expect(page.get_by_test_id("gpu-mode")).to_have_value("some")
    expect(page.get_by_text("Stand-In 1 · not there now")).to_be_visible()
    expect(page.get_by_test_id("changes")).not_to_contain_text("GPUs")
    page.get_by_test_id("gpu-mode").select_option("cpu")
    page.get_by_test_id("save").click()
    expect(page.get_by_test_id("settings")).to_contain_text("CPU only")
    assert server.get("painter")["gpu_ids"] == []
