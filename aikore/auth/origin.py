"""Which ``Host`` and which ``Origin`` may reach AiKore: the one home of that rule.

NGINX applies it through the patterns made here, the manager through :func:`host_allowed` and :func:`origin_allowed`.
The patterns are read by Python's ``re`` and by NGINX's PCRE alike, so they use only what both understand.
"""

from __future__ import annotations

import re

from aikore.config.door import DoorSettings

IP_LITERALS = (r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", r"\[[0-9a-f:.]+\]")
LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
LOCAL_SUFFIXES = ("local", "lan", "localhost")
PORT = r"(?::[0-9]{1,5})?"


def host_pattern(settings: DoorSettings) -> str:
    """Return the pattern of allowed ``Host`` headers, port included; to be matched without regard to case.

    IP literals and names that public DNS cannot point elsewhere pass (a rebinding attack needs a public name), and
    what the settings name.
    """
    names = [*IP_LITERALS, LABEL, rf"(?:{LABEL}\.)+(?:{'|'.join(LOCAL_SUFFIXES)})"]
    if settings.app_domain:
        names.append(rf"(?:{LABEL}\.)*{re.escape(settings.app_domain.lower())}")
    names += [re.escape(name.lower()) for name in settings.allowed_hosts]
    return rf"^(?:{'|'.join(names)})\.?{PORT}$"


def host_allowed(host: str, settings: DoorSettings) -> bool:
    """Say whether a request may name this ``Host``."""
    return _matches(host_pattern(settings), host)


def origin_pattern(settings: DoorSettings) -> str:
    """Return the pattern of ``<Origin>|<Host>`` pairs that may write; to be matched without regard to case.

    The origin's authority must equal the host, or the settings name the origin.
    """
    own = r"https?://([^|/]+)\|\1"
    others = [rf"{re.escape(origin.lower().rstrip('/'))}\|.*" for origin in settings.allowed_origins]
    return rf"^(?:{'|'.join([own, *others])})$"


def origin_allowed(origin: str, host: str, settings: DoorSettings) -> bool:
    """Say whether a page of ``origin`` may open sockets and send unsafe requests to ``host``."""
    return "|" not in origin and _matches(origin_pattern(settings), f"{origin}|{host}")


def _matches(pattern: str, text: str) -> bool:
    return "\n" not in text and re.match(pattern, text, re.IGNORECASE) is not None
