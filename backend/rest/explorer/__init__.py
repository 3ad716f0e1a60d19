"""A page to try the API on, without a word from any other server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PATH: Final = "/explorer"
_FILES: Final = {"index.html", "explorer.css", "explorer.js"}


class _Page(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        name = "index.html" if path == "." else path
        if name not in _FILES:
            return PlainTextResponse("Not found", 404)
        response = await super().get_response(name, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def explorer_routes(sdl: str | None, *, shown: bool) -> list[BaseRoute]:
    """`/schema.graphql` where it may be seen (`sdl` is given), and the page where it is `shown`."""
    routes: list[BaseRoute] = []
    if sdl is not None:

        async def schema(_: Request) -> Response:
            return PlainTextResponse(sdl, headers={"Cache-Control": "no-cache"})

        routes.append(Route("/schema.graphql", schema))
    if shown:
        routes.append(Mount(PATH, _Page(directory=Path(__file__).parent)))
    return routes
