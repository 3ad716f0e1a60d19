"""A dispatcher by exact path in front of an application, for endpoints that need none of its routing and middleware."""

from __future__ import annotations

from collections.abc import Mapping

from backend.core.asgi import App, Receive, Scope, Send


class PathDispatcher:
    """ASGI application that passes HTTP requests for the given paths to `endpoints` and everything else to `app`."""

    def __init__(self, endpoints: Mapping[str, App], app: App) -> None:
        self._endpoints = dict(endpoints)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or self._app)(scope, receive, send)
