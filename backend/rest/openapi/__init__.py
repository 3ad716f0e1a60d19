"""The OpenAPI document of the plain routes, and a page to read and try them on, from our own server."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson
import yaml
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from backend.core.rights import Right
from backend.rest.permissions import ROUTES
from backend.rest.reads import DOCUMENT, PAGE

_FILE = Path(__file__).with_name("document.yaml")
_REFUSED = {"$ref": "#/components/responses/Refused"}
_PAGE_FILE = "reference.html"
_NOT_BUILT = "The page is not built yet: make frontend_static/dist/index.html\n"


def document(served: Collection[str]) -> dict[str, Any]:
    """The document, without the push routes that are not among the `served` paths. What asks for a right may refuse."""
    found: dict[str, Any] = yaml.safe_load(_FILE.read_text())
    found["paths"] = {
        path: item for path, item in found["paths"].items() if "pushes" not in _tags(item) or path in served
    }
    for path, item in found["paths"].items():
        if ROUTES.get(_declared(path)) in (Right.READ, Right.EXPORT):
            for operation in item.values():
                operation["responses"] |= {"401": _REFUSED, "403": _REFUSED}
    return found


def _declared(path: str) -> str:
    """As the route is declared: its parameters take any character."""
    return path.replace("}", ":name}")


def openapi_routes(served: Collection[str], page: Path, *, shown: bool) -> list[BaseRoute]:
    """The document, and its page where it is `shown`; `page` is the folder of the front end's build."""
    body = orjson.dumps(document(served))

    async def answer(_: Request) -> Response:
        return Response(body, headers={"Cache-Control": "no-cache"}, media_type="application/json")

    async def reference(_: Request) -> Response:
        file = page / _PAGE_FILE
        if not file.is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    routes: list[BaseRoute] = [Route(DOCUMENT, answer)]
    if shown:
        routes.append(Route(PAGE, reference))
    return routes


def _tags(item: dict[str, Any]) -> list[str]:
    return [tag for operation in item.values() for tag in operation.get("tags", ())]
