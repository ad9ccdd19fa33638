"""A real ComfyUI used by its own page, in a real Chromium, through NGINX: see tests/helpers/comfyui.py."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.comfy_page import SMALL, ComfyPage, graph_file, noise_png
from tests.helpers.comfyui import REPO, make_comfyui
from tests.helpers.server import AiKoreServer

pytestmark = [
    pytest.mark.skipif(not REPO, reason="AIKORE_TEST_COMFYUI_REPO names no ComfyUI"),
    pytest.mark.timeout(300),
]

NAME, RENAMED = "Mein Bärenbild", "Umbenannt ö & 50%"
FIRST_START = 1500


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AiKoreServer]:
    server = AiKoreServer(tmp_path_factory.mktemp("comfy") / "home")
    try:
        server.start()
        make_comfyui(server)
        server.post("comfy", "start")
        server.wait_status("comfy", "started", seconds=FIRST_START)
        noise_png(server.home / "instances/comfy/input" / SMALL, 16)
        # The tour of templates opens once per user, over whatever is being clicked.
        server.http.post("/app/comfy/api/settings/Comfy.TutorialCompleted", json=True).raise_for_status()
        yield server
    finally:
        server.clean_up()


@pytest.fixture(scope="module", params=["/app/comfy/", "/comfyui/"])
def path(request: pytest.FixtureRequest, comfy: AiKoreServer) -> str:
    """Where the page is opened; all tests of the first come before the instance takes the active slot."""
    if request.param == "/comfyui/":
        comfy.http.post("/api/instances/comfy/activate").raise_for_status()
    return str(request.param)


@pytest.fixture
def comfy_page(path: str, browser: Browser, comfy: AiKoreServer) -> Iterator[ComfyPage]:
    page = ComfyPage.open(browser, comfy.url + path)
    yield page
    assert page.refused == []


def test_a_workflow_is_saved_reopened_renamed_and_deleted_by_its_own_menus(
    comfy_page: ComfyPage, path: str, browser: Browser, comfy: AiKoreServer, tmp_path: Path
) -> None:
    stored = comfy.home / "instances/comfy/user/default/workflows"
    comfy_page.load(graph_file(tmp_path))
    comfy_page.save_as(NAME)
    expect(comfy_page.tab(NAME)).to_be_visible()
    assert json.loads((stored / f"{NAME}.json").read_text())["nodes"][0]["type"] == "EmptyImage"
    comfy_page.page.reload()
    comfy_page.wait_ready()
    expect(comfy_page.tab(NAME)).to_be_visible()
    comfy_page.page.close()

    other = ComfyPage.open(browser, comfy.url + path)  # has nothing of the first one's memory
    other.open_sidebar("workflows")
    other.entry(NAME).click()
    expect(other.tab(NAME)).to_be_visible()
    other.page.wait_for_function("app.graph.nodes.map((node) => node.type).join() === 'EmptyImage,SaveImage,LoadImage'")
    other.choose(NAME, "Rename")
    other.page.keyboard.press("Control+a")
    other.page.keyboard.type(f"{RENAMED}.json")
    other.page.keyboard.press("Enter")
    expect(other.tab(RENAMED)).to_be_visible()
    expect(other.entry(NAME)).to_have_count(0)
    assert [file.name for file in stored.iterdir()] == [f"{RENAMED}.json"]
    other.choose(RENAMED, "Delete")
    other.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(other.entry(RENAMED)).to_have_count(0)
    assert list(stored.iterdir()) == []
    assert other.refused == []


def test_twelve_megabytes_are_chosen_in_a_node(comfy_page: ComfyPage, comfy: AiKoreServer, tmp_path: Path) -> None:
    big = noise_png(tmp_path / f"großes Bild {secrets.token_hex(3)}.png", 2048)
    assert big.stat().st_size > 12 * 2**20
    comfy_page.load(graph_file(tmp_path))
    with comfy_page.page.expect_file_chooser() as chooser:
        comfy_page.press_widget(3, "button")
    chooser.value.set_files(big)
    comfy_page.wait_image(3, 2048)
    assert (comfy.home / "instances/comfy/input" / big.name).read_bytes() == big.read_bytes()


def test_a_graph_is_run_and_shows_its_progress_and_its_image(comfy_page: ComfyPage, path: str, tmp_path: Path) -> None:
    comfy_page.run_graph(tmp_path, path)
    assert {"execution_start", "progress_state", "executing", "executed", "execution_success"} <= {*comfy_page.messages}
