"""The ASGI application of a process: push endpoints by path, and everything else through Starlette."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from backend.core.asgi import App, Receive, Scope, Send

Lifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Application(Starlette):
    """Dispatches pushes by their exact path, before middleware and routing.

    A thousand pushes a second arrive. Middleware and routing would cost more than the endpoints themselves.
    `front` handles all other requests; a server may replace it by a wrapper around `handle`.
    """

    def __init__(
        self,
        push_endpoints: Mapping[str, App],
        routes: Sequence[BaseRoute],
        lifespan: Lifespan,
        middleware: Sequence[Middleware] = (),
        max_body_size: int | None = None,
    ) -> None:
        super().__init__(routes=routes, lifespan=lifespan, middleware=middleware, max_body_size=max_body_size)
        self.push_endpoints = dict(push_endpoints)
        self.front: App = self.handle

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that is no push: middleware, then routing."""
        await super().__call__(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self.push_endpoints.get(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or self.front)(scope, receive, send)
