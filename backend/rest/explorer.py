"""Serves GraphiQL, which is built together with the page and loads nothing from other servers, and the schema."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from backend.core.asgi import etag_of, matches_etag
from backend.rest.headers import POLICY

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

PATH: Final = "/explorer/"
SCHEMA_PATH: Final = "/schema.graphql"
NOT_BUILT: Final = (
    "The explorer is not built yet. Run `make frontend_static/dist/index.html`, then reload this page.\n"
)

# GraphiQL's editor creates style sheets with embedded fonts at run time. Scripts still come from this server only.
_POLICY: Final = f"{POLICY}; style-src 'self' 'unsafe-inline'; font-src 'self' data:"


def explorer_routes(sdl: str | None, page: Path, *, is_enabled: bool) -> list[BaseRoute]:
    """Return the route of the schema if `sdl` is given, and the routes of the explorer in the folder `page` if enabled."""
    routes: list[BaseRoute] = []
    if sdl is not None:
        routes.append(Route(SCHEMA_PATH, _schema(sdl)))
    if is_enabled:
        routes += [
            Route(PATH, _explorer(page / "explorer.html")),
            Route(PATH.rstrip("/"), RedirectResponse(PATH)),
        ]
    return routes


def _schema(sdl: str) -> Endpoint:
    headers = {"etag": etag_of(sdl.encode()), "cache-control": "no-cache"}

    async def schema(request: Request) -> Response:
        if matches_etag(request.headers.get("if-none-match", ""), headers["etag"]):
            return Response(status_code=304, headers=headers)
        return PlainTextResponse(sdl, headers=headers)

    return schema


def _explorer(file: Path) -> Endpoint:
    async def explorer(_: Request) -> Response:
        # Checked on each request: the build may finish after the server has started.
        if not await asyncio.to_thread(file.is_file):
            return PlainTextResponse(NOT_BUILT, 503)
        headers = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
        return FileResponse(file, headers=headers)

    return explorer
