"""ComfyUI's protocol through every door: under its path, at /comfyui/, and for clients that know only host and port.

Runs on a stand-in that speaks the protocol, or on the real one: see tests/helpers/comfyui.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.sync.client import connect

from tests.helpers.comfyui import REPO, make_comfyui
from tests.helpers.server import AiKoreServer, free_ports

FAKE = Path(__file__).parent.parent / "apps" / "fake_comfyui.py"
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "aikore"}},
}
WORKFLOW = "workflows/Mein Bärenbild.json"


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AiKoreServer]:
    server = AiKoreServer(tmp_path_factory.mktemp("comfy") / "home", app_ports=f"{free_ports(1)[0]}")
    try:
        server.start()
        make_comfyui(server) if REPO else _make_stand_in(server)
        server.post("comfy", "start")
        server.wait_status("comfy", "started", seconds=300)
        server.http.post("/api/instances/comfy/activate").raise_for_status()
        yield server
    finally:
        server.clean_up()


def _make_stand_in(server: AiKoreServer) -> None:
    script = f'exec "{sys.executable}" "{FAKE}" --port "$WEBUI_PORT"'
    server.blueprint("stand-in", script, provides=["comfyui"], ready={"path": "/system_stats"}, stop_signal="SIGINT")
    server.create("Comfy", "stand-in")


DOORS: dict[str, Callable[[AiKoreServer], str]] = {
    "path": lambda server: f"{server.url}/app/comfy",
    "comfyui": lambda server: f"{server.url}/comfyui",
    "host and port only": lambda server: server.url,
    "own port": lambda server: server.get("comfy")["urls"]["port"].rstrip("/"),
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, comfy: AiKoreServer) -> str:
    return DOORS[request.param](comfy)


def test_a_graph_runs_and_shows_its_progress(comfy: AiKoreServer, door: str) -> None:
    ws = door.replace("http://", "ws://", 1) + "/ws?clientId=tester"
    with connect(ws, max_size=None, proxy=None, origin=comfy.url if comfy.url in door else door) as socket:
        answer = comfy.http.post(f"{door}/prompt", json={"prompt": GRAPH, "client_id": "tester"})
        assert answer.status_code == 200, answer.text
        prompt_id = answer.json()["prompt_id"]
        kinds = []
        while "execution_success" not in kinds:
            message = socket.recv(60)
            if isinstance(message, str):
                kinds.append(json.loads(message)["type"])
    assert {"status", "execution_start"} <= set(kinds)
    entry = comfy.http.get(f"{door}/history/{prompt_id}").json()[prompt_id]
    (image,) = entry["outputs"]["2"]["images"]
    seen = comfy.http.get(f"{door}/view", params=image)
    assert (seen.status_code, seen.content[:4]) == (200, b"\x89PNG")


def test_a_workflow_with_a_space_and_an_umlaut_is_saved_reopened_renamed_and_deleted(
    comfy: AiKoreServer, door: str
) -> None:
    file, renamed = quote(WORKFLOW, safe=""), quote("workflows/Umbenannt ö.json", safe="")
    saved = comfy.http.post(f"{door}/userdata/{file}?overwrite=true", content=b'{"nodes": []}')
    assert saved.status_code == 200, saved.text
    assert comfy.http.get(f"{door}/userdata/{file}").json() == {"nodes": []}
    moved = comfy.http.post(f"{door}/userdata/{file}/move/{renamed}?overwrite=true")
    assert moved.status_code == 200, moved.text
    assert comfy.http.delete(f"{door}/userdata/{renamed}").status_code == 204
    assert comfy.http.get(f"{door}/userdata/{renamed}").status_code == 404


def test_twelve_megabytes_are_uploaded_and_seen_again(comfy: AiKoreServer, door: str) -> None:
    content = os.urandom(12 * 2**20)
    files = {"image": ("big.bin", content, "application/octet-stream")}
    answer = comfy.http.post(f"{door}/upload/image", files=files, data={"overwrite": "true"})
    assert answer.status_code == 200, answer.text
    back = comfy.http.get(f"{door}/view", params={"filename": answer.json()["name"], "type": "input"})
    assert back.content == content


def test_aikores_own_api_wins_under_api(comfy: AiKoreServer) -> None:
    assert comfy.http.get("/api/health").json() == {"status": "ok"}
    assert comfy.http.get("/system_stats").json()["system"]["comfyui_version"]
