"""Real apps behind the login: on every way to them in a browser, and for programs that carry no more than a token.

JupyterLab is installed by its stock blueprint once, for all that is to be seen of it. Gradio needs a Python
environment that holds it, named by AIKORE_TEST_GRADIO_ENV; for ComfyUI see tests/helpers/comfyui.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Error, Frame, Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.comfy_page import SMALL, ComfyPage, noise_png
from tests.e2e.page import Dashboard, log_in
from tests.helpers.access import bearer, invite, make_token, set_up
from tests.helpers.comfyui import REPO, make_comfyui
from tests.helpers.server import AiKoreServer, free_range, wait_until

GRADIO = os.environ.get("AIKORE_TEST_GRADIO_ENV")
GRADIO_APP = Path(__file__).parent.parent / "apps" / "gradio_app.py"
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "aikore"}},
}
SLOW = 90_000
"""Milliseconds that a heavy page may take on a small machine."""


@pytest.fixture
def house(aikore_factory: Callable[..., AiKoreServer]) -> AiKoreServer:
    """An AiKore with the owner ``anna`` and ports for apps, reached as people on its machine do: at localhost."""
    server = aikore_factory(auth="on", app_ports=free_range(2)).start()
    server.url = f"http://localhost:{server.port}"
    return server


@pytest.fixture
def page(browser: Browser) -> Page:
    """A page in which apps may throw what they like: ComfyUI's does, without harm."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(30_000)
    return page


class Programs:
    """Programs that carry tokens: one limited to an instance, and one of a viewer."""

    def __init__(self, server: AiKoreServer, owner: httpx.Client, slug: str) -> None:
        server.create("Another", "Static")
        viewer = invite(owner, server, "viewer", "vera")
        limited = make_token(owner, scope="operate", instance=slug)
        self.tokens = {"limited": limited["token"], "viewer": make_token(viewer, scope="read")["token"]}
        self.limited, self.viewer = (bearer(server, token) for token in self.tokens.values())
        assert self.limited.get("/app/another/").status_code == 403, "a token of one instance is good for that one"

    def socket(self, who: str, url: str) -> ClientConnection:
        """Open a WebSocket that shows a token by its header."""
        carried = {"Authorization": f"Bearer {self.tokens[who]}"}
        return connect(url.replace("http", "ws", 1), additional_headers=carried, max_size=None, proxy=None)

    def viewer_gets_nowhere(self, read: str, write: str, socket: str) -> None:
        for refused in (self.viewer.get(read), self.viewer.post(write, json={})):
            assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        with pytest.raises(InvalidStatus) as refusal:
            self.socket("viewer", socket)
        assert refusal.value.response.status_code == 403


def ways(dashboard: Dashboard, name: str, urls: dict[str, str]) -> Iterator[tuple[str, Frame]]:
    """Open an instance on every way that somebody who is logged in has to it, one after the other."""
    page = dashboard.page
    dashboard.press(name, "view")
    embedded = page.locator(dashboard.frame(name)).element_handle().content_frame()
    assert embedded is not None
    yield "embedded", embedded
    for way in ("New tab", "By port", "By host"):
        with page.expect_popup() as popup:
            page.get_by_role("link", name=way).click()
        yield way, popup.value.main_frame
        popup.value.close()
    if "localhost" not in dashboard.server.url:
        return
    page.context.clear_cookies(domain=re.compile(r".+\.localhost"))
    with page.expect_popup() as popup:  # as if typed in: nothing but the dashboard's address knows this browser
        page.evaluate("url => void window.open(url)", urls["host"])
    yield "typed in", popup.value.main_frame
    popup.value.close()


# JupyterLab -------------------------------------------------------------------------------------------------------


def run_cell(lab: Frame, word: str) -> None:
    """Make a notebook, run a cell in it and wait for what its kernel says."""
    launcher = lab.locator('.jp-LauncherCard[data-category="Notebook"]').filter(visible=True)
    notebook = lab.locator(".jp-NotebookPanel").filter(visible=True)
    expect(launcher.or_(notebook).first).to_be_visible(timeout=SLOW)
    if launcher.count() == 0:  # the notebook of another way is still open
        lab.locator(".lm-TabBar-addButton").filter(visible=True).first.click()
    launcher.first.click()
    cell = notebook.locator(".jp-Cell .cm-content").first
    cell.click(timeout=SLOW)
    lab.page.keyboard.type(f"print(6 * 7, '{word}')")
    output = notebook.locator(".jp-OutputArea-output").first

    def run() -> bool:  # JupyterLab forgets what is run before its kernel has answered for the first time
        cell.press("Control+Enter")
        with suppress(Error):
            output.wait_for(timeout=3000)
        return output.is_visible()

    wait_until(run, 60)
    expect(output).to_contain_text(f"42 {word}")


@pytest.mark.soak  # downloaded and installed; test_access.py has the short form
@pytest.mark.timeout(600)
def test_a_jupyterlab_made_from_the_page_runs_a_cell_on_every_way_to_it(page: Page, house: AiKoreServer) -> None:
    owner = set_up(house)
    dashboard = log_in(page, house)
    dashboard.create("My Notebook", "JupyterLab")
    dashboard.wait_status("My Notebook", "started", seconds=360)
    urls = house.get("my-notebook")["urls"]
    seen = {}
    for way, lab in ways(dashboard, "My Notebook", urls):
        run_cell(lab, way)
        seen[way] = lab.url.partition("/app/my-notebook/lab")[0]
    port, host = (urls[kind].rstrip("/").replace("127.0.0.1", "localhost") for kind in ("port", "host"))
    assert seen == {"embedded": house.url, "New tab": house.url, "By port": port, "By host": host, "typed in": host}
    _programs_use_jupyter(house, owner, port)


def _programs_use_jupyter(house: AiKoreServer, owner: httpx.Client, port: str) -> None:
    programs = Programs(house, owner, "my-notebook")
    for door in (house.url, port):
        api = f"{door}/app/my-notebook/api"
        programs.limited.get(f"{door}/app/my-notebook/lab").raise_for_status()  # brings Jupyter's own cookie
        xsrf = {"X-XSRFToken": next(one.value or "" for one in programs.limited.cookies.jar if one.name == "_xsrf")}
        kernel = programs.limited.post(f"{api}/kernels", json={}, headers=xsrf).raise_for_status().json()["id"]
        channels = f"{api}/kernels/{kernel}/channels"
        with programs.socket("limited", channels) as socket:
            assert json.loads(socket.recv(60))["msg_type"] == "status"
        programs.viewer_gets_nowhere(f"{api}/contents", f"{api}/kernels", channels)


# Gradio -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not GRADIO, reason="AIKORE_TEST_GRADIO_ENV names no environment with Gradio")
def test_a_gradio_app_answers_in_parts_on_every_way_to_it(page: Page, house: AiKoreServer) -> None:
    owner = set_up(house)
    script = f'export GRADIO_ROOT_PATH="${{SUBFOLDER%/}}" GRADIO_ANALYTICS_ENABLED=False\nexec "{GRADIO}/bin/python"'
    house.blueprint("gradio", f'{script} "{GRADIO_APP}"', ready={"path": "/config", "timeout": 120})
    house.create("Gradio", "gradio")
    house.post("gradio", "start")
    house.wait_status("gradio", "started", seconds=120)
    fifo, urls = house.home / "instances/gradio/go", house.get("gradio")["urls"]
    for way, app in ways(log_in(page, house), "Gradio", urls):
        app.get_by_label("Say").fill(way, timeout=SLOW)
        app.get_by_role("button", name="Submit").click()
        expect(app.get_by_label("Heard")).to_have_value(f"{way} is being heard")
        fifo.write_text("go")
        expect(app.get_by_label("Heard")).to_have_value(f"{way} from Gradio")

    programs = Programs(house, owner, "gradio")
    for door in (f"{house.url}/app/gradio/", urls["port"]):
        call = f"{door}gradio_api/call/echo"
        event = programs.limited.post(call, json={"data": ["a program"]}).raise_for_status().json()["event_id"]
        with programs.limited.stream("GET", f"{call}/{event}") as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if "data:" in line) == 'data: ["a program is being heard"]'
            fifo.write_text("go")
            assert 'data: ["a program from Gradio"]' in list(lines)
        programs.viewer_gets_nowhere(f"{door}config", call, f"{door}ws")


# ComfyUI ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REPO, reason="AIKORE_TEST_COMFYUI_REPO names no ComfyUI")
@pytest.mark.timeout(600)
def test_a_comfyui_runs_a_graph_on_every_way_to_it(page: Page, house: AiKoreServer, tmp_path: Path) -> None:
    owner = set_up(house)
    house.url = f"http://127.0.0.1:{house.port}"  # faster than localhost: see READY in comfy_page.py
    make_comfyui(house)
    house.post("comfy", "start")
    house.wait_status("comfy", "started", seconds=300)
    noise_png(house.home / "instances/comfy/input" / SMALL, 16)
    house.http.post("/api/instances/comfy/activate").raise_for_status()
    # The tour of templates opens once per user, over whatever is being clicked.
    house.http.post("/app/comfy/api/settings/Comfy.TutorialCompleted", json=True).raise_for_status()
    dashboard, urls = log_in(page, house), house.get("comfy")["urls"]
    for way, app in ways(dashboard, "Comfy", urls):
        comfy = ComfyPage.within(app)
        comfy.run_graph(tmp_path, "/app/comfy/" if way == "New tab" else "/")
        assert comfy.refused == [], way
    page.goto(f"{house.url}/comfyui/")
    ComfyPage.within(page.main_frame).run_graph(tmp_path, "/comfyui/")

    programs = Programs(house, owner, "comfy")
    for door in (house.url, f"{house.url}/app/comfy", urls["port"].rstrip("/")):
        with programs.socket("limited", f"{door}/ws?clientId=program") as socket:
            image = _run(programs.limited, door, socket)
        assert programs.limited.get(f"{door}/view", params=image).content.startswith(b"\x89PNG")
        programs.viewer_gets_nowhere(f"{door}/system_stats", f"{door}/prompt", f"{door}/ws")


def _run(client: httpx.Client, door: str, socket: ClientConnection) -> dict[str, Any]:
    """Run a graph as a program does; return what names its image."""
    GRAPH["1"]["inputs"]["color"] += 1  # type: ignore[index,operator]
    wanted = {"prompt": GRAPH, "client_id": "program"}
    prompt = client.post(f"{door}/prompt", json=wanted).raise_for_status().json()["prompt_id"]
    while (
        json.loads(message if isinstance(message := socket.recv(60), str) else "{}").get("type") != "execution_success"
    ):
        pass
    return dict(client.get(f"{door}/history/{prompt}").json()[prompt]["outputs"]["2"]["images"][0])
