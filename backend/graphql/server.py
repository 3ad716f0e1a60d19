"""The schema over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http.exceptions import WebSocketDisconnected

from backend.graphql.context import Context
from backend.graphql.execution import Schema
from backend.graphql.scalars import dumps
from backend.queries.services import Queries

PROTOCOL = "graphql-transport-ws"
EXPLORER_PATH = "/explorer/"


class TextSocket(ASGIWebSocketAdapter):
    """Sends text frames: bytes would go out as binary ones, which browser clients ignore."""

    async def send_json(self, message: object) -> None:
        try:
            await self.ws.send_text(dumps(message).decode())
        except WebSocketDisconnect as cause:
            raise WebSocketDisconnected from cause


class GraphQLServer(GraphQL[Context, None]):
    """POST and WebSocket on one path; GET shows a browser the explorer."""

    websocket_adapter_class = TextSocket

    def __init__(
        self, schema: Schema, queries: Queries, *, explorer: bool, allowed_origins: Sequence[str] = ()
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if explorer else None,
            allow_queries_via_get=False,
            subscription_protocols=[PROTOCOL],
            allowed_origins=allowed_origins,
        )
        self._queries = queries

    def encode_json(self, data: object) -> bytes:
        return dumps(data)

    def decode_json(self, data: str | bytes) -> Any:
        return orjson.loads(data)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket | None = None
    ) -> Context:
        return Context(self._queries)

    async def render_graphql_ide(self, request: Request) -> Response:
        """The page is ours: the library's own loads scripts from elsewhere, which the content policy forbids."""
        return RedirectResponse(EXPLORER_PATH)
