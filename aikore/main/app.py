"""The web application: the routes of all rooms behind the guard."""

from __future__ import annotations

from fastapi import FastAPI

from aikore import __version__
from aikore.auth.guard import Guard
from aikore.base import problems
from aikore.config import Settings
from aikore.main.house import House


def create_app(settings: Settings, house: House | None = None) -> FastAPI:
    """Build the web application. Does no work besides; the house must be started for it to answer truly."""
    house = house or House(settings)
    app = FastAPI(
        title="AiKore",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        root_path=settings.root_path,
        # Not by `include_router`, which builds every route a second time and looks for it twice at each request.
        routes=[route for room in house.rooms for route in room.routes],
    )
    app.state.house = house
    problems.install(app)
    app.add_middleware(Guard, settings=settings, gate=house.gate, identify=house.manager.registry.identify)
    return app
