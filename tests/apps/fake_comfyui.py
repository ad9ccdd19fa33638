"""A stand-in for ComfyUI that speaks its protocol: `python tests/apps/fake_comfyui.py --port N`. Computes nothing."""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
    "0f0003860180a4b7f0e70000000049454e44ae426082"
)
PAGE = '<!doctype html><title>ComfyUI</title><h1>ComfyUI</h1><img src="view?filename=x.png" alt="state"><script>\
const s=new WebSocket(location.href.replace(/^http/,"ws")+"ws");s.onmessage=e=>{document.title=JSON.parse(e.data).type}\
</script>'
STEPS = 4
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class State:
    """What the program remembers."""

    def __init__(self) -> None:
        self.sockets: dict[str, WebSocket] = {}
        self.pending: list[list[Any]] = []
        self.running: list[list[Any]] = []
        self.history: dict[str, Any] = {}
        self.files: dict[str, bytes] = {"x.png": PNG}
        self.userdata: dict[str, bytes] = {}
        self.number = 0
        self.interrupted = False
        self.wake = asyncio.Event()

    async def send(self, to: str | None, kind: str, data: dict[str, Any]) -> None:
        """Send to one client, or to all."""
        targets = list(self.sockets.values()) if to is None else [s for k, s in self.sockets.items() if k == to]
        for socket in targets:
            try:
                await socket.send_json({"type": kind, "data": data})
            except (RuntimeError, WebSocketDisconnect):
                pass

    async def status(self) -> None:
        remaining = len(self.pending) + len(self.running)
        await self.send(None, "status", {"status": {"exec_info": {"queue_remaining": remaining}}})


state = State()


async def work() -> None:
    """Run queued prompts, one after the other."""
    while True:
        while not state.pending:
            state.wake.clear()
            await state.wake.wait()
        item = state.pending.pop(0)
        state.running = [item]
        state.interrupted = False
        await run_prompt(item)
        state.running = []
        await state.status()
        await state.send(item[3].get("client_id"), "executing", {"node": None, "prompt_id": item[1]})


async def run_prompt(item: list[Any]) -> None:
    _, prompt_id, prompt, extra, _ = item
    to, messages, outputs = extra.get("client_id"), [], {}
    base = {"prompt_id": prompt_id}

    async def say(kind: str, **data: Any) -> None:
        message = {**base, **data, "timestamp": int(time.time() * 1000)}
        messages.append([kind, message])
        await state.send(to, kind, message)

    await say("execution_start")
    await say("execution_cached", nodes=[])
    for node in prompt:
        await state.send(to, "executing", {"node": node, "display_node": node, **base})
        for value in range(1, STEPS + 1):
            shown = {"value": value, "max": STEPS, "state": "running", "node_id": node, "display_node_id": node}
            await state.send(to, "progress_state", {**base, "nodes": {node: {**shown, **base}}})
            await state.send(to, "progress", {"value": value, "max": STEPS, "node": node, **base})
            await asyncio.sleep(0.02)
            if state.interrupted:
                await say("execution_interrupted", node_id=node, node_type=prompt[node]["class_type"], executed=[])
                return remember(item, outputs, messages, "error")
        if "Save" in prompt[node]["class_type"]:
            name = f"x_{len(state.files):05}_.png"
            state.files[name] = PNG
            outputs[node] = {"images": [{"filename": name, "subfolder": "", "type": "output"}]}
            await state.send(to, "executed", {"node": node, "display_node": node, "output": outputs[node], **base})
    await say("execution_success")
    remember(item, outputs, messages, "success")


def remember(item: list[Any], outputs: dict[str, Any], messages: list[Any], word: str) -> None:
    status = {"status_str": word, "completed": word == "success", "messages": messages}
    state.history[item[1]] = {"prompt": item, "outputs": outputs, "status": status, "meta": {}}


async def page(_: Request) -> Response:
    return HTMLResponse(PAGE)


async def system_stats(_: Request) -> Response:
    return JSONResponse({"system": {"os": "posix", "comfyui_version": "0.3.64"}, "devices": []})


async def prompt(request: Request) -> Response:
    if request.method == "GET":
        return JSONResponse({"exec_info": {"queue_remaining": len(state.pending) + len(state.running)}})
    body = await request.json()
    graph = body.get("prompt")
    if not graph or not all(isinstance(node, dict) and "class_type" in node for node in graph.values()):
        error = {"type": "invalid_prompt", "message": "Cannot execute", "details": "", "extra_info": {}}
        return JSONResponse({"error": error, "node_errors": {}}, 400)
    prompt_id = body.get("prompt_id") or str(uuid.uuid4())
    extra = {**body.get("extra_data", {}), **({"client_id": body["client_id"]} if "client_id" in body else {})}
    number, state.number = state.number, state.number + 1
    state.pending.append([number, prompt_id, graph, extra, []])
    await state.status()
    state.wake.set()
    return JSONResponse({"prompt_id": prompt_id, "number": number, "node_errors": {}})


async def queue(request: Request) -> Response:
    if request.method == "GET":
        return JSONResponse({"queue_running": state.running, "queue_pending": state.pending})
    body = await request.json()
    gone = set(body.get("delete", []))
    state.pending = [] if body.get("clear") else [item for item in state.pending if item[1] not in gone]
    return Response()


async def history(request: Request) -> Response:
    wanted = request.path_params.get("prompt_id")
    return JSONResponse({k: v for k, v in state.history.items() if wanted in (None, k)})


async def view(request: Request) -> Response:
    found = state.files.get(request.query_params.get("filename", ""))
    return Response(status_code=404) if found is None else Response(found, media_type="image/png")


async def upload(request: Request) -> Response:
    """Take the first file out of a multipart body, without a parser that the test venv lacks."""
    body = await request.body()
    boundary = b"--" + request.headers["content-type"].split("boundary=")[1].strip('"').encode()
    for part in body.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'filename="' in head:
            name = PurePosixPath(head.split(b'filename="')[1].split(b'"')[0].decode()).name
            state.files[name] = content.removesuffix(b"\r\n")
            return JSONResponse({"name": name, "subfolder": "", "type": "input"})
    return Response(status_code=400)


async def interrupt(_: Request) -> Response:
    state.interrupted = True
    return Response()


async def object_info(_: Request) -> Response:
    nodes = ("KSampler", "SaveImage")
    return JSONResponse({n: {"name": n, "input": {"required": {}}, "output": [], "category": "fake"} for n in nodes})


async def empty_list(_: Request) -> Response:
    return JSONResponse([])


async def list_userdata(request: Request) -> Response:
    folder = request.query_params.get("dir", "").rstrip("/") + "/"
    return JSONResponse([name.removeprefix(folder) for name in state.userdata if name.startswith(folder)])


async def userdata(request: Request) -> Response:
    """One path segment is one file, `%2F` inside; like aiohttp, a real slash is another route (405)."""
    raw = request.scope["raw_path"].decode().split("/userdata/", 1)[1].split("?")[0].split("/")
    name = unquote(raw[0])
    if len(raw) == 3 and raw[1] == "move" and request.method == "POST":
        if name not in state.userdata:
            return Response(status_code=404)
        state.userdata[unquote(raw[2])] = state.userdata.pop(name)
        return JSONResponse(unquote(raw[2]))
    if len(raw) != 1:
        return PlainTextResponse("405: Method Not Allowed", 404 if request.method == "GET" else 405)
    if request.method == "POST":
        state.userdata[name] = await request.body()
        return JSONResponse(name)
    if name not in state.userdata:
        return Response(status_code=404)
    if request.method == "DELETE":
        del state.userdata[name]
        return Response(status_code=204)
    return Response(state.userdata[name])


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    client = websocket.query_params.get("clientId") or uuid.uuid4().hex
    state.sockets[client] = websocket
    remaining = {"status": {"exec_info": {"queue_remaining": len(state.pending) + len(state.running)}}}
    await websocket.send_json({"type": "status", "data": {**remaining, "sid": client}})
    try:
        while True:
            await websocket.receive()
    except (RuntimeError, WebSocketDisconnect):
        pass
    finally:
        state.sockets.pop(client, None)


class OriginCheck:
    """On loopback, a Host that differs from the Origin is answered with 403, as ComfyUI does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] in ("http", "websocket") else Headers()
        host, origin = headers.get("host", ""), urlsplit(headers.get("origin", "")).netloc
        if origin and urlsplit(f"//{host}").hostname in LOOPBACK and host.lower() != origin.lower():
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            return await Response(status_code=403)(scope, receive, send)
        await self.app(scope, receive, send)


def routes(prefix: str) -> list[Any]:
    both, every = ["GET", "POST"], ["GET", "POST", "DELETE"]
    return [
        Route(f"{prefix}/system_stats", system_stats),
        Route(f"{prefix}/prompt", prompt, methods=both),
        Route(f"{prefix}/queue", queue, methods=both),
        Route(f"{prefix}/history", history),
        Route(f"{prefix}/history/{{prompt_id}}", history),
        Route(f"{prefix}/view", view),
        Route(f"{prefix}/upload/image", upload, methods=["POST"]),
        Route(f"{prefix}/interrupt", interrupt, methods=["POST"]),
        Route(f"{prefix}/object_info", object_info),
        Route(f"{prefix}/extensions", empty_list),
        Route(f"{prefix}/userdata", list_userdata),
        Route(f"{prefix}/userdata/{{file:path}}", userdata, methods=every),
        WebSocketRoute(f"{prefix}/ws", socket),
    ]


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8188)
    app = OriginCheck(Starlette(routes=[Route("/", page), *routes(""), *routes("/api")]))
    server = uvicorn.Server(uvicorn.Config(app, port=parser.parse_args().port, log_level="warning"))
    worker = asyncio.create_task(work())
    await server.serve()
    worker.cancel()


if __name__ == "__main__":
    asyncio.run(main())
