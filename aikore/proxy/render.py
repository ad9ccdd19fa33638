"""Turns routes into NGINX's configuration. Pure: the same routes and options give the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from aikore.auth.origin import host_pattern, origin_pattern
from aikore.base.errors import ProxyError
from aikore.config.proxy import ProxySettings
from aikore.naming import HOSTNAME, SLUG
from aikore.proxy.routes import COMFYUI_PATHS, Route

KEEPALIVE_MIN_TIMEOUT = (1, 27, 4)
"""First NGINX with ``keepalive_min_timeout``."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the configuration depends on besides the routes."""

    settings: ProxySettings
    static_dir: Path
    version: tuple[int, ...]
    workers: int
    open_files: int
    user: str = ""
    """``user group`` the workers run as; only a master that is root can choose."""
    generation: str = ""
    cookie: str = ""
    """Name of the session cookie; empty: no login is asked for."""
    cache_dir: str = ""
    """Where answers of the login check are kept for seconds; in memory, they hold credentials."""
    page_dir: str = ""
    """Where the dashboard's page lies as it is served."""
    assets: str = ""
    """What stands for the content of the dashboard's files in their addresses."""
    probe: str = ""
    """Secret by which AiKore asks which generation is served."""


def render(routes: Sequence[Route], options: Options) -> str:
    """Return the whole ``nginx.conf``. Raises ProxyError when the routes contradict each other."""
    settings = options.settings
    check(routes, settings)
    ordered = sorted(routes, key=lambda route: route.slug)
    return ENVIRONMENT.get_template("nginx.conf.j2").render(
        o=options,
        s=settings,
        routes=ordered,
        active=next((route for route in ordered if route.active), None),
        ports=[route.public_port for route in ordered if route.public_port],
        hostnames=sorted(route.hostname for route in ordered if route.hostname),
        root=settings.root_path,
        address=f"[{settings.host}]" if ":" in settings.host else settings.host,
        host_pattern=host_pattern(settings),
        origin_pattern=origin_pattern(settings),
        comfyui_pattern=rf"^/(?:{'|'.join(COMFYUI_PATHS)})(?:[/?]|$)",
        keepalive_min_timeout=options.version >= KEEPALIVE_MIN_TIMEOUT,
    )


def check(routes: Sequence[Route], settings: ProxySettings) -> None:
    """Raise ProxyError for what must not reach the configuration: odd names, one address for two routes."""
    owners: dict[str, str] = {f"port {settings.port}": "AiKore itself", "host name localhost": "AiKore itself"}
    if settings.app_domain:
        owners[f"host name {settings.app_domain.lower()}"] = "AiKore itself"
    for route in routes:
        if not SLUG.fullmatch(route.slug):
            raise ProxyError(f"{route.slug!r} cannot be part of an address.")
        if route.hostname and not HOSTNAME.fullmatch(route.hostname):
            raise ProxyError(f"{route.hostname[:80]!r} is not a host name; write it like comfy.example.lan.")
        for port in (route.port, route.public_port):
            if port is not None and not 1 <= port <= 65535:
                raise ProxyError(f"{port} is not a port; ports go from 1 to 65535.")
        for address in _addresses(route, settings):
            other = owners.setdefault(address, route.slug)
            if other != route.slug:
                raise ProxyError(f"The {address} of {route.slug!r} already belongs to {other}. Choose another one.")


def _addresses(route: Route, settings: ProxySettings) -> set[str]:
    found = {f"slug {route.slug}", f"host name {route.slug}.localhost"}
    if settings.app_domain:
        found.add(f"host name {route.slug}.{settings.app_domain.lower()}")
    if route.public_port:
        found.add(f"port {route.public_port}")
    if route.hostname:
        found.add(f"host name {route.hostname}")
    if route.active:
        found.add("ComfyUI slot")
    return found


def quote(text: object) -> str:
    """Return ``text`` as one NGINX parameter. Variables in it stay variables."""
    escaped = str(text).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_path(path: object, rest: str = "") -> str:
    """Return a path as one NGINX parameter that no ``$`` in it can turn into a variable; ``rest`` may hold some."""
    return quote(str(path).replace("$", "${dollar}") + rest)


def problem(status: int, code: str, detail: str) -> str:
    """Return an RFC 9457 document as one NGINX parameter."""
    title = HTTPStatus(status).phrase
    return quote(json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}))


def _template_environment() -> Environment:
    environment = Environment(  # noqa: S701 — NGINX's configuration, no HTML; `quote` escapes
        loader=PackageLoader("aikore.proxy"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(q=quote, path=quote_path, re=lambda text: re.escape(str(text)))
    environment.globals["problem"] = problem
    return environment


ENVIRONMENT = _template_environment()
"""Where the templates are; each is compiled once."""
