"""A small web application served by a real uvicorn in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from aikore.auth.access import RESOLVER_KEY
from aikore.auth.identity import ANYBODY, SCOPE_KEY
from tests.helpers.server import wait_until


class LetIn:
    """Stands where the guard stands in the whole house, and lets everybody in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SCOPE_KEY], scope[RESOLVER_KEY] = ANYBODY, lambda _: None
        await self._app(scope, receive, send)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve ``app`` on a free port; give its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started, 20, "uvicorn serves")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(20)
