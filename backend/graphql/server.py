"""The schema over HTTP and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.types.unset import UNSET

from backend.accounts.live import Ending
from backend.accounts.services import Accounts
from backend.core.commands import Equipment
from backend.core.errors import TransientError
from backend.core.rights import ANONYMOUS, NOBODY, SCOPE_KEY, Caller, Principal
from backend.graphql.context import Context
from backend.graphql.cookies import cookie_name
from backend.graphql.execution import Schema
from backend.graphql.scalars import dumps
from backend.queries.services import Queries

PROTOCOL: Final = "graphql-transport-ws"
EXPLORER_PATH: Final = "/explorer/"

LOG_IN_AGAIN: Final = 4401
"""Closes a connection of somebody who is not known, or not any more."""
CONNECT_AGAIN: Final = 4403
"""Closes a connection of somebody whose rights have changed: a new one has those that hold now."""
TRY_LATER: Final = 1013

_WATCH: Final = "seduce.watch"
_MOST_TOKEN: Final = 200


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
            if watching := scope.get(_WATCH):
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

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
            context.who = await self._who(context)
        return context

    async def on_ws_connect(self, context: Context) -> Any:
        """A connection is for those who may at least read. While it lasts it is watched: rights end when they end."""
        try:
            context.who = await self._who(context, context.connection_params.get("token"))
        except HTTPException:
            await self._close(context.socket, TRY_LATER, "the rights cannot be looked up now")
        if not (context.who.is_known or self._public_read):
            await self._close(context.socket, LOG_IN_AGAIN, "log in, or send a token")
        if self._accounts is not None and context.who.is_known:
            watching = _end_with_rights(self._accounts, context.who, context.socket)
            context.socket.scope[_WATCH] = asyncio.create_task(watching, name="rights of a connection")
        return UNSET

    async def _who(self, context: Context, token: object = None) -> Principal:
        """Raises HTTPException where it cannot be known now; where all may read, they can meanwhile."""
        try:
            if self._accounts is not None and isinstance(token, str) and len(token) <= _MOST_TOKEN:
                return await self._accounts.sign_ins.by_token(token, context.caller.address)
            return await context.caller.who()
        except TransientError:
            if self._public_read:
                return ANONYMOUS
            raise HTTPException(503, "Rights cannot be looked up now; try again in a moment.") from None

    async def _close(self, socket: WebSocket, code: int, reason: str) -> None:
        await socket.close(code, reason)
        raise WebSocketDisconnected

    async def render_graphql_ide(self, request: Request) -> Response:
        """The page is ours: the library's own loads scripts from elsewhere, which the content policy forbids."""
        return RedirectResponse(EXPLORER_PATH)


async def _end_with_rights(accounts: Accounts, who: Principal, socket: WebSocket) -> None:
    with accounts.live.watch(who) as watched:
        await watched.changed.wait()
    if watched.how is Ending.GONE:
        await socket.close(LOG_IN_AGAIN, "log in again")
    else:
        await socket.close(CONNECT_AGAIN, "rights have changed: connect again")
