"""Serves the room plan. An SVG can contain scripts, so the headers prevent it from running any."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from backend.core.asgi import matches_etag
from backend.inventory.model import RoomPlan

PATH: Final = "/room/plan"

# An <img> runs no scripts. An SVG opened by itself is a document; `sandbox` gives it an origin of its own.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def plan_route(plan: RoomPlan | None) -> Route:
    """Return the route. It answers 404 if the site description has no picture."""

    async def answer(request: Request) -> Response:
        if plan is None:
            return PlainTextResponse(
                "The site description contains neither room_plan.svg nor room_plan.png.\n", 404
            )
        tag = f'W/"{plan.digest}"'
        headers = {
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "Content-Security-Policy": _POLICY,
            "Content-Disposition": "inline",
        }
        if matches_etag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        return Response(plan.content, headers=headers, media_type=plan.media_type)

    return Route(PATH, answer)
