"""The schema over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.types.unset import UNSET

from backend.accounts.services import Accounts
from backend.core.commands import Equipment
from backend.core.rights import NOBODY, SCOPE_KEY, Caller
from backend.graphql.connections import admit, dismiss, who_asks
from backend.graphql.context import Context
from backend.graphql.cookies import cookie_name
from backend.graphql.execution import Schema
from backend.graphql.scalars import dumps
from backend.queries.services import Queries

PROTOCOL: Final = "graphql-transport-ws"
EXPLORER_PATH: Final = "/explorer/"


class TextSocket(ASGIWebSocketAdapter):
    """Sends text frames: bytes would go out as binary ones, which browser clients ignore."""

    async def send_json(self, message: object) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send_text(dumps(message).decode())
        except WebSocketDisconnect as cause:
            raise WebSocketDisconnected from cause


class GraphQLServer(GraphQL[Context, None]):
    """POST and WebSocket on one path; GET shows a browser the explorer."""

    websocket_adapter_class = TextSocket

    def __init__(
        self,
        schema: Schema,
        queries: Queries,
        *,
        explorer: bool,
        allowed_origins: Sequence[str] = (),
        accounts: Accounts | None = None,
        equipment: Equipment | None = None,
        public_read: bool = False,
    ) -> None:
        """Without `accounts` nobody can be known, and only `public_read` lets anybody read."""
        super().__init__(
            schema,
            graphql_ide="graphiql" if explorer else None,
            allow_queries_via_get=False,
            subscription_protocols=[PROTOCOL],
            allowed_origins=allowed_origins,
        )
        self._queries = queries
        self._accounts = accounts
        self._equipment = equipment
        self._public_read = public_read

    def encode_json(self, data: object) -> bytes:
        return dumps(data)

    def decode_json(self, data: str | bytes) -> Any:
        return orjson.loads(data)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await dismiss(scope)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket | None = None
    ) -> Context:
        caller: Caller = request.scope.get(SCOPE_KEY, NOBODY)
        context = Context(
            self._queries,
            caller=caller,
            public_read=self._public_read,
            cookie=request.cookies.get(cookie_name(caller), ""),
            known_accounts=self._accounts,
            known_equipment=self._equipment,
        )
        if isinstance(request, WebSocket):
            context.socket = request  # who it is, is asked when the connection begins
        else:
            context.answer = response if isinstance(response, Response) else None
            context.who = await who_asks(context)
        return context

    async def on_ws_connect(self, context: Context) -> Any:
        await admit(context)
        return UNSET

    async def render_graphql_ide(self, request: Request) -> Response:
        """The page is ours: the library's own loads scripts from elsewhere, which the content policy forbids."""
        return RedirectResponse(EXPLORER_PATH)
