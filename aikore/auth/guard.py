"""Refuses requests that a foreign page or a foreign name brought: the manager's own check behind NGINX's."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from aikore.auth.origin import host_allowed, origin_allowed
from aikore.config import Settings
from aikore.problems import problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455, 7.4.1)."""


class Guard:
    """ASGI middleware: checks ``Host`` always, ``Origin`` for sockets and for methods that change something."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close(POLICY_VIOLATION, refusal[0])
        else:
            await problem(403, *refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[str, str] | None:
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not host_allowed(host, self._settings):
            return "host_not_allowed", f"{host[:100]!r} is not a name of this AiKore. Add it to AIKORE_ALLOWED_HOSTS."
        changing = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if not changing:
            return None
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site", "none")
        if origin is None:
            allowed = site in ("none", "same-origin")
        else:
            allowed = origin_allowed(origin, host, self._settings)
        if allowed:
            return None
        return "origin_not_allowed", "A page of another site may not do this. Add its origin to AIKORE_ALLOWED_ORIGINS."
