"""The OpenAPI document, and a page to browse it with files of our own machine."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Path, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from aikore.auth.access import needs
from aikore.auth.permissions import Permission
from aikore.base.problems import Problem, problem_responses
from aikore.base.rooms import Room

TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "start.js": "text/javascript"}
POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>AiKore API</title>
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="page"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body>
</html>
"""
START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#page", deepLinking: true});\n'

File = Annotated[Literal["swagger-ui-bundle.js", "swagger-ui.css", "start.js"], Path()]


def make() -> Room:
    """The OpenAPI document and its page."""
    return Room(routes=router().routes)


def router() -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/api", include_in_schema=False)

    @routes.get("/openapi.json", dependencies=needs(Permission.SYSTEM_VIEW))
    def document(request: Request) -> JSONResponse:
        return JSONResponse(_document(request.app))

    @routes.get("/docs", dependencies=needs(Permission.SYSTEM_VIEW))
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    @routes.get("/docs/{name}", dependencies=needs(Permission.SYSTEM_VIEW))
    def file(name: File) -> Response:
        content = START if name == "start.js" else (files("fastapi_swagger") / "resources" / name).read_bytes()
        return Response(content, media_type=TYPES[name])

    return routes


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the document, with the problems that every route may answer with."""
    found: dict[str, Any] = app.openapi()
    found["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    everywhere = {str(status): told for status, told in problem_responses(400, 401, 403, 500).items()}
    for path in found["paths"].values():
        for operation in path.values():
            operation["responses"] = everywhere | operation["responses"]
    return found
