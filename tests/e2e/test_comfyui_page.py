"""A real ComfyUI used by its own page, in a real Chromium, through NGINX: see tests/helpers/comfyui.py."""

from __future__ import annotations

import json
import os
import re
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Response, WebSocket, expect

from tests.helpers.comfyui import REPO, make_comfyui
from tests.helpers.server import AiKoreServer

pytestmark = [
    pytest.mark.skipif(not REPO, reason="AIKORE_TEST_COMFYUI_REPO names no ComfyUI"),
    pytest.mark.timeout(300),
]

NAME, RENAMED = "Mein Bärenbild", "Umbenannt ö & 50%"
SMALL = "small.png"
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


class ComfyPage:
    """One open ComfyUI page; remembers what it asked for and what it was told."""

    def __init__(self, browser: Browser, server: AiKoreServer, path: str) -> None:
        self.url = server.url + path
        self.refused: list[str] = []
        self.messages: list[str] = []
        self.page = browser.new_page(viewport={"width": 1440, "height": 900})
        self.page.set_default_timeout(60_000)
        self.page.on("response", self._look_at)
        self.page.on("websocket", self._listen)
        self.page.goto(self.url)
        self.wait_ready()

    def _look_at(self, response: Response) -> None:
        not_yet_made = "/userdata" in response.url or response.url.endswith("/user.css")  # by a new user
        if response.status >= 400 and not (response.status == 404 and not_yet_made):
            self.refused.append(f"{response.status} {response.url}")

    def _listen(self, socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda data: isinstance(data, str) and self.messages.append(json.loads(data)["type"])
        )

    def wait_ready(self) -> None:
        self.page.wait_for_function("window.app?.vueAppReady && app.graph?.nodes.length > 0")

    def load(self, file: Path) -> None:
        """Open a graph from a file, as by the menu's Open."""
        self.page.locator("#comfy-file-input").set_input_files(file)
        expect(self.tab(file.stem)).to_be_visible()

    def tab(self, name: str) -> Locator:
        return self.page.locator(".workflow-tabs").get_by_text(name, exact=True).filter(visible=True)

    def entry(self, name: str) -> Locator:
        return self.page.get_by_role("treeitem", name=f"{name}.json", exact=True)

    def open_sidebar(self, name: str) -> None:
        button = self.page.locator(f"button.{name}-tab-button")
        if "side-bar-button-selected" not in (button.get_attribute("class") or ""):
            button.click()

    def save_as(self, name: str) -> None:
        self.page.keyboard.press("Control+s")
        dialog = self.page.get_by_role("dialog", name="Save workflow")
        dialog.get_by_role("textbox").fill(name)
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog).to_have_count(0)

    def choose(self, name: str, action: str) -> None:
        """Press ``action`` in a saved workflow's context menu."""
        self.entry(name).get_by_text(f"{name}.json").click(button="right")
        self.page.get_by_role("menuitem", name=action, exact=True).click()

    def press_widget(self, node: int, kind: str) -> None:
        """Click a node's widget where the canvas draws it."""
        x, y = self.page.evaluate(
            """([id, kind]) => {
                const node = app.graph.getNodeById(id), box = app.canvas.canvas.getBoundingClientRect()
                const y = node.widgets.find((widget) => widget.type === kind).last_y + 10
                const at = app.canvas.ds.convertOffsetToCanvas([node.pos[0] + node.size[0] / 2, node.pos[1] + y])
                return [box.left + at[0], box.top + at[1]]
            }""",
            [node, kind],
        )
        self.page.mouse.click(x, y)

    def wait_image(self, node: int, width: int) -> None:
        """Wait until a node shows an image of that width."""
        self.page.wait_for_function(
            "([id, width]) => app.graph.getNodeById(id).imgs?.[0]?.naturalWidth === width", arg=[node, width]
        )


@pytest.fixture(scope="module", params=["/app/comfy/", "/comfyui/"])
def path(request: pytest.FixtureRequest, comfy: AiKoreServer) -> str:
    """Where the page is opened; all tests of the first come before the instance takes the active slot."""
    if request.param == "/comfyui/":
        comfy.http.post("/api/instances/comfy/activate").raise_for_status()
    return str(request.param)


@pytest.fixture
def comfy_page(path: str, browser: Browser, comfy: AiKoreServer) -> Iterator[ComfyPage]:
    page = ComfyPage(browser, comfy, path)
    yield page
    assert page.refused == []


def graph_file(folder: Path) -> Path:
    """An image of a new colour that is saved, so that nothing of it is cached, and a node to choose an image in."""
    image = {"name": "IMAGE", "type": "IMAGE"}
    nodes = [
        {"id": 1, "type": "EmptyImage", "pos": [100, 130], "size": [300, 130], "outputs": [{**image, "links": [1]}]},
        {"id": 2, "type": "SaveImage", "pos": [460, 130], "size": [320, 320], "inputs": [{**image, "link": 1}]},
        {"id": 3, "type": "LoadImage", "pos": [100, 330], "size": [300, 320], "outputs": [image]},
    ]
    for order, node in enumerate(nodes):
        node |= {"order": order, "mode": 0, "flags": {}, "properties": {}}
    nodes[0]["widgets_values"] = [512, 512, 1, secrets.randbelow(2**24)]
    nodes[2]["widgets_values"] = [SMALL, "image"]
    nodes[1]["inputs"][0]["name"] = "images"
    nodes[1]["widgets_values"] = ["Bär"]
    links = [[1, 1, 0, 2, 0, "IMAGE"]]
    graph = {"last_node_id": 3, "last_link_id": 1, "nodes": nodes, "links": links, "groups": [], "version": 0.4}
    file = folder / "a graph.json"
    file.write_text(json.dumps(graph))
    return file


def noise_png(file: Path, side: int) -> Path:
    """Write an image that does not get smaller: three bytes for every dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + os.urandom(3 * side) for _ in range(side))
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 0)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return file


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

    other = ComfyPage(browser, comfy, path)  # has nothing of the first one's memory
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
    comfy_page.load(graph_file(tmp_path))
    page = comfy_page.page
    page.evaluate(
        """() => {
            window.titles = []
            const title = document.querySelector("title")
            new MutationObserver(() => titles.push(document.title)).observe(title, { childList: true })
        }"""
    )
    page.get_by_test_id("queue-button").click()
    comfy_page.wait_image(2, 512)
    comfy_page.open_sidebar("queue")
    image = page.locator("img.task-output-image").first
    expect(image).to_be_visible()
    expect(image).to_have_attribute("src", re.compile(rf"^{path}api/view\?filename=B%C3%A4r_\d+_"))
    assert {"execution_start", "progress_state", "executing", "executed", "execution_success"} <= {*comfy_page.messages}
    assert any(re.match(r"\[\d+%\]", title) for title in page.evaluate("titles")), "the page's title counts"
