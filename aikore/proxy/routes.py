"""What a route is and what a proxy promises. Plain data; knows nothing of NGINX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

COMFYUI_PATHS = (
    "embeddings",
    "experiment/models",
    "extensions",
    "features",
    "free",
    "global_subgraphs",
    "history",
    "i18n",
    "internal",
    "interrupt",
    "jobs",
    "models",
    "node_replacements",
    "object_info",
    "prompt",
    "queue",
    "settings",
    "system_stats",
    "templates",
    "upload",
    "userdata",
    "users",
    "v2/userdata",
    "view",
    "view_metadata",
    "workflow_templates",
    "workflows",
    "ws",
)
"""ComfyUI's absolute API paths (its ``server.py`` and ``app/*.py``), each with all that lies under it."""


@dataclass(frozen=True, slots=True)
class Route:
    """How one instance is reached. It lasts as long as the instance, whether that runs or not."""

    slug: str
    port: int
    """Loopback port the instance listens on."""
    base_path: Literal["strip", "keep"] = "strip"
    public_port: int | None = None
    hostname: str = ""
    """Own host name, besides ``<slug>.localhost`` and ``<slug>.<domain>``."""
    active: bool = False
    """Holds the ComfyUI slot."""


@dataclass(frozen=True, slots=True)
class Login:
    """How a proxy asks for a login: the session cookie's name, and the secret by which AiKore itself asks it things."""

    cookie: str
    probe: str


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """How the proxy is doing."""

    mode: str
    generation: str
    reloads: int
    pid: int | None
    old_workers: int
    """Workers of earlier generations that still carry open connections."""


class Proxy(Protocol):
    """Serves routes. All routes are given each time; nobody edits one by hand."""

    async def start(self, routes: Sequence[Route]) -> None:
        """Serve ``routes``: start the proxy or adopt the running one. Raises ProxyError."""

    async def apply(self, routes: Sequence[Route]) -> None:
        """Return when ``routes`` are served. Raises ProxyError when they cannot be; the earlier ones go on.

        Callers that come together share one reload; no change makes none.
        """

    async def stop(self) -> None:
        """End the proxy: the house closes."""

    def detach(self) -> None:
        """Let go of the proxy, which goes on: the manager is being replaced."""

    def info(self) -> ProxyInfo:
        """Tell how it is doing."""
