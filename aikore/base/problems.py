"""Maps errors to RFC 9457 problem documents, once for the whole house."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from aikore.base.errors import AiKoreError

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """A problem document (RFC 9457). ``code`` is stable; ``detail`` is for people."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable name of the problem, for programs.")
    retry_after: int | None = Field(None, description="Seconds to wait, for code `slow_down`.")
    errors: list[dict[str, Any]] | None = Field(None, description="Which fields are wrong, for code `invalid`.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems a route may answer with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """Build the answer for a problem."""
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **more}
    wait = more.get("retry_after", 2 if status == HTTPStatus.SERVICE_UNAVAILABLE else None)
    headers = {"Retry-After": str(wait)} if wait is not None else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="AiKore"'  # RFC 9110, 11.6.1
    return JSONResponse(document, status, media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error with a problem document."""
    app.add_exception_handler(AiKoreError, _on_aikore_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_aikore_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AiKoreError)
    return problem(error.status, error.code, error.message, **error.context)


async def _on_validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [{"field": ".".join(str(p) for p in e["loc"]), "message": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{e['field']}: {e['message']}" for e in fields[:5])
    return problem(422, "invalid", f"The request is not as it must be. {detail}", errors=fields)


async def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    answer = problem(error.status_code, code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "internal_error", "Something went wrong inside AiKore; its log has the details.")
