"""The routes NGINX asks: may this request pass to an app, and the hand-over to an instance's own address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Header, Request, Response

from aikore.auth import access
from aikore.auth.api import give_cookie
from aikore.auth.gate import Gate
from aikore.auth.guard import PRESENTED_KEY
from aikore.auth.identity import SCOPE_KEY, Identity
from aikore.auth.permissions import Permission
from aikore.auth.weblinks import LOGIN_PAGE, target_of
from aikore.base.errors import NotFoundError
from aikore.base.problems import problem, problem_responses
from aikore.config.door import DoorSettings

FRESH = "max-age=2, stale-while-revalidate=2, stale-if-error=60"
"""How long NGINX may keep a yes: the door stays fast, and a revoked credential ends within five seconds.

NGINX counts whole seconds and compares with "not later than", so 2 + 2 lasts just under 5.
"""

Slug = Annotated[str, Header(alias="X-AiKore-Slug", max_length=80)]
Opens = Annotated[str, Header(alias="X-AiKore-Opens", max_length=16)]
RoutedHost = Callable[[str], bool]
InstanceOf = Callable[[str], tuple[int, Sequence[str]]]
"""Returns id and open networks of an instance; raises NotFoundError."""


def router(gate: Gate, settings: DoorSettings, instance: InstanceOf, routed: RoutedHost) -> APIRouter:
    """Build the routes. They are NGINX's business and not part of the interface."""
    routes = APIRouter(prefix="/api/auth", include_in_schema=False)

    @routes.get("/check", dependencies=access.OPEN, responses=problem_responses(401, 403))
    async def check(request: Request, slug: Slug = "", opens: Opens = "app") -> Response:
        """Answer 204 when the request may pass, 401 to a stranger, 403 to somebody without the permission."""
        presented = request.scope[PRESENTED_KEY]
        identity: Identity | None = request.scope[SCOPE_KEY]
        number, networks = _instance(instance, slug)
        needed = _needed(slug, opens)
        anybody = needed is Permission.APPS_OPEN and _is_within(presented.address, networks)
        if identity is None and not anybody:
            return problem(401, "login_required", "Log in first.")
        if slug and number is None:
            return problem(403, "not_found", "There is no such instance.")  # the door makes it a 404
        if identity is not None and not anybody and not _may(identity, needed, number):
            return problem(403, "not_allowed", "This login is not good for this instance.")
        strip = {"X-AiKore-Strip": "1"} if gate.token_is_ours(presented) else {}
        return Response(status_code=204, headers={"Cache-Control": FRESH, **strip})

    @routes.get("/handover", dependencies=access.OPEN)
    async def handover(request: Request) -> Response:
        """Send a browser that is logged in here on to an instance's own address, with a code that is good once."""
        address = request.scope["query_string"].decode("latin-1").removeprefix("to=")
        host = request.headers.get("host", "")
        target = target_of(address, host, lambda port: _is_public(port, settings), routed)
        session = gate.sessions.find(request.scope[PRESENTED_KEY].cookie)
        if gate.on and request.scope[SCOPE_KEY] is None:
            here = f"{settings.root_path}/.aikore/handover?to={address}"
            return _redirect(f"{settings.root_path}{LOGIN_PAGE}?next={here}")
        if session is None or urlsplit(f"//{target}").hostname == urlsplit(f"//{host}").hostname:
            return _redirect(address)  # the same host: the browser sends the same cookie there
        parts = urlsplit(address)
        code = gate.handovers.make((session, target))
        rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _redirect(f"{parts.scheme}://{target}/.aikore/enter?code={code}&to={rest}")

    @routes.get("/enter", dependencies=access.OPEN)
    async def enter(request: Request, slug: Slug = "") -> Response:
        """Take a handed-over browser in: a session that is good for this instance only."""
        code, _, rest = request.scope["query_string"].decode("latin-1").removeprefix("code=").partition("&to=")
        found = gate.handovers.take(code)
        path = "/" + rest.lstrip("/\\")
        if found is None or found[1] != request.headers.get("x-forwarded-host", ""):
            return _redirect(path)  # the door sends it through the hand-over once more
        number, _ = _instance(instance, slug)
        parent = found[0]
        _, secret = await gate.sessions.open(parent.user_id, parent.address, parent.agent, parent, number)
        answer = _redirect(path)
        give_cookie(answer, gate, secret, request, path="/")
        return answer

    return routes


def _instance(instance: InstanceOf, slug: str) -> tuple[int | None, Sequence[str]]:
    try:
        return instance(slug) if slug else (None, ())
    except NotFoundError:
        return None, ()


def _needed(slug: str, opens: str) -> Permission:
    """Return what it takes to pass: at an instance's address to its app or desktop, elsewhere to the dashboard."""
    if not slug:
        return Permission.ACCOUNT
    return Permission.DESKTOPS if opens == "desktop" else Permission.APPS_OPEN


def _may(identity: Identity, needed: Permission, number: int | None) -> bool:
    return identity.may(needed) and identity.instance in (None, number)


def _is_within(address: str, networks: Sequence[str]) -> bool:
    """Say whether an address lies in one of these networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network) for network in networks)


def _is_public(port: int, settings: DoorSettings) -> bool:
    return port == settings.port or port in settings.app_port_pool


def _redirect(address: str) -> Response:
    safe = quote(address, safe=":/?#[]@!$&'()*+,;=%~-._")
    return Response(status_code=302, headers={"Location": safe, "Cache-Control": "no-store"})
