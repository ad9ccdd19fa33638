"""The HTTP routes of files. Thin; everything that blocks runs in threads of this room's own number."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from aikore.auth.access import needs
from aikore.auth.guard import DETAIL_KEY
from aikore.auth.permissions import Permission
from aikore.base.disk import require_space
from aikore.base.errors import InvalidError
from aikore.base.etags import IfMatch, etag, version_in
from aikore.base.problems import problem_responses
from aikore.config.home import HomeSettings
from aikore.files import download, listing, trash, writing
from aikore.files.schemas import (
    PATH_MAX,
    DeletedView,
    EntryView,
    FolderView,
    Move,
    NewFolder,
    Saved,
    TextSave,
    TextView,
)
from aikore.files.tree import Parts, Place, PlaceName, place_of
from aikore.naming import file_parts, new_file_parts

T = TypeVar("T")
Identify = Callable[[str], tuple[int, str]]
"""Returns id and slug of an id or slug; raises NotFoundError."""

WORKERS = 8
"""Blocking pieces of work at the same time, so that they leave threads to everything else."""
UPLOAD_BLOCK = 2**20
"""Bytes of an upload that are held in memory before they are written."""
BASE = "/api/instances/{id}/files"

Key = Annotated[str, PathParameter(min_length=1, max_length=80, description="An instance's id or slug.")]
EntryId = Annotated[str, PathParameter(min_length=1, max_length=120, description="A deleted file's id.")]
PathQuery = Annotated[str, Query(max_length=PATH_MAX, description="Below the place, like `custom_nodes/a.py`.")]
PlaceQuery = Annotated[PlaceName, Query(description="The instance's folder, or its outputs.")]
COMMON = problem_responses(400, 403, 404, 409, 422, 500, 507)
OCTETS: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class InstanceFolders:
    """What all routes need: where an instance's files lie, and threads to work in."""

    def __init__(self, settings: HomeSettings, identify: Identify) -> None:
        self._settings = settings
        self._identify = identify
        self._threads = anyio.CapacityLimiter(WORKERS)

    def place(self, key: str, name: PlaceName) -> Place:
        """Return a folder of an instance. Raises NotFoundError."""
        return place_of(self._settings, self._identify(key)[1], name)

    def home(self, key: str) -> Place:
        return self.place(key, PlaceName.INSTANCE)

    def places(self, key: str) -> dict[PlaceName, Place]:
        return {name: self.place(key, name) for name in PlaceName}

    async def run(self, work: Callable[..., T], *values: Any) -> T:
        return await anyio.to_thread.run_sync(partial(work, *values), limiter=self._threads)


def router(settings: HomeSettings, identify: Identify) -> APIRouter:
    """Build the routes. ``identify`` gives id and slug of an instance."""
    routes = APIRouter(tags=["files"], responses=COMMON)
    folders = InstanceFolders(settings, identify)
    _add_looking(routes, folders)
    _add_text(routes, folders)
    _add_transfers(routes, folders)
    _add_changes(routes, folders)
    _add_trash(routes, folders)
    return routes


def _add_looking(routes: APIRouter, folders: InstanceFolders) -> None:
    @routes.get(BASE, dependencies=needs(Permission.FILES_READ))
    async def list_files(
        id: Key,  # noqa: A002
        path: PathQuery = "",
        place: PlaceQuery = PlaceName.INSTANCE,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> FolderView:
        """List a folder, a page at a time."""
        page = await folders.run(listing.list_folder, folders.place(id, place), file_parts(path), offset, limit)
        entries = [EntryView.model_validate(entry) for entry in page.entries]
        return FolderView(place=place, path=path, entries=entries, offset=offset, total=page.total, more=page.more)


def _add_text(routes: APIRouter, folders: InstanceFolders) -> None:
    @routes.get(f"{BASE}/text", dependencies=needs(Permission.FILES_READ))
    async def read_file(
        id: Key,  # noqa: A002
        response: Response,
        path: PathQuery,
        place: PlaceQuery = PlaceName.INSTANCE,
    ) -> TextView:
        """Read a text file of at most 2 MiB."""
        text = await folders.run(writing.read_text, folders.place(id, place), file_parts(path))
        response.headers["ETag"] = etag(text.version)
        return TextView(content=text.content, version=text.version)

    @routes.put(f"{BASE}/text", responses=problem_responses(412), dependencies=needs(Permission.FILES_WRITE))
    async def save_file(
        request: Request,
        id: Key,  # noqa: A002
        response: Response,
        wanted: TextSave,
        path: PathQuery,
        place: PlaceQuery = PlaceName.INSTANCE,
        if_match: IfMatch = None,
    ) -> Saved:
        """Save a text file, if nobody changed it meanwhile; without If-Match make a new one."""
        request.scope[DETAIL_KEY] = path
        expected = version_in(if_match)
        version = await folders.run(
            writing.write_text, folders.place(id, place), file_parts(path), wanted.content, expected
        )
        response.headers["ETag"] = etag(version)
        return Saved(version=version)


def _add_transfers(routes: APIRouter, folders: InstanceFolders) -> None:
    @routes.put(
        f"{BASE}/content",
        status_code=201,
        openapi_extra={"requestBody": {"content": OCTETS, "required": True}},
        dependencies=needs(Permission.FILES_WRITE),
    )
    async def upload_file(
        request: Request,
        id: Key,  # noqa: A002
        path: PathQuery,
        place: PlaceQuery = PlaceName.INSTANCE,
        overwrite: Annotated[bool, Query(description="Replace a file that has this name.")] = False,
    ) -> EntryView:
        """Upload a file: the body is its content, of any size."""
        request.scope[DETAIL_KEY] = path
        parts = new_file_parts(path)
        target = folders.place(id, place)
        target.require_changeable(parts)
        await _receive(request, folders, target, parts, overwrite)
        return EntryView.model_validate(await folders.run(listing.describe, target, parts))

    @routes.get(
        f"{BASE}/content",
        response_class=StreamingResponse,
        responses={
            200: {"description": "The file, or the folder as a zip archive.", "content": OCTETS},
            206: {"description": "The part of the file that `Range` asked for.", "content": OCTETS},
            **problem_responses(416),
        },
        dependencies=needs(Permission.FILES_READ),
    )
    async def download_file(
        request: Request,
        id: Key,  # noqa: A002
        path: PathQuery = "",
        place: PlaceQuery = PlaceName.INSTANCE,
    ) -> StreamingResponse:
        """Download a file, or a folder as a zip archive. Links are left out."""
        source, parts = folders.place(id, place), file_parts(path)
        if not parts or (await folders.run(listing.describe, source, parts)).kind == "folder":
            return await _zip(folders, source, parts)
        return await _file(folders, source, parts, request.headers)


async def _receive(request: Request, folders: InstanceFolders, target: Place, parts: Parts, overwrite: bool) -> None:
    """Write a request's body into a file that takes its place at the end; whatever fails leaves nothing behind."""
    announced = request.headers.get("content-length", "")
    needed = int(announced) if announced.isascii() and announced.isdigit() else 0
    open_things = ExitStack()
    try:
        folder, name, new = await folders.run(_begin_upload, open_things, target, parts, overwrite, needed)
        held = bytearray()
        async for chunk in request.stream():
            held += chunk
            if len(held) >= UPLOAD_BLOCK:
                await folders.run(new.write, bytes(held))
                held.clear()
        await folders.run(new.write, bytes(held))
        await folders.run(writing.place_upload, folder, name, new, overwrite)
    except ClientDisconnect:
        raise InvalidError("The upload broke off. Nothing was changed.") from None
    finally:
        with anyio.CancelScope(shield=True):
            await folders.run(open_things.close)


def _begin_upload(
    open_things: ExitStack, target: Place, parts: Parts, overwrite: bool, needed: int
) -> tuple[int, str, writing.NewFile]:
    """Refuse what cannot end well before the body is read, then open the new file."""
    folder, name = open_things.enter_context(target.parent_of(parts))
    writing.mode_to_replace(folder, name, overwrite)
    require_space(folder, target.reserve, needed)
    return folder, name, open_things.enter_context(writing.new_file(target, folder))


async def _zip(folders: InstanceFolders, source: Place, parts: Parts) -> StreamingResponse:
    with ExitStack() as looked:
        await folders.run(looked.enter_context, source.folder(parts))
    name = f"{parts[-1] if parts else source.slug}.zip"
    return _Download(folders, download.zip_blocks(source, parts), ExitStack(), name, {})


async def _file(folders: InstanceFolders, source: Place, parts: Parts, asked: Headers) -> StreamingResponse:
    """Send a file, or the part that was asked for while it still is the same file."""
    with ExitStack() as opened:
        fd = await folders.run(opened.enter_context, source.file(parts))
        status = os.fstat(fd)
        tag = f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'
        wanted = download.wanted_range(asked.get("range", ""), status.st_size)
        if asked.get("if-range", tag) != tag:
            wanted = None
        start, end = wanted or (0, status.st_size)
        headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(end - start)}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{status.st_size}"
        blocks = download.file_blocks(fd, start, end)
        return _Download(folders, blocks, opened.pop_all(), parts[-1], headers, 206 if wanted else 200)


class _Download(StreamingResponse):
    """Sends blocks, always as a file to be saved and never as a page, and lets go of the file however that ends."""

    def __init__(
        self,
        folders: InstanceFolders,
        blocks: Generator[bytes, None, None],
        opened: ExitStack,
        name: str,
        headers: dict[str, str],
        status: int = 200,
    ) -> None:
        self._folders, self._pieces, self._opened = folders, blocks, opened
        headers = headers | {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "no-cache",
        }
        super().__init__(self._blocks(), status, media_type="application/octet-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._folders.run(self._pieces.close)
                await self._folders.run(self._opened.close)

    async def _blocks(self) -> AsyncIterator[bytes]:
        while (block := await self._folders.run(next, self._pieces, None)) is not None:
            if block:
                yield block


def _add_changes(routes: APIRouter, folders: InstanceFolders) -> None:
    @routes.post(f"{BASE}/folder", status_code=201, dependencies=needs(Permission.FILES_WRITE))
    async def make_folder(
        request: Request,
        id: Key,  # noqa: A002
        wanted: NewFolder,
        place: PlaceQuery = PlaceName.INSTANCE,
    ) -> EntryView:
        """Make a folder."""
        request.scope[DETAIL_KEY] = wanted.path
        target, parts = folders.place(id, place), new_file_parts(wanted.path)
        await folders.run(writing.make_folder, target, parts)
        return EntryView.model_validate(await folders.run(listing.describe, target, parts))

    @routes.post(f"{BASE}/move", dependencies=needs(Permission.FILES_WRITE))
    async def move_file(
        request: Request,
        id: Key,  # noqa: A002
        wanted: Move,
        place: PlaceQuery = PlaceName.INSTANCE,
    ) -> EntryView:
        """Rename something, or move it to another folder. Never over something that exists."""
        request.scope[DETAIL_KEY] = f"{wanted.path} → {wanted.to}"
        target, to = folders.place(id, place), new_file_parts(wanted.to)
        await folders.run(writing.move, target, file_parts(wanted.path), to)
        return EntryView.model_validate(await folders.run(listing.describe, target, to))

    @routes.delete(
        BASE,
        response_model=DeletedView,
        responses={204: {"description": "Removed for good."}},
        dependencies=needs(Permission.FILES_WRITE),
    )
    async def delete_file(
        request: Request,
        id: Key,  # noqa: A002
        path: PathQuery,
        place: PlaceQuery = PlaceName.INSTANCE,
        permanent: Annotated[bool, Query(description="Remove it for good instead of moving it to the trash.")] = False,
    ) -> DeletedView | Response:
        """Move a file or folder to the trash of its instance."""
        request.scope[DETAIL_KEY] = path
        target, parts = folders.place(id, place), file_parts(path)
        if permanent:
            await folders.run(writing.remove, target, parts)
            return Response(status_code=204)
        return DeletedView.model_validate(await folders.run(trash.throw_away, folders.home(id), target, parts))


def _add_trash(routes: APIRouter, folders: InstanceFolders) -> None:
    @routes.get(f"{BASE}/trash", dependencies=needs(Permission.FILES_READ))
    async def list_deleted_files(id: Key) -> list[DeletedView]:  # noqa: A002
        """List deleted files, newest first."""
        return [DeletedView.model_validate(one) for one in await folders.run(trash.list_trash, folders.places(id))]

    @routes.post(f"{BASE}/trash/{{entry}}/restore", dependencies=needs(Permission.FILES_WRITE))
    async def restore_file(id: Key, entry: EntryId) -> DeletedView:  # noqa: A002
        """Bring a deleted file back to where it was."""
        return DeletedView.model_validate(await folders.run(trash.restore, folders.places(id), entry))

    @routes.delete(f"{BASE}/trash/{{entry}}", status_code=204, dependencies=needs(Permission.FILES_WRITE))
    async def remove_deleted_file(id: Key, entry: EntryId) -> Response:  # noqa: A002
        """Remove a deleted file for good."""
        await folders.run(trash.remove_for_good, folders.places(id), entry)
        return Response(status_code=204)
