"""axe-core (WCAG 2.2 A and AA, and good practice) finds nothing on the main states of the dashboard, dark and light."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page import Dashboard
from tests.helpers.server import AiKoreServer

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN = """options => axe.run(document, {resultTypes: ['violations'], iframes: false, ...options})
    .then(found => found.violations.flatMap(
        rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`)))"""
MOVED = """() => Promise.all(document.getAnimations()
    .filter(one => one.effect.getTiming().iterations === 1).map(one => one.finished))"""
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
THEMES: dict[Literal["dark", "light"], dict[str, object]] = {"dark": {}, "light": COLOURS}
"""All rules in one theme; in the other, which differs by its colours alone, those about colours."""


def violations(page: Page) -> list[str]:
    """Return what axe objects to on the page as it now is, in either theme."""
    found: list[str] = []
    for theme, options in THEMES.items():
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.evaluate(MOVED)
        found += [f"{theme}: {problem}" for problem in page.evaluate(RUN, options)]
    return found


@pytest.mark.skipif(not AXE.exists() and shutil.which("npm") is None, reason="axe-core comes by npm, which is missing")
def test_axe_finds_nothing_in_either_theme(page: Page, aikore: AiKoreServer) -> None:
    aikore.blueprint("broken", "echo no; exit 3")
    for name, blueprint in (("Files", "Static"), ("Logs", "99-test-logs"), ("Broken", "broken"), ("Resting", "Static")):
        aikore.create(name, blueprint, gpu_ids=[])
    for slug in ("files", "logs", "broken"):
        aikore.post(slug, "start")
    dashboard = Dashboard(page, aikore)
    page.evaluate(AXE.read_text())
    for name, status in (("Files", "started"), ("Logs", "started"), ("Broken", "error")):
        dashboard.wait_status(name, status)
    found = {"table": violations(page)}

    page.get_by_test_id("grouping").select_option("status")
    dashboard.row("Files").get_by_test_id("choose").check()
    dashboard.press("Logs", "log")
    expect(page.get_by_test_id("log-text")).to_contain_text("tick 1\n")
    dashboard.press("Files", "view")
    page.get_by_test_id("move-0").click()
    page.get_by_test_id("fold").click()
    found["tools"] = violations(page)
    for kind, drawn in (("terminal", ".xterm-screen"), ("script", ".cm-content"), ("files", "tr[data-file]")):
        dashboard.menu("Files", kind)
        page.locator(drawn).first.wait_for()
        found[kind] = violations(page)

    page.keyboard.press("Control+k")
    page.get_by_test_id("palette-field").fill("log")
    found["palette"] = violations(page)
    page.keyboard.press("Escape")

    dashboard.menu("Files", "edit")
    page.get_by_test_id("name").fill("Logs")
    page.get_by_test_id("save").click()
    page.get_by_test_id("env-add").click()
    found["form"] = violations(page)
    page.keyboard.press("Escape")

    dashboard.menu("Resting", "delete")
    expect(page.get_by_test_id("toast")).to_be_visible()
    page.get_by_test_id("show-trash").click()
    found["trash"] = violations(page)
    page.keyboard.press("Escape")
    dashboard.press("Files", "more")
    found["menu"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    found["keys"] = violations(page)
    page.keyboard.press("Escape")

    page.set_viewport_size({"width": 390, "height": 844})
    for pane in ("Instances", "Tools", "Load"):
        page.get_by_role("button", name=pane, exact=True).click()
        found[f"phone {pane}"] = violations(page)
    problems = [f"{state}: {problem}" for state, here in found.items() for problem in here]
    assert not problems, "\n".join(problems)
