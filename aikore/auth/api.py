"""The HTTP routes of logging in and of who belongs to the house. Thin: the gate knows the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from aikore.auth import access
from aikore.auth.access import needs
from aikore.auth.credentials import Presented
from aikore.auth.gate import Gate
from aikore.auth.guard import DETAIL_KEY, PRESENTED_KEY
from aikore.auth.identity import SCOPE_KEY, Identity, identity_in
from aikore.auth.passwords import matches
from aikore.auth.permissions import SCOPES, Permission, Role, role_of
from aikore.auth.rows import InviteRow, SessionRow, TokenRow, UserRow
from aikore.auth.schemas import (
    AuditEntry,
    Invite,
    InviteCreate,
    Join,
    Link,
    Login,
    Me,
    NewInvite,
    NewToken,
    PasswordChange,
    Person,
    PersonChange,
    Session,
    Setup,
    Status,
    Token,
    TokenCreate,
)
from aikore.auth.tokens import Wanted
from aikore.auth.weblinks import Weblinks, is_https
from aikore.base.errors import AccessDeniedError, InvalidError, NotFoundError, WrongCredentialError
from aikore.base.problems import problem_responses
from aikore.naming import clean_name

Number = Annotated[int, Path(ge=1, le=2**53)]
InstanceId = Callable[[str], int]
COMMON = problem_responses(400, 401, 403, 422, 500, 507)


def router(gate: Gate, links: Weblinks, instance_id: InstanceId) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/api/auth", tags=["access"], responses=COMMON)
    _add_login(routes, gate)
    _add_self(routes, gate)
    _add_tokens(routes, gate, instance_id)
    _add_people(routes, gate, links)
    return routes


def _presented(request: Request) -> Presented:
    found = request.scope[PRESENTED_KEY]
    assert isinstance(found, Presented)
    return found


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")


def give_cookie(response: Response, gate: Gate, secret: str, request: Request, path: str = "") -> None:
    """Set the session cookie. Lax: a link from elsewhere opens the page, a foreign form or script sends nothing."""
    response.set_cookie(
        gate.cookie_name,
        secret,
        max_age=gate.sessions.seconds,
        path=path or gate.settings.cookie_path,
        httponly=True,
        samesite="lax",
        secure=is_https(request, gate.settings),
    )


def _add_login(routes: APIRouter, gate: Gate) -> None:
    @routes.get("/status", response_model=Status, dependencies=access.OPEN)
    async def access_status(request: Request) -> Status:
        """Say whether a login is needed and who is logged in."""
        identity: Identity | None = request.scope[SCOPE_KEY]
        return Status(
            auth="on" if gate.on else "off",
            setup=gate.needs_setup,
            names=len(gate.people.all()) > 1,
            identity=Me(**identity.as_dict()) if identity else None,
            permissions=sorted(identity.permissions) if identity else [],
        )

    def entered(gate: Gate, opened: tuple[SessionRow, str], request: Request, response: Response) -> Me:
        row, secret = opened
        give_cookie(response, gate, secret, request)
        user = gate.people.get(row.user_id)
        return Me(name=user.name, role=user.role, via="session")  # type: ignore[arg-type]

    @routes.post("/login", response_model=Me, dependencies=access.OPEN, responses=problem_responses(429))
    async def log_in(request: Request, response: Response, wanted: Login) -> Me:
        """Log in and get the session cookie."""
        presented, agent = _presented(request), _agent(request)
        if (wanted.link is None) == (wanted.password is None):
            raise InvalidError("Send either a password or the secret of a link.")
        if wanted.link is not None:
            opened = await gate.follow_link(wanted.link, presented, agent)
        else:
            opened = await gate.log_in(wanted.name, wanted.password or "", presented, agent)
        return entered(gate, opened, request, response)

    @routes.post("/setup", response_model=Me, dependencies=access.OPEN, responses=problem_responses(409, 429))
    async def set_up(request: Request, response: Response, wanted: Setup) -> Me:
        """Become the owner, with the link that AiKore printed at its first start."""
        opened = await gate.set_up(wanted.setup, wanted.name, wanted.password, _presented(request), _agent(request))
        return entered(gate, opened, request, response)

    @routes.post("/join", response_model=Me, dependencies=access.OPEN, responses=problem_responses(404, 409, 429))
    async def join(request: Request, response: Response, wanted: Join) -> Me:
        """Take up an invitation."""
        opened = await gate.join(wanted.invite, wanted.name, wanted.password, _presented(request), _agent(request))
        return entered(gate, opened, request, response)


def _user(gate: Gate, request: Request) -> UserRow:
    """Return the person behind a request. Raises AccessDeniedError where it is none."""
    identity = identity_in(request.scope)
    if identity.user_id is None or identity.via == "token":
        raise AccessDeniedError(f"Only somebody who logged in has this; {identity.name} did not.")
    return gate.people.get(identity.user_id)


def _add_self(routes: APIRouter, gate: Gate) -> None:
    @routes.post("/logout", status_code=204, dependencies=needs(Permission.ACCOUNT))
    async def log_out(
        request: Request,
        everywhere: Annotated[bool, Query(description="End all sessions of this person.")] = False,
    ) -> Response:
        """End this session, or all of this person."""
        presented = _presented(request)
        row = gate.sessions.find(presented.cookie)
        if everywhere:
            await gate.sessions.end(*gate.sessions.of(_user(gate, request).id))
        elif row is not None:
            await gate.sessions.end(row)
        answer = Response(status_code=204)
        answer.delete_cookie(gate.cookie_name, path=gate.settings.cookie_path)
        return answer

    @routes.put("/password", status_code=204, dependencies=needs(Permission.ACCOUNT), responses=problem_responses(404))
    async def change_password(request: Request, wanted: PasswordChange) -> Response:
        """Change one's own password; all other sessions end. This machine may change anybody's."""
        identity = identity_in(request.scope)
        if identity.via in ("machine", "open"):
            if gate.needs_setup:
                request.scope[DETAIL_KEY] = (await gate.make_owner(wanted.name, wanted.new)).name
                return Response(status_code=204)
            user = gate.people.named(wanted.name) if wanted.name else gate.people.owner
            if user is None:
                raise NotFoundError("There is nobody of this name.")
        else:
            user = _user(gate, request)
            if not await matches(wanted.old or "", user.password or None):
                raise WrongCredentialError("The old password is another one. Try again.")
        await gate.set_password(user, wanted.new, identity.credential)
        request.scope[DETAIL_KEY] = user.name
        return Response(status_code=204)

    @routes.get("/sessions", response_model=list[Session], dependencies=needs(Permission.ACCOUNT))
    async def list_sessions(request: Request) -> list[Session]:
        """List one's own sessions."""
        current = gate.sessions.find(_presented(request).cookie)
        rows = gate.sessions.of(_user(gate, request).id)
        return [_session(row, current) for row in rows if row.parent_id is None]

    @routes.delete(
        "/sessions/{id}", status_code=204, dependencies=needs(Permission.ACCOUNT), responses=problem_responses(404)
    )
    async def end_session(request: Request, id: Number) -> Response:  # noqa: A002
        """End one of one's own sessions."""
        await gate.sessions.end(gate.sessions.get(_user(gate, request).id, id))
        return Response(status_code=204)


def _session(row: SessionRow, current: SessionRow | None) -> Session:
    names = ("id", "address", "agent", "created_at", "expires_at")
    return Session(**{name: getattr(row, name) for name in names}, current=current is not None and row.id == current.id)


def _add_tokens(routes: APIRouter, gate: Gate, instance_id: InstanceId) -> None:
    def owner(row: TokenRow) -> str | None:
        found = gate.people.role(row.user_id) if row.user_id is not None else None
        return found[0] if found else None

    def shown(row: TokenRow) -> dict[str, Any]:
        names = ("id", "name", "hint", "scope", "created_at", "expires_at", "last_used_at")
        return {**{n: getattr(row, n) for n in names}, "instance": row.instance_id, "owner": owner(row)}

    def may_see(identity: Identity, row: TokenRow) -> bool:
        return identity.may(Permission.PEOPLE_MANAGE) or (row.user_id is not None and row.user_id == identity.user_id)

    @routes.get("/tokens", response_model=list[Token], dependencies=needs(Permission.ACCOUNT))
    async def list_tokens(request: Request) -> list[dict[str, Any]]:
        """List one's own API tokens; an admin sees all."""
        identity = identity_in(request.scope)
        return [shown(row) for row in gate.tokens.all() if may_see(identity, row)]

    @routes.post(
        "/tokens", response_model=NewToken, status_code=201, dependencies=needs(Permission.ACCOUNT),
        responses=problem_responses(404, 409),
    )  # fmt: skip
    async def create_token(request: Request, wanted: TokenCreate) -> dict[str, Any]:
        """Make an API token. It is shown this once."""
        identity = identity_in(request.scope)
        if identity.via == "token":
            raise AccessDeniedError("A token cannot make tokens. Log in.")
        if identity.via == "header" and identity.user_id is None:
            raise AccessDeniedError(
                f"{identity.name} has no account here, and a token needs one. Ask for an invitation."
            )
        if not SCOPES[wanted.scope].permissions <= identity.permissions:
            raise AccessDeniedError(f"{identity.name} has the role {identity.role.word} and cannot give more away.")
        number = instance_id(wanted.instance) if wanted.instance is not None else None
        name = clean_name(wanted.name)
        row, token = await gate.tokens.create(Wanted(name, wanted.scope, number, wanted.days), identity.user_id)
        request.scope[DETAIL_KEY] = f"{name}: {wanted.scope}"
        return {**shown(row), "token": token}

    @routes.delete(
        "/tokens/{id}", status_code=204, dependencies=needs(Permission.ACCOUNT), responses=problem_responses(404)
    )
    async def revoke_token(request: Request, id: Number) -> Response:  # noqa: A002
        """Revoke an API token; what it opened ends."""
        row = gate.tokens.get(id)
        if not may_see(identity_in(request.scope), row):
            raise NotFoundError("There is no such token; it may have been revoked already.")
        await gate.tokens.revoke(row)
        request.scope[DETAIL_KEY] = row.name
        return Response(status_code=204)


def _add_people(routes: APIRouter, gate: Gate, links: Weblinks) -> None:
    def shown(row: UserRow) -> Person:
        sessions = [session for session in gate.sessions.of(row.id) if session.parent_id is None]
        return Person(id=row.id, name=row.name, role=row.role, created_at=row.created_at, sessions=len(sessions))  # type: ignore[arg-type]

    def invite(row: InviteRow) -> dict[str, Any]:
        return {n: getattr(row, n) for n in ("id", "role", "created_by", "created_at", "expires_at")}

    def require_above(identity: Identity, role: Role) -> None:
        """Only the owner deals with admins."""
        if Permission.PEOPLE_MANAGE in role.permissions and not identity.may(Permission.ADMINS_MANAGE):
            raise AccessDeniedError("Only the owner makes, changes and removes admins.")

    @routes.get("/users", response_model=list[Person], dependencies=needs(Permission.PEOPLE_MANAGE))
    async def list_people() -> list[Person]:
        """List who belongs here."""
        return [shown(row) for row in gate.people.all()]

    @routes.patch(
        "/users/{id}",
        response_model=Person,
        dependencies=needs(Permission.PEOPLE_MANAGE),
        responses=problem_responses(404),
    )
    async def change_person(request: Request, id: Number, wanted: PersonChange) -> Person:  # noqa: A002
        """Give a person another role."""
        identity, row = identity_in(request.scope), gate.people.get(id)
        require_above(identity, role_of(row.role))
        require_above(identity, role_of(wanted.role))
        if row.role == Role.OWNER.word:
            raise AccessDeniedError("The owner stays the owner.")
        await gate.people.change(row, role=wanted.role)
        gate.end_sockets(row)
        request.scope[DETAIL_KEY] = f"{row.name}: {wanted.role}"
        return shown(row)

    @routes.delete(
        "/users/{id}", status_code=204, dependencies=needs(Permission.PEOPLE_MANAGE), responses=problem_responses(404)
    )
    async def remove_person(request: Request, id: Number) -> Response:  # noqa: A002
        """Take a person out of the house, with their sessions and tokens."""
        row = gate.people.get(id)
        require_above(identity_in(request.scope), role_of(row.role))
        await gate.remove(row)
        request.scope[DETAIL_KEY] = row.name
        return Response(status_code=204)

    @routes.get("/invites", response_model=list[Invite], dependencies=needs(Permission.PEOPLE_MANAGE))
    async def list_invites() -> list[dict[str, Any]]:
        """List open invitations."""
        return [invite(row) for row in gate.people.invites()]

    @routes.post(
        "/invites", response_model=NewInvite, status_code=201, dependencies=needs(Permission.PEOPLE_MANAGE),
        responses=problem_responses(409),
    )  # fmt: skip
    async def create_invite(request: Request, wanted: InviteCreate) -> dict[str, Any]:
        """Make a link by which somebody may join. It is shown this once and good for a week."""
        identity = identity_in(request.scope)
        require_above(identity, role_of(wanted.role))
        row, secret = await gate.people.invite(role_of(wanted.role), identity.name)
        request.scope[DETAIL_KEY] = wanted.role
        return {**invite(row), "secret": secret, "url": links.login(request, f"invite={secret}")}

    @routes.delete(
        "/invites/{id}", status_code=204, dependencies=needs(Permission.PEOPLE_MANAGE), responses=problem_responses(404)
    )
    async def withdraw_invite(id: Number) -> Response:  # noqa: A002
        """Withdraw an invitation."""
        await gate.people.withdraw(id)
        return Response(status_code=204)

    @routes.post(
        "/links",
        response_model=Link,
        status_code=201,
        dependencies=needs(Permission.OWNER_LINK),
        responses=problem_responses(404),
    )
    async def create_link(request: Request) -> Link:
        """Make a link that logs the owner in once, within ten minutes; before there is an owner: the setup link."""
        if gate.needs_setup:
            return Link(url=links.login(request, f"setup={gate.setup_token()}"))
        if gate.people.owner is None:
            raise NotFoundError("No login is needed here (AIKORE_AUTH=off).")
        return Link(url=links.login(request, f"link={gate.links.make(True)}"))

    @routes.get("/audit", response_model=list[AuditEntry], dependencies=needs(Permission.AUDIT_READ))
    async def read_audit(
        before: Annotated[int | None, Query(ge=1, le=2**53, description="Entries older than this id.")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[dict[str, Any]]:
        """Read the audit log, newest first."""
        return await gate.audit.page(before, limit)
