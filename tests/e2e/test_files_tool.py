"""The files tool in a real Chromium, over a real folder."""

from __future__ import annotations

import base64

from playwright.sync_api import Locator, Page, expect

from tests.e2e.page import Dashboard
from tests.helpers.server import wait_until

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DROP = """(panel) => {
  const data = new DataTransfer();
  data.items.add(new File(["dropped"], "dropped.txt"));
  for (const type of ["dragover", "drop"]) {
    panel.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


def row(page: Page, name: str) -> Locator:
    return page.locator(f'tr[data-file="{name}"]')


def choose(page: Page, name: str, action: str) -> None:
    row(page, name).get_by_test_id("file-more").click()
    page.locator(f'[data-testid="menu"] [data-action="{action}"]').click()


def test_files_are_browsed_edited_brought_taken_renamed_and_deleted(dashboard: Dashboard) -> None:
    page, server = dashboard.page, dashboard.server
    server.create("Work", "Static")
    folder = server.home / "instances/work"
    (folder / "sub").mkdir()
    (folder / "sub" / "<i>odd.py").write_text("def one():\n    return 1\n")
    (folder / "sub" / "pixel.png").write_bytes(PIXEL)
    (folder / "away").symlink_to("/etc")
    dashboard.menu("Work", "files")
    expect(row(page, "away")).to_contain_text("→ /etc")
    expect(row(page, "away").get_by_test_id("file-open")).to_be_disabled()
    row(page, "sub").get_by_test_id("file-open").click()

    row(page, "pixel.png").get_by_test_id("file-open").click()
    expect(page.get_by_text("1 × 1 · 70 B")).to_be_visible()
    page.get_by_role("button", name="sub").click()
    page.locator('tr[data-file*="odd"]').get_by_test_id("file-open").click()
    page.get_by_test_id("file-text").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# mine\n")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("file-save")).to_be_disabled()
    assert (folder / "sub" / "<i>odd.py").read_text() == "def one():\n    return 1\n# mine\n"
    page.get_by_role("button", name="sub").click()

    page.get_by_test_id("file-input").set_input_files({"name": "new.txt", "mimeType": "text/plain", "buffer": b"one"})
    expect(row(page, "new.txt")).to_be_visible()
    page.get_by_test_id("file-input").set_input_files({"name": "new.txt", "mimeType": "text/plain", "buffer": b"two"})
    page.get_by_test_id("upload-replace").click()
    expect(page.get_by_test_id("uploads").locator("li")).to_have_count(0)
    assert (folder / "sub/new.txt").read_text() == "two"
    page.get_by_test_id("files").evaluate(DROP)
    expect(row(page, "dropped.txt")).to_be_visible()

    choose(page, "new.txt", "rename")
    page.get_by_test_id("file-name").fill("sub/newer.txt")
    page.keyboard.press("Enter")
    expect(row(page, "newer.txt")).to_be_visible()
    with page.expect_download() as download:
        choose(page, "newer.txt", "download")
    assert download.value.suggested_filename == "newer.txt" and download.value.path().read_text() == "two"
    page.get_by_test_id("file-new").click()
    page.locator('[data-action="folder"]').click()
    page.get_by_test_id("file-name").fill("made")
    page.keyboard.press("Enter")
    expect(row(page, "made")).to_be_visible()

    page.get_by_test_id("file-new").click()
    page.locator('[data-action="file"]').click()
    page.get_by_test_id("file-name").fill("notes.md")
    page.keyboard.press("Enter")
    row(page, "notes.md").get_by_test_id("file-open").click()
    page.get_by_test_id("file-text").click()
    page.keyboard.type("by hand")
    page.get_by_test_id("file-save").click()
    wait_until(lambda: (folder / "sub/notes.md").read_text() == "by hand")
    page.get_by_role("button", name="sub").click()
    with page.expect_download() as whole:
        page.get_by_test_id("file-download").click()
    assert whole.value.suggested_filename == "sub.zip"
    page.get_by_test_id("file-place").select_option("outputs")
    expect(row(page, "made")).to_have_count(0)
    page.get_by_test_id("file-place").select_option("instance")
    row(page, "sub").get_by_test_id("file-open").click()

    row(page, "newer.txt").get_by_test_id("file-open").focus()
    page.keyboard.press("Delete")
    expect(row(page, "newer.txt")).to_have_count(0)
    page.get_by_test_id("toast-action").click()
    expect(row(page, "newer.txt")).to_be_visible()
    wait_until(lambda: (folder / "sub/newer.txt").read_text() == "two")
    choose(page, "newer.txt", "delete")
    page.get_by_test_id("file-deleted").click()
    page.get_by_test_id("file-restore").click()
    expect(page.get_by_text("Nothing was deleted here.")).to_be_visible()
    page.get_by_test_id("close").click()
    expect(row(page, "newer.txt")).to_be_visible()
