"""Addresses of this house as the browser of a request knows it, and the hand-over between its hosts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from aikore.base.errors import InvalidError
from aikore.config.door import DoorSettings

LOGIN_PAGE = "/.aikore/login"


def is_https(request: HTTPConnection, settings: DoorSettings) -> bool:
    """Say whether the browser came over TLS: NGINX passes on what a trusted proxy said, else its own scheme."""
    return request.headers.get("x-forwarded-proto", "https" if settings.tls_cert else "http") == "https"


@dataclass(frozen=True, slots=True)
class Weblinks:
    """Makes links for people."""

    settings: DoorSettings

    def base(self, request: HTTPConnection) -> str:
        """Return the address of the dashboard, without a slash at its end."""
        if self.settings.public_url:
            return self.settings.public_url.rstrip("/")
        host = request.headers.get("host", "")
        if host in ("", "localhost"):  # the manager's own socket: the command line
            return self.settings.local_url
        scheme = "https" if is_https(request, self.settings) else "http"
        return f"{scheme}://{host}{self.settings.root_path}"

    def login(self, request: HTTPConnection, fragment: str) -> str:
        """Return the address of the login page with a secret behind ``#``, which no server and no log gets to see."""
        return f"{self.base(request)}{LOGIN_PAGE}#{fragment}"


def target_of(address: str, own_host: str, own_ports: Callable[[int], bool], routed: Callable[[str], bool]) -> str:
    """Return the ``host[:port]`` of an address to hand somebody over to. Raises InvalidError for a foreign one.

    ``own_host`` is the host the request came to; ``routed`` says whether a host name belongs to an instance,
    ``own_ports`` whether a port does.
    """
    parts = urlsplit(address)
    refusal = InvalidError("This address is none of AiKore's; open the instance from the AiKore page.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise refusal
    if re.search(r"[\x00-\x20\\\x7f]", address):
        raise refusal
    try:
        port = parts.port
    except ValueError:
        raise refusal from None
    same_host = parts.hostname == (urlsplit(f"//{own_host}").hostname or "")
    if routed(parts.hostname) or (same_host and (port is None or own_ports(port))):
        return parts.netloc
    raise refusal
