"""The GraphQL endpoint over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry import UNSET
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData

from backend.accounts.services import Accounts
from backend.core.commands import CommandPort
from backend.core.rights import ANONYMOUS_CALLER, SCOPE_KEY, Caller
from backend.graphql.context import Context
from backend.graphql.execution.errors import BAD_INPUT, UNAVAILABLE
from backend.graphql.execution.schema_class import Schema
from backend.graphql.scalars import dumps
from backend.graphql.transport.connections import admit, identify_caller, release
from backend.graphql.transport.cookies import cookie_name
from backend.graphql.transport.encoding import compress, with_etag
from backend.graphql.transport.socket import PROTOCOL, SocketHandler, TextSocket
from backend.queries.services import Queries

EXPLORER_PATH: Final = "/explorer/"
PATH: Final = "/graphql"

Admit: TypeAlias = Callable[[Context], Awaitable[None]]
"""Checks `connection_params` of a WebSocket before its acknowledgement. Raises `Unauthorized` or `Forbidden`."""


class GraphQLServer(GraphQL[Context, None]):
    """The GraphQL endpoint: POST, WebSocket, and GET for documents by hash. GET from a browser shows the explorer."""

    websocket_adapter_class = TextSocket
    graphql_transport_ws_handler_class = SocketHandler

    def __init__(
        self,
        schema: Schema,
        queries: Queries,
        *,
        explorer: bool,
        allowed_origins: Sequence[str] = (),
        admit: Admit = admit,
        max_body: int = 256 * 1024,
        accounts: Accounts | None = None,
        command_port: CommandPort | None = None,
        public_read: bool = False,
    ) -> None:
        """Create the endpoint. Without `accounts` all callers are anonymous, and only `public_read` lets them read.

        max_body      bytes of a request
        command_port  accepts commands
        """
        super().__init__(
            schema,
            graphql_ide="graphiql" if explorer else None,
            subscription_protocols=[PROTOCOL],
            allowed_origins=allowed_origins,
        )
        self._queries = queries
        self._admit = admit
        self._max_body = max_body
        self._accounts = accounts
        self._command_port = command_port
        self._public_read = public_read

    def update_description(self, command_port: CommandPort) -> None:
        """Replace the equipment that takes commands, after a change of the site description."""
        self._command_port = command_port

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self, max_body_size=self._max_body), WebSocketRoute(PATH, self)]

    def encode_json(self, data: object) -> bytes:
        return dumps(data)

    def decode_json(self, data: str | bytes) -> Any:
        return orjson.loads(data)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await release(scope)

    async def run(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            response = await super().run(request, *args, **kwargs)
        except HTTPException as error:
            code = UNAVAILABLE if error.status_code >= 500 else BAD_INPUT
            error_entry = {"message": error.reason, "extensions": {"code": code}}
            return Response(
                dumps({"errors": [error_entry]}), error.status_code, media_type="application/json"
            )
        if isinstance(request, WebSocket) or response.status_code != 200:
            return response
        if request.method == "GET" and not response.headers.get("location"):
            response = with_etag(response, request)
        if response.status_code == 200:
            await compress(response, request)
        return response

    def should_render_graphql_ide(self, request: Any) -> bool:
        return super().should_render_graphql_ide(request) and "extensions" not in request.query_params

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:
        """Return the request. GET accepts documents by hash only, so that a link cannot carry a query of its author.

        Raises HTTPException 400 or 415.
        """
        if request.method == "GET":
            data: Any = self.parse_query_params(request.query_params)
            if data.get("query") is not None or not data.get("extensions"):
                raise HTTPException(
                    400, "GET accepts documents by hash only: send `extensions.persistedQuery`, or use POST"
                )
        elif (request.content_type or "").partition(";")[0].strip().lower() == "application/json":
            data = self.parse_json(await request.get_body())
        else:
            raise HTTPException(415, "The body must be application/json")
        if not isinstance(data, dict):
            raise HTTPException(400, 'The body must be an object such as {"query": "…", "variables": {}}')
        for name, kind in _PARTS.items():
            if not isinstance(data.get(name), kind | None):
                raise HTTPException(400, f"`{name}` must be {'a string' if kind is str else 'an object'}")
        return GraphQLRequestData(
            query=data.get("query"),
            variables=data.get("variables"),
            operation_name=data.get("operationName"),
            extensions=data.get("extensions"),
        )

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket | None = None
    ) -> Context:
        caller: Caller = request.scope.get(SCOPE_KEY, ANONYMOUS_CALLER)
        context = Context(
            self._queries,
            caller=caller,
            public_read=self._public_read,
            cookie=request.cookies.get(cookie_name(caller), ""),
            optional_accounts=self._accounts,
            optional_command_port=self._command_port,
        )
        if isinstance(request, WebSocket):
            context.socket = request  # `admit` identifies the caller, at connection_init
        else:
            context.response = response if isinstance(response, Response) else None
            context.principal = await identify_caller(context)
        return context

    async def on_ws_connect(self, context: Context) -> Any:
        await self._admit(context)
        return UNSET

    async def render_graphql_ide(self, request: Request) -> Response:
        """Redirect to our own page. Strawberry's page loads scripts from other hosts, which the content policy forbids."""
        return RedirectResponse(EXPLORER_PATH)


_PARTS: Final[dict[str, type]] = {
    "query": str,
    "variables": dict,
    "operationName": str,
    "extensions": dict,
}
