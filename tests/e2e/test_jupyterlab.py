"""The main job on a real WebUI: JupyterLab made from the page, and a notebook cell that runs through NGINX."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.page import Dashboard


@pytest.mark.timeout(420)
def test_a_notebook_cell_runs_in_a_jupyterlab_made_from_the_page(dashboard: Dashboard) -> None:
    dashboard.create("My Notebook", "JupyterLab")
    dashboard.wait_status("My Notebook", "started", seconds=360)
    page = dashboard.page
    page.goto(f"{dashboard.server.url}/app/my-notebook/lab")
    page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click(timeout=60_000)
    cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    cell.click(timeout=60_000)
    page.keyboard.type("print(6 * 7, 'from the kernel')")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("42 from the kernel", timeout=60_000)
