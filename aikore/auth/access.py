"""What a route asks of whom it serves. Every route declares a permission; a test walks them all.

::

    @routes.post("/api/instances", dependencies=needs(Permission.INSTANCES_EDIT))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, WebSocketException
from starlette.requests import HTTPConnection

from aikore.auth.identity import Identity, identity_in
from aikore.auth.permissions import Permission
from aikore.base.errors import AccessDeniedError

ROOM = "/api/instances/"
"""Where a token for one instance is good: at that instance's own routes."""

RESOLVER_KEY = "aikore.resolve_instance"
INSTANCE_KEY = "aikore.instance"
"""Where id and slug of the instance lie that a request is about."""
FORBIDDEN = 4403
"""WebSocket close code for somebody without the permission."""


class Needs:
    """A dependency that lets those pass who have a permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, connection: HTTPConnection) -> None:
        """Raise AccessDeniedError (WebSocketException at a socket) for who may not; note whom it is about."""
        scope = connection.scope
        if scope["path"].startswith(ROOM):
            resolve: Callable[[str], tuple[int, str] | None] = scope[RESOLVER_KEY]
            scope[INSTANCE_KEY] = resolve(str(connection.path_params.get("id", "")))
        refusal = self._refusal(identity_in(connection.scope), connection)
        if refusal is None:
            return
        if connection.scope["type"] == "websocket":
            raise WebSocketException(FORBIDDEN, refusal)
        raise AccessDeniedError(refusal)

    def _refusal(self, identity: Identity, connection: HTTPConnection) -> str | None:
        if identity.instance is not None and not _is_its_own(identity, connection):
            return "This token is good for one instance only, and not for this."
        if not identity.may(self.permission):
            return (
                f"This needs the permission {self.permission}, which {identity.name} ({identity.role.word}) "
                "does not have. An admin can give another role."
            )
        return None


def _is_its_own(identity: Identity, connection: HTTPConnection) -> bool:
    found = connection.scope.get(INSTANCE_KEY)
    return found is not None and found[0] == identity.instance


def needs(permission: Permission) -> list[Any]:
    """Return what a route declares as its ``dependencies``."""
    return [Depends(Needs(permission))]


OPEN: list[Any] = []
"""For the few routes that answer without a login; they are named in ``guard.OPEN_PATHS``."""
