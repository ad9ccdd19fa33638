"""Stands before every route of the manager: foreign names, foreign pages and strangers do not get past.

Behind NGINX it is the second check of ``Host`` and ``Origin`` and the only one of who somebody is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from aikore.auth.access import INSTANCE_KEY, RESOLVER_KEY
from aikore.auth.audit import AuditRecord
from aikore.auth.credentials import Presented
from aikore.auth.gate import Gate
from aikore.auth.identity import SCOPE_KEY, Identity
from aikore.auth.origin import host_allowed, origin_allowed
from aikore.base.errors import NotFoundError
from aikore.base.problems import problem
from aikore.config.door import DoorSettings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455, 7.4.1)."""
REVOKED = 4401
"""WebSocket close code: the credential that opened it holds no longer."""

OPEN_PATHS = frozenset(
    {
        "/api/health",
        "/api/auth/status",
        "/api/auth/login",
        "/api/auth/setup",
        "/api/auth/join",
        "/api/auth/check",
        "/api/auth/handover",
        "/api/auth/enter",
    }
)
"""What answers without a login. ``check``, ``handover`` and ``enter`` look at the credential themselves."""

ALIVE_PATH = "/api/alive"
"""What NGINX asks before every call to the manager. It costs next to nothing and tells nothing."""

PRESENTED_KEY = "aikore.presented"
DETAIL_KEY = "aikore.audit"
"""Where a route may leave words for the audit log."""

IdentifyInstance = Callable[[str], tuple[int, str]]
"""Returns id and slug of an id or slug; raises NotFoundError."""


class Guard:
    """ASGI middleware. Leaves the identity in the scope and notes every change in the audit log."""

    def __init__(self, app: ASGIApp, settings: DoorSettings, gate: Gate, identify: IdentifyInstance) -> None:
        self._app = app
        self._settings = settings
        self._gate = gate
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] == ALIVE_PATH:
            await _alive(send)
            return
        if refusal := self._refusal(scope):
            await _refuse(403, *refusal, scope, receive, send)
            return
        presented = self._gate.read(scope["headers"])
        identity = self._gate.identify(presented)
        if identity is None and scope["path"] not in OPEN_PATHS:
            await _refuse(401, *_stranger(presented), scope, receive, send)
            return
        scope[SCOPE_KEY], scope[PRESENTED_KEY], scope[RESOLVER_KEY] = identity, presented, self._resolve
        if scope["type"] == "websocket":
            await self._socket(identity, scope, receive, send)
        elif scope["method"] in SAFE_METHODS or identity is None:
            await self._app(scope, receive, send)
        else:
            await self._noted(identity, presented, scope, receive, send)

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

    def _resolve(self, key: str) -> tuple[int, str] | None:
        try:
            return self._identify(key)
        except NotFoundError:
            return None

    async def _socket(self, identity: Identity | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket for as long as what opened it holds."""
        if identity is None or not identity.credential:
            await self._app(scope, receive, send)
            return
        with self._gate.revocations.watch(identity.credential) as revoked:
            serving = asyncio.ensure_future(self._app(scope, receive, send))
            waiting = asyncio.create_task(revoked.wait())
            try:
                await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                if not serving.done():
                    serving.cancel()
                    await asyncio.wait((serving,))
                    await send({"type": "websocket.close", "code": REVOKED, "reason": "logged out"})
        if not serving.cancelled():
            serving.result()

    async def _noted(
        self, identity: Identity, presented: Presented, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a change and note it in the audit log, refused ones too."""
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._gate.audit.note(
                AuditRecord(
                    identity.name, identity.via, presented.address, *_what(scope), status, scope.get(DETAIL_KEY, "")
                )
            )


async def _alive(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _what(scope: Scope) -> tuple[str, str]:
    """Return the name of what a request asked for, and of whom."""
    route: Any = scope.get("route")
    parameters = scope.get("path_params", {})
    instance = scope.get(INSTANCE_KEY)
    target = instance[1] if instance else " ".join(str(value) for value in parameters.values())
    action = getattr(route, "operation_id", None) or getattr(route, "name", "") or f"{scope['method']} {scope['path']}"
    return action, target


def _stranger(presented: Presented) -> tuple[str, str]:
    if presented.doubled:
        return "login_required", (
            "The browser sent two AiKore cookies, so neither counts: another page of this host set one. "
            "Delete the cookies of this host and log in again."
        )
    return "login_required", "Log in first, or send an API token as Authorization: Bearer."


async def _refuse(status: int, code: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(status, code, detail)
    if scope["type"] == "http":
        await answer(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await WebSocket(scope, receive, send).send_denial_response(answer)
    else:
        await WebSocket(scope, receive, send).close(POLICY_VIOLATION, code)
