"""Gives every request an id, which stands in its answer and in all that is logged for it, and logs requests if that is wanted."""

from __future__ import annotations

import logging
import time
from typing import Final

from backend.core.asgi import App, Message, Receive, Scope, Send
from backend.core.logs import new_request_id, request_id

log = logging.getLogger("seduce.request")

HEADER: Final = b"x-request-id"


class RequestLog:
    """ASGI middleware. `logged`: one line a request, with its path but not its query, which may hold what is private."""

    def __init__(self, app: App, logged: bool = False) -> None:
        self._app = app
        self._logged = logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER), b"")
        chosen = new_request_id(given.decode("latin-1"))
        began, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, chosen.encode())]}
            await send(message)

        token = request_id.set(chosen)
        try:
            await self._app(scope, receive, tell)
        finally:
            if self._logged:
                self._log(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    def _log(self, scope: Scope, status: int, took_s: float) -> None:
        fields = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "status": status,
            "ms": round(took_s * 1e3, 1),
        }
        log.info("%(method)s %(path)s %(status)s in %(ms)s ms", fields, extra={"fields": fields})
