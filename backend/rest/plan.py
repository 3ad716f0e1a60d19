"""The picture of the room. An SVG can hold scripts, so it is served to be drawn and for nothing else."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from backend.core.asgi import matches_etag
from backend.inventory.model import RoomPlan

PATH: Final = "/room/plan"

# As an <img> it runs nothing anyway. Opened by itself it is a document, which `sandbox` keeps from our origin.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def plan_route(plan: RoomPlan | None) -> Route:
    """404 where the description has no picture."""

    async def answer(request: Request) -> Response:
        if plan is None:
            return PlainTextResponse("The description has no room_plan.svg and no room_plan.png.\n", 404)
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
