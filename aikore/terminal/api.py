"""The routes of terminals. Binary frames are bytes in both directions; text frames are typed JSON controls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response, WebSocket
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from aikore.auth.access import needs
from aikore.auth.guard import DETAIL_KEY
from aikore.auth.identity import Identity, identity_in
from aikore.auth.permissions import Permission
from aikore.base.errors import AccessDeniedError, AiKoreError, NotFoundError
from aikore.base.problems import problem_responses
from aikore.base.websockets import BAD_CONTROL, NOT_FOUND, NOT_NOW, OVER, close, until_one_ends
from aikore.terminal.session import Session, Viewer
from aikore.terminal.shell import Shell
from aikore.terminal.terminals import Terminals

SEND_TIMEOUT = 12.0
"""Seconds a viewer may take to accept one frame before it is let go."""
PASTE_MOST = 16 * 2**20
"""Bytes of one frame of input."""
ShellOf = Callable[[str], Shell]
"""Returns the shell of an instance by id or slug; raises NotFoundError."""

Title = Annotated[str, StringConstraints(max_length=200)]
Side = Annotated[int, Field(ge=1, le=10_000)]


class _Control(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Resize(_Control):
    type: Literal["resize"]
    columns: Side
    rows: Side


class Ack(_Control):
    type: Literal["ack"]
    offset: int = Field(ge=0)


class SetTitle(_Control):
    type: Literal["title"]
    title: Title


class Answer(_Control):
    """A person turned to this viewer."""

    type: Literal["answer"]


Control = Resize | Ack | SetTitle | Answer
CONTROLS: TypeAdapter[Control] = TypeAdapter(Annotated[Control, Field(discriminator="type")])


class Terminal(BaseModel):
    """An open terminal. ``command`` has it now; ``viewers`` look at it."""

    id: str
    instance: int | None
    name: str
    title: str
    columns: int
    rows: int
    viewers: int
    command: str
    created_at: str


class Rename(BaseModel):
    """A terminal's name."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]


Id = Annotated[str, Path(min_length=1, max_length=64)]
At = Annotated[int | None, Query(ge=0, le=2**62, description="Go on from here: what was received so far.")]
Columns = Annotated[int, Query(ge=1, le=10_000)]
SessionId = Annotated[str | None, Query(max_length=64, description="An open terminal to look at.")]


def router(terminals: Terminals, shell_of: ShellOf, house: Shell) -> APIRouter:
    """Build the routes; ``house`` is the shell of AiKore itself."""
    routes = APIRouter(tags=["terminals"], responses=problem_responses(400, 401, 403, 404, 422, 500))
    _add_sockets(routes, terminals, shell_of, house)
    _add_list(routes, terminals)
    return routes


def _may(identity: Identity, session: Session) -> bool:
    """Say whether somebody who may use terminals may use this one: AiKore's own ones take more."""
    if identity.instance is not None and identity.instance != session.shell.instance:
        return False
    return session.shell.instance is not None or identity.may(Permission.SYSTEM_TERMINAL)


def _add_list(routes: APIRouter, terminals: Terminals) -> None:
    def find(request: Request, number: str) -> Session:
        session = terminals.get(number)
        if not _may(identity_in(request.scope), session):
            raise AccessDeniedError("Terminals of AiKore itself are for admins.")
        request.scope[DETAIL_KEY] = session.name or session.title
        return session

    @routes.get("/api/terminals", response_model=list[Terminal], dependencies=needs(Permission.TERMINALS))
    def list_terminals(request: Request) -> list[dict[str, Any]]:
        """List the open terminals."""
        identity = identity_in(request.scope)
        return [one.view() for one in terminals.all() if _may(identity, one)]

    @routes.patch("/api/terminals/{id}", response_model=Terminal, dependencies=needs(Permission.TERMINALS))
    async def name_terminal(request: Request, id: Id, wanted: Rename) -> dict[str, Any]:  # noqa: A002
        """Give a terminal a name."""
        session = find(request, id)
        session.name = wanted.name
        return session.view()

    @routes.delete("/api/terminals/{id}", status_code=204, dependencies=needs(Permission.TERMINALS))
    async def end_terminal(request: Request, id: Id) -> Response:  # noqa: A002
        """End a terminal with all its programs."""
        await find(request, id).end()
        return Response(status_code=204)


def _add_sockets(routes: APIRouter, terminals: Terminals, shell_of: ShellOf, house: Shell) -> None:
    async def serve(
        socket: WebSocket, shell: Callable[[], Shell], number: str | None, at: int | None, size: tuple[int, int]
    ) -> None:
        await socket.accept()
        try:
            wanted = shell()
            session = terminals.get(number) if number else await terminals.open(wanted, size)
            if session.shell.instance != wanted.instance:
                raise NotFoundError("This terminal belongs to another instance.")
        except AiKoreError as error:
            code = NOT_FOUND if isinstance(error, NotFoundError) else NOT_NOW
            await close(socket, code, error.message)
            return
        await _show(socket, session, at)

    @routes.websocket("/api/instances/{id}/terminal", dependencies=needs(Permission.TERMINALS))
    async def instance_terminal(
        socket: WebSocket,
        id: str,  # noqa: A002
        session: SessionId = None,
        offset: At = None,
        columns: Columns = 80,
        rows: Columns = 24,
    ) -> None:
        await serve(socket, lambda: shell_of(id), session, offset, (columns, rows))

    @routes.websocket("/api/terminal", dependencies=needs(Permission.SYSTEM_TERMINAL))
    async def house_terminal(
        socket: WebSocket, session: SessionId = None, offset: At = None, columns: Columns = 80, rows: Columns = 24
    ) -> None:
        await serve(socket, lambda: house, session, offset, (columns, rows))


async def _show(socket: WebSocket, session: Session, at: int | None) -> None:
    """Connect a socket with a terminal until one of them ends."""
    viewer = session.attach(at)
    try:
        await until_one_ends(_send(socket, session, viewer), _receive(socket, session, viewer))
    finally:
        session.detach(viewer)


async def _send(socket: WebSocket, session: Session, viewer: Viewer) -> None:
    while (piece := await session.next(viewer)) is not None:
        async with asyncio.timeout(SEND_TIMEOUT):
            if isinstance(piece, bytes):
                await socket.send_bytes(piece)
                session.sent(viewer, len(piece))
            else:
                await socket.send_text(json.dumps(piece, ensure_ascii=False))
    await socket.send_text(json.dumps({"type": "exit", "code": session.exit_code}))
    await close(socket, OVER, "the shell ended")


async def _receive(socket: WebSocket, session: Session, viewer: Viewer) -> None:
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        if data := message.get("bytes"):
            await session.pty.write(data)
        elif text := message.get("text"):
            try:
                _obey(CONTROLS.validate_json(text), session, viewer)
            except ValidationError:
                await close(socket, BAD_CONTROL, "text frames are controls: resize, ack, title or answer")
                return


def _obey(control: Control, session: Session, viewer: Viewer) -> None:
    match control:
        case Resize():
            session.resize(viewer, (control.columns, control.rows))
        case Ack():
            session.acknowledged(viewer, control.offset)
        case SetTitle():
            session.retitle(control.title)
        case Answer():
            session.answer(viewer)
