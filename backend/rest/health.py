"""Liveness and readiness checks for supervisors and load balancers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backend.core.errors import SeduceError

Check: TypeAlias = Callable[[], Awaitable[object]]
"""Returns a result to show, or raises `SeduceError`."""


def health_routes(checks: Mapping[str, Check]) -> list[Route]:
    """Return the routes `/healthz` (200 while the process runs) and `/readyz` (results of all checks; 503 if one fails)."""

    async def healthz(_: Request) -> Response:
        return _json({"status": "ok"}, 200)

    async def readyz(_: Request) -> Response:
        results: dict[str, Any] = {}
        is_ready = True
        for name, check in checks.items():
            try:
                results[name] = await check()
            except SeduceError as error:
                results[name], is_ready = f"failing: {error}", False
        return _json({"status": "ready" if is_ready else "not ready", **results}, 200 if is_ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _json(data: object, status: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(data), status, headers, media_type="application/json")
