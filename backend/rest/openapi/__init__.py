"""The OpenAPI document of the plain routes, and a page to read and try them, all served by this server."""

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

_FOLDER = Path(__file__).parent
_PATH_FILES = ("reads", "exports", "pushes", "operation")
"""The files of `paths/`, in the order of the document."""
_REFUSED = {"$ref": "#/components/responses/Refused"}
_PAGE_FILE = "reference.html"
_NOT_BUILT = "The page is not built yet. Run `make frontend_static/dist/index.html`, then reload this page.\n"


def document(served: Collection[str]) -> dict[str, Any]:
    """Return the document without the push routes that are not `served`. Routes with a right get the answers 401 and 403."""
    content = _load("document.yaml")
    paths = {path: item for name in _PATH_FILES for path, item in _load(f"paths/{name}.yaml").items()}
    paths = {path: item for path, item in paths.items() if "pushes" not in _tags(item) or path in served}
    for path, item in paths.items():
        if ROUTES.get(_route_path(path)) in (Right.READ, Right.EXPORT):
            for operation in item.values():
                operation["responses"] |= {"401": _REFUSED, "403": _REFUSED}
    return {**content, "paths": paths, "components": _load("components.yaml")}


def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((_FOLDER / name).read_text())
    return content


def _route_path(path: str) -> str:
    """Return the path as the route declares it, with parameters that match any text."""
    return path.replace("}", ":name}")


def openapi_routes(served: Collection[str], page: Path, *, is_enabled: bool) -> list[BaseRoute]:
    """Return the route of the document, and of its page if enabled. `page` is the folder of the front end's build."""
    body = orjson.dumps(document(served))

    async def answer(_: Request) -> Response:
        return Response(body, headers={"Cache-Control": "no-cache"}, media_type="application/json")

    async def reference(_: Request) -> Response:
        file = page / _PAGE_FILE
        if not file.is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    routes: list[BaseRoute] = [Route(DOCUMENT, answer)]
    if is_enabled:
        routes.append(Route(PAGE, reference))
    return routes


def _tags(item: dict[str, Any]) -> list[str]:
    return [tag for operation in item.values() for tag in operation.get("tags", ())]
