"""ComfyUI's own page as a person uses it, for tests in a real Chromium."""

from __future__ import annotations

import json
import os
import re
import secrets
import struct
import zlib
from pathlib import Path

from playwright.sync_api import Browser, Frame, Locator, Page, Response, WebSocket, expect

SMALL = "small.png"
READY = 180_000
"""Milliseconds. From a host called localhost Chromium may take a minute for the 470 files, from ComfyUI itself too."""


class ComfyPage:
    """One open ComfyUI page; remembers what it asked for and what it was told."""

    def __init__(self, page: Page) -> None:
        self.refused: list[str] = []
        self.messages: list[str] = []
        self.page = page
        self.frame = page.main_frame
        page.set_default_timeout(60_000)
        page.on("response", self._look_at)
        page.on("websocket", self._listen)

    @classmethod
    def open(cls, browser: Browser, url: str) -> ComfyPage:
        opened = cls(browser.new_page(viewport={"width": 1440, "height": 900}))
        opened.page.goto(url)
        opened.wait_ready()
        return opened

    @classmethod
    def within(cls, frame: Frame) -> ComfyPage:
        """Return ComfyUI where it is open already, embedded too."""
        found = cls(frame.page)
        found.frame = frame
        found.wait_ready()
        return found

    def _look_at(self, response: Response) -> None:
        not_yet_made = "/userdata" in response.url or response.url.endswith("/user.css")  # by a new user
        if response.status >= 400 and not (response.status == 404 and not_yet_made):
            self.refused.append(f"{response.status} {response.url}")

    def _listen(self, socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda data: isinstance(data, str) and self.messages.append(json.loads(data)["type"])
        )

    def wait_ready(self) -> None:
        self.frame.wait_for_function("window.app?.vueAppReady && app.graph?.nodes.length > 0", timeout=READY)

    def load(self, file: Path) -> None:
        """Open a graph from a file, as by the menu's Open."""
        self.frame.locator("#comfy-file-input").set_input_files(file)
        expect(self.tab(file.stem)).to_be_visible()

    def tab(self, name: str) -> Locator:
        return self.frame.locator(".workflow-tabs").get_by_text(name, exact=True).filter(visible=True)

    def entry(self, name: str) -> Locator:
        return self.frame.get_by_role("treeitem", name=f"{name}.json", exact=True)

    def open_sidebar(self, name: str) -> None:
        button = self.frame.locator(f"button.{name}-tab-button")
        if "side-bar-button-selected" not in (button.get_attribute("class") or ""):
            button.click()

    def save_as(self, name: str) -> None:
        self.page.keyboard.press("Control+s")
        dialog = self.frame.get_by_role("dialog", name="Save workflow")
        dialog.get_by_role("textbox").fill(name)
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog).to_have_count(0)

    def choose(self, name: str, action: str) -> None:
        """Press ``action`` in a saved workflow's context menu."""
        self.entry(name).get_by_text(f"{name}.json").click(button="right")
        self.frame.get_by_role("menuitem", name=action, exact=True).click()

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
        self.frame.wait_for_function(
            "([id, width]) => app.graph.getNodeById(id).imgs?.[0]?.naturalWidth === width", arg=[node, width]
        )

    def run_graph(self, folder: Path, path: str) -> None:
        """Run a graph of which nothing is cached; see its progress and its image, served below ``path``."""
        self.load(graph_file(folder))
        self.frame.evaluate(
            """() => {
                window.titles = []
                const title = document.querySelector("title")
                new MutationObserver(() => titles.push(document.title)).observe(title, { childList: true })
            }"""
        )
        self.frame.get_by_test_id("queue-button").click()
        self.wait_image(2, 512)
        self.open_sidebar("queue")
        image = self.frame.locator("img.task-output-image").first
        expect(image).to_be_visible()
        expect(image).to_have_attribute("src", re.compile(rf"^{path}api/view\?filename=B%C3%A4r_\d+_"))
        titles = self.frame.evaluate("titles")
        assert any(re.match(r"\[\d+%\]", title) for title in titles), "the page's title counts"


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
