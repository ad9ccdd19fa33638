"""The HTTP routes of blueprints. Thin; every change is told on the bus as ``blueprints``, the whole list."""

from __future__ import annotations

import asyncio
from typing import Annotated

import anyio
from fastapi import APIRouter, Path, Response

from aikore.auth.access import needs
from aikore.auth.permissions import Permission
from aikore.base.errors import NotFoundError, ReadOnlyError, UnknownBlueprintError
from aikore.base.etags import IfMatch, etag, version_in
from aikore.base.events import Bus
from aikore.base.problems import problem_responses
from aikore.blueprints import check as checking
from aikore.blueprints.library import Blueprint, Library
from aikore.blueprints.schemas import (
    BlueprintContent,
    BlueprintView,
    BlueprintWrite,
    ScriptProblems,
    ScriptToCheck,
    blueprint_content,
    blueprint_view,
)
from aikore.blueprints.topics import BLUEPRINTS, Listing

CHECKERS = 2
"""Scripts checked at the same time; each may use a core."""

Name = Annotated[str, Path(min_length=1, max_length=80, description="A blueprint's id, with or without `.sh`.")]


def listing(library: Library) -> Listing:
    """Return all blueprints as the API lists them. Blocks on the disk."""
    return [blueprint_view(one).model_dump() for one in library.list()]


def router(library: Library, bus: Bus) -> APIRouter:
    """Build the routes over ``library``; changes are published on ``bus``."""
    routes = APIRouter(prefix="/api/blueprints", tags=["blueprints"])

    @routes.get("", dependencies=needs(Permission.BLUEPRINTS_VIEW))
    async def list_blueprints() -> list[BlueprintView]:
        """List all blueprints. A broken one is among them, with its `error`."""
        found = await asyncio.to_thread(library.list)
        listed = [blueprint_view(one) for one in found]
        if (now := [one.model_dump() for one in listed]) != bus.latest(BLUEPRINTS, []):  # a file was put there by hand
            bus.publish(BLUEPRINTS, now)
        return listed

    @routes.get("/{name}", responses=problem_responses(404, 422), dependencies=needs(Permission.BLUEPRINTS_VIEW))
    def get_blueprint(name: Name, response: Response) -> BlueprintContent:
        """Return a blueprint with its script."""
        return _answer(_get(library, name), response)

    @routes.put(
        "/{name}", responses=problem_responses(409, 412, 422, 507), dependencies=needs(Permission.BLUEPRINTS_EDIT)
    )
    async def save_blueprint(
        name: Name, wanted: BlueprintWrite, response: Response, if_match: IfMatch = None
    ) -> BlueprintContent:
        """Save a custom blueprint, a new one too. Stock ones are read-only."""
        saved = await asyncio.to_thread(_save, library, name, wanted.content, version_in(if_match))
        await tell(library, bus)
        return _answer(saved, response)

    @routes.delete(
        "/{name}",
        status_code=204,
        responses=problem_responses(404, 409, 422, 507),
        dependencies=needs(Permission.BLUEPRINTS_EDIT),
    )
    async def delete_blueprint(name: Name) -> None:
        """Move a custom blueprint to the trashcan folder. Instances made from it keep their own scripts."""
        await asyncio.to_thread(_delete, library, name)
        await tell(library, bus)

    return routes


def scripts_router() -> APIRouter:
    """Build the route that checks scripts, of blueprints and of instances."""
    routes = APIRouter(prefix="/api/scripts", tags=["blueprints"])
    checkers = anyio.CapacityLimiter(CHECKERS)

    @routes.post("/check", responses=problem_responses(422), dependencies=needs(Permission.SCRIPTS_READ))
    async def check_script(script: ScriptToCheck) -> ScriptProblems:
        """Look for problems in a script without running it, by ShellCheck where it is installed."""
        found = await anyio.to_thread.run_sync(checking.check_script, script.content, limiter=checkers)
        return ScriptProblems.model_validate(found)

    return routes


def _get(library: Library, name: str) -> Blueprint:
    try:
        return library.get(name)
    except UnknownBlueprintError as error:
        raise NotFoundError(error.message) from error


def _save(library: Library, name: str, content: str, expected: str | None) -> Blueprint:
    if library.is_stock(name):
        raise ReadOnlyError(f"{name!r} is a stock blueprint and ships with AiKore. Save it under another name.")
    return library.save(name, content, expected)


def _delete(library: Library, name: str) -> None:
    try:
        library.delete(name)
    except UnknownBlueprintError as error:
        raise NotFoundError(error.message) from error


def _answer(blueprint: Blueprint, response: Response) -> BlueprintContent:
    response.headers["ETag"] = etag(blueprint.version)
    return blueprint_content(blueprint)


async def tell(library: Library, bus: Bus) -> None:
    """Tell which blueprints there are."""
    bus.publish(BLUEPRINTS, await asyncio.to_thread(listing, library))
