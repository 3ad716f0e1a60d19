"""Request ids, which appear in the answer and in every log line of the request; and an optional log of requests."""

from __future__ import annotations

import logging
import time
from typing import Final

from backend.core.asgi import App, Message, Receive, Scope, Send
from backend.core.logs import new_request_id, request_id

log = logging.getLogger("seduce.request")

HEADER: Final = b"x-request-id"


class RequestLog:
    """ASGI middleware. `is_enabled`: log one line a request, with the path but without the query, which may be private."""

    def __init__(self, app: App, is_enabled: bool = False) -> None:
        self._app = app
        self._is_enabled = is_enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        client_id = next((value for name, value in scope["headers"] if name == HEADER), b"")
        current_id = new_request_id(client_id.decode("latin-1"))
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, current_id.encode())]}
            await send(message)

        token = request_id.set(current_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if self._is_enabled:
                self._log(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _log(self, scope: Scope, status: int, duration_s: float) -> None:
        fields = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "status": status,
            "ms": round(duration_s * 1e3, 1),
        }
        log.info("%(method)s %(path)s %(status)s in %(ms)s ms", fields, extra={"fields": fields})
