"""The endpoint `GET /metrics` for Prometheus. It needs no log-in, and answers on loopback only and not through a proxy."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PATH: Final = "/metrics"
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def metrics_route(render: Callable[[], Awaitable[str]], content_type: str) -> Route:
    """Return the route. It answers 403 to requests from another machine."""

    async def metrics(request: Request) -> Response:
        if not _is_local(request):
            return PlainTextResponse(
                "Metrics are available on loopback only, and not through a proxy.\n", 403
            )
        return Response(await render(), headers={"Cache-Control": "no-store"}, media_type=content_type)

    return Route(PATH, metrics, methods=["GET"])


def _is_local(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
