"""Is it alive, and can it work: for supervisors and load balancers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backend.core.errors import SeduceError

Check: TypeAlias = Callable[[], Awaitable[object]]
"""Answers something worth showing, or raises `SeduceError`."""


def health_routes(checks: Mapping[str, Check]) -> list[Route]:
    """`/healthz`: 200 while the process answers. `/readyz`: 200 with each check's finding, 503 where one fails."""

    async def healthz(_: Request) -> Response:
        return _json({"status": "ok"}, 200)

    async def readyz(_: Request) -> Response:
        found: dict[str, Any] = {}
        ready = True
        for name, check in checks.items():
            try:
                found[name] = await check()
            except SeduceError as error:
                found[name], ready = f"failing: {error}", False
        return _json({"status": "ready" if ready else "not ready", **found}, 200 if ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _json(data: object, status: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(data), status, headers, media_type="application/json")
