"""The routes of instances: computed from all rows and applied to NGINX as a whole."""

from __future__ import annotations

from aikore.base.errors import ProxyError
from aikore.instances.actor import Actor
from aikore.instances.registry import Registry
from aikore.notices import Noticeboard
from aikore.proxy.routes import Proxy, Route

ROUTED = ("hostname", "is_comfyui_active_slot", "app_port")
"""Fields of a row whose change re-addresses an instance."""


class Routes:
    """Keeps NGINX in step with the rows. Routes belong to instances, not to runs."""

    def __init__(self, registry: Registry, proxy: Proxy, notices: Noticeboard) -> None:
        self._registry = registry
        self._proxy = proxy
        self._notices = notices

    def wanted(self) -> list[Route]:
        """Return the routes as the rows want them."""
        return [self._route(actor) for actor in self._registry.all()]

    def _route(self, actor: Actor) -> Route:
        row = actor.row
        return Route(
            slug=row.slug,
            port=row.port,
            base_path=self._registry.header(row).base_path,
            public_port=row.app_port,
            hostname=row.hostname,
            active=row.is_comfyui_active_slot,
        )

    async def apply(self) -> None:
        """Have NGINX take the routes. Raises ProxyError when it refuses; the old ones go on then."""
        await self._proxy.apply(self.wanted())

    async def apply_or_notice(self, actor: Actor) -> None:
        """Have NGINX take the routes; tell people where it refuses."""
        try:
            await self.apply()
        except ProxyError as error:
            message = f"The route of {actor.row.name} could not be changed yet: {error.message}"
            self._notices.report("error", message)
