"""The HTTP routes of instances and their trash. Thin: the trades of the manager know the rules."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from aikore.auth.access import needs
from aikore.auth.guard import DETAIL_KEY
from aikore.auth.identity import identity_in
from aikore.auth.permissions import Permission
from aikore.base.errors import InvalidError
from aikore.base.etags import IfMatch, etag, version_in
from aikore.base.problems import problem_responses
from aikore.instances import lifecycle
from aikore.instances.actor import Actor
from aikore.instances.manager import Manager
from aikore.instances.schemas import (
    Instance,
    InstanceChange,
    InstanceCopy,
    InstanceCreate,
    Order,
    Run,
    Script,
    ScriptBlueprint,
    ScriptSave,
    Trashed,
    UnlistedFolder,
)
from aikore.instances.views import shown
from aikore.naming import with_host

Key = Annotated[str, Path(min_length=1, max_length=80, description="An instance's id or slug.")]
Slug = Annotated[str, Path(min_length=1, max_length=80, description="The folder's name.")]
EntryId = Annotated[str, Path(min_length=1, max_length=120, description="A trash entry's id.")]

COMMON = problem_responses(400, 403, 404, 422, 500, 503, 507)


def _json(request: Request, data: Any, status: int = 200) -> Response:
    """Answer with plain JSON data; its shape is promised by the schemas and held by a test."""
    text = with_host(json.dumps(data, ensure_ascii=False), request.headers.get("host", ""))
    return Response(text, status, media_type="application/json")


def _instance(request: Request, manager: Manager, actor: Actor, status: int = 200) -> Response:
    """Answer with an instance, as whoever asks may see it."""
    return _json(request, shown(manager.publisher.view(actor), identity_in(request.scope).permissions), status)


def _instances(request: Request, manager: Manager) -> Response:
    permissions = identity_in(request.scope).permissions
    return _json(request, [shown(view, permissions) for view in manager.publisher.list_views()])


def _made(request: Request, manager: Manager, actor: Actor, status: int = 201) -> Response:
    """Answer with an instance that is new, and leave its name for the audit log."""
    request.scope[DETAIL_KEY] = actor.row.slug
    return _instance(request, manager, actor, status)


def router(manager: Manager) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["instances"], responses=COMMON)
    _add_instances(routes, manager)
    _add_wishes(routes, manager)
    _add_script(routes, manager)
    _add_trash(routes, manager)
    return routes


def _add_instances(routes: APIRouter, manager: Manager) -> None:
    @routes.get(
        "/api/instances",
        response_model=list[Instance],
        operation_id="list_instances",
        dependencies=needs(Permission.INSTANCES_VIEW),
    )
    async def list_instances(request: Request) -> Response:
        """List all instances."""
        return _instances(request, manager)

    @routes.post(
        "/api/instances",
        response_model=Instance,
        status_code=201,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_EDIT),
    )
    async def create_instance(request: Request, wanted: InstanceCreate) -> Response:
        """Make an instance from a blueprint."""
        return _made(request, manager, await manager.creation.create(wanted))

    @routes.post("/api/instances/order", response_model=list[Instance], dependencies=needs(Permission.INSTANCES_EDIT))
    async def order_instances(request: Request, wanted: Order) -> Response:
        """Set the order in which instances are listed."""
        await manager.changes.arrange(wanted.ids)
        return _instances(request, manager)

    @routes.get("/api/instances/{id}", response_model=Instance, dependencies=needs(Permission.INSTANCES_VIEW))
    async def get_instance(request: Request, id: Key) -> Response:  # noqa: A002
        """Show one instance."""
        return _instance(request, manager, manager.registry.get(id))

    @routes.get("/api/instances/{id}/runs", response_model=list[Run], dependencies=needs(Permission.INSTANCES_VIEW))
    async def list_runs(request: Request, id: Key) -> Response:  # noqa: A002
        """List the last 200 runs, newest first."""
        return _json(request, await manager.runs.of(manager.registry.get(id).row.id))

    @routes.patch(
        "/api/instances/{id}",
        response_model=Instance,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_EDIT),
    )
    async def change_instance(request: Request, id: Key, wanted: InstanceChange) -> Response:  # noqa: A002
        """Change an instance; what the program uses takes effect at its next start."""
        actor = manager.registry.get(id)
        await manager.changes.change(actor, wanted)
        return _instance(request, manager, actor)

    @routes.delete(
        "/api/instances/{id}",
        status_code=204,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_EDIT),
    )
    async def delete_instance(
        id: Key,  # noqa: A002
        permanent: Annotated[bool, Query(description="Remove it for good instead of moving it to the trash.")] = False,
        force: Annotated[bool, Query(description="Stop it first if it runs.")] = False,
    ) -> Response:
        """Move an instance to the trash."""
        await manager.removal.delete(manager.registry.get(id), permanent, force)
        return Response(status_code=204)

    @routes.post(
        "/api/instances/{id}/copy",
        response_model=Instance,
        status_code=201,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_EDIT),
    )
    async def copy_instance(request: Request, id: Key, wanted: InstanceCopy) -> Response:  # noqa: A002
        """Clone an instance's choices and files."""
        return _made(request, manager, await manager.creation.copy(manager.registry.get(id), wanted.name))


def _add_wishes(routes: APIRouter, manager: Manager) -> None:
    async def wish(request: Request, key: str, given: lifecycle.Input) -> Response:
        actor = manager.registry.get(key)
        await actor.wish(given)
        return _instance(request, manager, actor, 202)

    @routes.post(
        "/api/instances/{id}/start",
        response_model=Instance,
        status_code=202,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_RUN),
    )
    async def start_instance(request: Request, id: Key) -> Response:  # noqa: A002
        """Start an instance; one that runs stays as it is."""
        return await wish(request, id, lifecycle.Start())

    @routes.post(
        "/api/instances/{id}/stop",
        response_model=Instance,
        status_code=202,
        dependencies=needs(Permission.INSTANCES_RUN),
    )
    async def stop_instance(request: Request, id: Key) -> Response:  # noqa: A002
        """Stop an instance; one at rest stays as it is."""
        return await wish(request, id, lifecycle.Stop())

    @routes.post(
        "/api/instances/{id}/restart",
        response_model=Instance,
        status_code=202,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_RUN),
    )
    async def restart_instance(request: Request, id: Key) -> Response:  # noqa: A002
        """Stop an instance and start it again."""
        return await wish(request, id, lifecycle.Restart())

    async def after(request: Request, actor: Actor) -> Response:
        return _instance(request, manager, actor)

    @routes.post("/api/instances/{id}/rebuild", response_model=Instance, dependencies=needs(Permission.INSTANCES_RUN))
    async def rebuild_instance(request: Request, id: Key) -> Response:  # noqa: A002
        """Have the environment rebuilt at the next start."""
        actor = manager.registry.get(id)
        await manager.changes.rebuild(actor)
        return await after(request, actor)

    @routes.post(
        "/api/instances/{id}/activate",
        response_model=Instance,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_RUN),
    )
    async def activate_instance(request: Request, id: Key) -> Response:  # noqa: A002
        """Give an instance the active slot: it also answers at /comfyui/ and at ComfyUI's own paths."""
        actor = manager.registry.get(id)
        await manager.changes.activate(actor)
        return await after(request, actor)


def _add_script(routes: APIRouter, manager: Manager) -> None:
    def answer(content: str, version: str) -> Response:
        body = json.dumps({"content": content, "version": version}, ensure_ascii=False)
        return Response(body, media_type="application/json", headers={"ETag": etag(version)})

    @routes.get("/api/instances/{id}/script", response_model=Script, dependencies=needs(Permission.SCRIPTS_READ))
    async def read_script(id: Key) -> Response:  # noqa: A002
        """Read the launch script."""
        return answer(*await manager.scripts.read(manager.registry.get(id)))

    @routes.get(
        "/api/instances/{id}/script/blueprint",
        response_model=ScriptBlueprint,
        dependencies=needs(Permission.SCRIPTS_READ),
    )
    async def read_script_blueprint(request: Request, id: Key) -> Response:  # noqa: A002
        """Read the present text of the script's blueprint, to compare."""
        return _json(request, await manager.scripts.compare(manager.registry.get(id)))

    @routes.put(
        "/api/instances/{id}/script",
        response_model=Script,
        responses=problem_responses(409, 412),
        dependencies=needs(Permission.SCRIPTS_EDIT),
    )
    async def save_script(id: Key, script: ScriptSave, if_match: IfMatch = None) -> Response:  # noqa: A002
        """Save the launch script, if nobody changed it meanwhile."""
        expected = version_in(if_match)
        if expected is None:
            raise InvalidError("Say in If-Match which version you edited (the ETag you got when reading).")
        version = await manager.scripts.save(manager.registry.get(id), script.content, expected)
        return answer(script.content, version)


def _add_trash(routes: APIRouter, manager: Manager) -> None:
    @routes.get("/api/trash", response_model=list[Trashed], dependencies=needs(Permission.INSTANCES_VIEW))
    async def list_trash(request: Request) -> Response:
        """List deleted instances, newest first."""
        return _json(request, manager.trashcan.entries())

    @routes.post(
        "/api/trash/{id}/restore",
        response_model=Instance,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_EDIT),
    )
    async def restore_instance(request: Request, id: EntryId) -> Response:  # noqa: A002
        """Bring a deleted instance back."""
        return _made(request, manager, await manager.restoration.restore(id), 200)

    @routes.get("/api/unlisted", response_model=list[UnlistedFolder], dependencies=needs(Permission.INSTANCES_VIEW))
    async def list_unlisted(request: Request) -> Response:
        """List folders in `instances/` that belong to no instance, as a lost database leaves them."""
        return _json(request, await manager.restoration.unlisted())

    @routes.post(
        "/api/unlisted/{slug}/take-in",
        response_model=Instance,
        status_code=201,
        responses=problem_responses(409),
        dependencies=needs(Permission.INSTANCES_EDIT),
    )
    async def take_in(request: Request, slug: Slug) -> Response:
        """Make an instance of such a folder again; what runs in it goes on."""
        return _made(request, manager, await manager.restoration.take_in(slug))

    @routes.delete("/api/trash/{id}", status_code=204, dependencies=needs(Permission.INSTANCES_EDIT))
    async def remove_from_trash(id: EntryId) -> Response:  # noqa: A002
        """Remove a deleted instance for good."""
        await manager.removal.purge(id)
        return Response(status_code=204)
