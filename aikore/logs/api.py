"""The HTTP routes of logs. Thin: which folder belongs to an instance is told by ``resolve``."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio
from fastapi import APIRouter, Query, Request, WebSocket
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from aikore.auth.access import needs
from aikore.auth.permissions import Permission
from aikore.base.errors import AiKoreError, NotFoundError
from aikore.base.problems import problem_responses
from aikore.base.websockets import (
    NOT_FOUND,
    TRY_LATER,
    Removed,
    close,
    close_when,
    end_quietly,
    never,
    until_gone,
    until_one_ends,
)
from aikore.logs import search as searching
from aikore.logs import times
from aikore.logs.follow import DEFAULT_TAIL, Frame, follow
from aikore.logs.merged import merge
from aikore.logs.reader import read_text, tail_offset
from aikore.logs.segments import View, view

logger = logging.getLogger(__name__)
T = TypeVar("T")
Resolve = Callable[[str], Path]

READERS = 16
"""Blocking reads of logs at the same time, so that they leave threads to everything else."""
SEARCHERS = 2
"""Searches at the same time; each may use a core."""
MARKS_MAX = 500
BLOCK = 256 * 1024

Key = Annotated[str, PathParameter(min_length=1, max_length=80, description="An instance's id or slug.")]


class TimeMark(BaseModel):
    """From this byte on, output was written at this time or later."""

    model_config = ConfigDict(from_attributes=True)
    offset: int
    time: float = Field(description="Unix time in seconds.")


class LogText(BaseModel):
    """A stretch of an instance's log. Offsets count bytes over the instance's whole life and survive rotation."""

    offset: int = Field(description="Where the text begins; later than asked for when that was rotated away.")
    next: int = Field(description="Where to go on.")
    start: int = Field(description="The oldest offset that is kept.")
    end: int = Field(description="The offset behind the newest byte.")
    text: str
    times: list[TimeMark]


class LogMatch(BaseModel):
    """One place where the text was found."""

    model_config = ConfigDict(from_attributes=True)
    offset: int
    line_text: str = Field(description="The line around it, cut to 2,000 bytes.")
    time: float | None = Field(description="Unix time it was written at; null when unknown.")


class LogMatches(BaseModel):
    """What a search found so far."""

    matches: list[LogMatch]
    next: int = Field(description="Where to go on.")
    start: int
    end: int
    done: bool = Field(description="True when everything up to the end was searched.")


class MergedLine(BaseModel):
    """One line of one instance's log."""

    instance: int
    offset: int
    time: float | None = Field(description="Unix time it was written at, right to the second; null when unknown.")
    text: str = Field(description="The line, cut to 4,096 bytes.")


class MergedLines(BaseModel):
    """Lines of several logs in the order of time, oldest first."""

    lines: list[MergedLine]
    before: str | None = Field(description="Where to go on; null when there is nothing before.")
    ends: dict[int, int] = Field(description="Where each log ends now, to follow it from there.")


Offset = Annotated[int | None, Query(ge=0, le=2**62, description="Byte offset; the last 64 KiB when left out.")]
Limit = Annotated[
    int | None, Query(ge=1, le=2**20, description="Bytes of text (64 KiB), or matches (100, 1000 at most).")
]
Search = Annotated[str | None, Query(min_length=1, max_length=1000, description="Text to search, from the offset on.")]
CaseFlag = Annotated[bool, Query(alias="case", description="Tell capital and small letters apart.")]


Instances = Annotated[
    str, Query(pattern=r"^[0-9]{1,18}(,[0-9]{1,18}){0,49}$", description="Numbers of up to 50 instances, like `1,2`.")
]
Before = Annotated[
    str | None,
    Query(
        pattern=r"^([0-9]{1,12}(\.[0-9]{1,9})?|[0-9]{1,18}:[0-9]{1,18}(,[0-9]{1,18}:[0-9]{1,18}){0,49})$",
        description="A unix time, or what the last answer said in `before`; the newest lines when left out.",
    ),
]


class Reader:
    """Runs blocking reads in threads of their own number."""

    def __init__(self) -> None:
        self._reading = anyio.CapacityLimiter(READERS)
        self._searching = anyio.CapacityLimiter(SEARCHERS)

    async def run(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._reading)

    async def search(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._searching)


def router(resolve: Resolve, removed: Removed = never) -> APIRouter:
    """Build the routes.

    ``resolve`` gives the logs folder of an id or slug, or raises NotFoundError; ``removed`` returns when it is removed.
    """
    routes = APIRouter(tags=["logs"])
    reader = Reader()
    _add_read(routes, resolve, reader)
    _add_merged(routes, resolve, reader)
    _add_stream(routes, resolve, removed, reader)
    _add_download(routes, resolve, reader)
    return routes


def _add_read(routes: APIRouter, resolve: Resolve, reader: Reader) -> None:
    @routes.get(
        "/api/instances/{id}/logs",
        response_model=LogText | LogMatches,
        responses=problem_responses(403, 404, 409, 422, 500),
        dependencies=needs(Permission.LOGS_READ),
    )
    async def read_log(
        request: Request,
        id: Key,  # noqa: A002
        offset: Offset = None,
        limit: Limit = None,
        search: Search = None,
        case: CaseFlag = False,
    ) -> LogText | LogMatches:
        """Read a stretch of an instance's log, or search it (from its oldest byte when no offset is given)."""
        folder = resolve(id)
        if search is None:
            return await reader.run(lambda: _text(folder, offset, limit or DEFAULT_TAIL))
        most = min(limit or 100, 1000)
        return await _while_there(request, reader, lambda gone: _matches(folder, search, offset or 0, most, case, gone))


def _text(folder: Path, offset: int | None, limit: int) -> LogText:
    with view(folder) as log:
        start, end = log.start, log.end
        text = read_text(log, tail_offset(log, limit) if offset is None else offset, limit)
        marks = times.marks(log, text.offset, text.next, MARKS_MAX)
    found = [TimeMark(offset=mark.offset, time=mark.time) for mark in marks]
    return LogText(offset=text.offset, next=text.next, start=start, end=end, text=text.text, times=found)


def _matches(folder: Path, text: str, offset: int, most: int, case: bool, gone: threading.Event) -> LogMatches:
    with view(folder) as log:
        start, end = log.start, log.end
        at = min(offset, end)
        found = searching.search(log, text, at, limit=most, ignore_case=not case, cancelled=gone.is_set)
    matches = [LogMatch(offset=match.offset, line_text=match.line_text, time=match.time) for match in found.matches]
    return LogMatches(matches=matches, next=found.next, start=start, end=end, done=found.done)


async def _while_there(request: Request, reader: Reader, work: Callable[[threading.Event], T]) -> T:
    """Run ``work`` in a thread; tell it by an event when the client leaves or the server ends."""
    gone = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(watch())
    try:
        return await reader.search(lambda: work(gone))
    finally:
        gone.set()
        await end_quietly(watcher)


def _add_merged(routes: APIRouter, resolve: Resolve, reader: Reader) -> None:
    @routes.get(
        "/api/logs/merged",
        responses=problem_responses(403, 404, 409, 422, 500),
        dependencies=needs(Permission.LOGS_READ),
    )
    async def merge_logs(
        instances: Instances, before: Before = None, limit: Annotated[int, Query(ge=1, le=2000)] = 500
    ) -> MergedLines:
        """Read the lines of several instances in the order of time, from the newest back."""
        folders = {int(number): resolve(number) for number in instances.split(",")}
        return await reader.search(lambda: _merged(folders, before, limit))


def _merged(folders: dict[int, Path], before: str | None, limit: int) -> MergedLines:
    with ExitStack() as opened:
        logs = {number: opened.enter_context(view(folder)) for number, folder in folders.items()}
        ends = {number: log.end for number, log in logs.items()}
        found = merge(logs, _positions(logs, before), limit)
    lines = [
        MergedLine(instance=line.instance, offset=line.offset, time=line.time or None, text=line.text)
        for line in found.lines
    ]
    cursor = None if found.done else ",".join(f"{number}:{offset}" for number, offset in found.before.items())
    return MergedLines(lines=lines, before=cursor, ends=ends)


def _positions(logs: dict[int, View], before: str | None) -> dict[int, int]:
    """Return for each log the offset before which lines are wanted."""
    if before is None:
        return {number: log.end for number, log in logs.items()}
    if ":" not in before:
        return {number: times.offset_at(log, float(before)) for number, log in logs.items()}
    pairs = (pair.split(":") for pair in before.split(","))
    told = {int(number): int(offset) for number, offset in pairs}
    return {number: min(told.get(number, log.end), log.end) for number, log in logs.items()}


def _add_stream(routes: APIRouter, resolve: Resolve, removed: Removed, reader: Reader) -> None:
    @routes.websocket("/api/instances/{id}/logs/stream", dependencies=needs(Permission.LOGS_READ))
    async def stream_log(
        socket: WebSocket,
        id: str,  # noqa: A002
        offset: Annotated[int | None, Query(ge=0, le=2**62)] = None,
        tail: Annotated[int, Query(ge=0, le=2**30)] = DEFAULT_TAIL,
    ) -> None:
        await socket.accept()
        try:
            folder = resolve(id)
        except AiKoreError as error:
            await close(socket, NOT_FOUND if isinstance(error, NotFoundError) else TRY_LATER, error.message)
            return
        sides = _send(socket, reader, folder, offset, tail), until_gone(socket), close_when(removed(id), socket)
        await until_one_ends(*sides)


class _RefusedError(Exception):
    """The log cannot be followed; ``code`` and the message close the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


async def _send(socket: WebSocket, reader: Reader, folder: Path, offset: int | None, tail: int) -> None:
    frames = _followed(reader, folder, offset, tail)
    try:
        async for frame in frames:
            await socket.send_text(json.dumps(asdict(frame), ensure_ascii=False, separators=(",", ":")))
        await close(socket, NOT_FOUND, "the instance was removed")
    except _RefusedError as error:
        await close(socket, error.code, str(error))
    finally:
        await frames.aclose()


async def _followed(reader: Reader, folder: Path, offset: int | None, tail: int) -> AsyncGenerator[Frame, None]:
    """Follow the log; what goes wrong on our side (not the client's) is told and becomes a refusal."""
    try:
        async with aclosing(follow(folder, offset=offset, tail=tail, run=reader.run)) as frames:
            async for frame in frames:
                yield frame
    except NotFoundError as error:
        raise _RefusedError(NOT_FOUND, error.message) from error
    except AiKoreError as error:
        raise _RefusedError(TRY_LATER, error.message) from error
    except OSError as error:
        logger.warning("%s cannot be followed: %s", folder, error)
        full = error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSPC)
        advice = "too many open logs: close some, or raise fs.inotify.max_user_instances"
        raise _RefusedError(TRY_LATER, advice if full else f"the log cannot be read: {error.strerror}") from error


def _add_download(routes: APIRouter, resolve: Resolve, reader: Reader) -> None:
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "All bytes that are kept.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **problem_responses(403, 404, 409, 422, 500),
    }

    @routes.get(
        "/api/instances/{id}/logs/download",
        response_class=StreamingResponse,
        responses=responses,
        dependencies=needs(Permission.LOGS_READ),
    )
    async def download_log(id: Key) -> StreamingResponse:  # noqa: A002
        """Download the whole log that is kept."""
        folder = resolve(id)
        log = await reader.run(lambda: _pinned(folder))
        return _Download(log, reader, f"{folder.parent.name}.log")


def _pinned(folder: Path) -> View:
    log = view(folder)
    try:
        log.pin()
    except BaseException:
        log.close()
        raise
    return log


class _Download(StreamingResponse):
    """Streams a pinned view with flat memory and closes it however the answer ends."""

    def __init__(self, log: View, reader: Reader, name: str) -> None:
        self._log = log
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(log.size)}
        super().__init__(_blocks(log, reader), media_type="text/plain; charset=utf-8", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._log.close()


async def _blocks(log: View, reader: Reader) -> AsyncIterator[bytes]:
    position, end = log.start, log.end
    while position < end:
        at = position
        piece = await reader.run(lambda at=at: log.read(at, BLOCK))  # type: ignore[misc]
        if not piece.data:
            return
        position = piece.next
        yield piece.data
