"""The protocol graphql-transport-ws: Strawberry's handler, with close codes, documents by hash and checks of messages."""

from __future__ import annotations

from typing import Any, Final

from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter

from backend.graphql.execution.errors import describe
from backend.graphql.execution.strawberry_internals import TransportWSHandler, WebSocketDisconnected
from backend.graphql.scalars import dumps

PROTOCOL: Final = "graphql-transport-ws"


class ConnectionRefused(Exception):
    """The server does not accept the connection. `code` is the protocol's close code."""

    code = 4400


class Unauthorized(ConnectionRefused):
    """The client is not authenticated, and must be."""

    code = 4401


class Forbidden(ConnectionRefused):
    """The client is authenticated, and may not subscribe."""

    code = 4403


class TextSocket(ASGIWebSocketAdapter):
    """Sends text frames. Bytes would go out as binary frames, which browser clients ignore."""

    async def send_json(self, message: object) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send_text(dumps(message).decode())
        except WebSocketDisconnect as cause:
            raise WebSocketDisconnected from cause


class SocketHandler(TransportWSHandler[Any, None]):
    """The handler of one connection."""

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):  # a client that leaves is not an error
            await super().handle_task_exception(error)

    async def handle_message(self, message: Any) -> None:
        if not _is_message(message):
            await self.handle_invalid_message("Not a message of graphql-transport-ws")
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        try:
            await super().handle_connection_init(message)
        except ConnectionRefused as refusal:
            await self.websocket.close(code=refusal.code, reason=str(refusal) or type(refusal).__name__)

    async def handle_subscribe(self, message: Any) -> None:
        if self.connection_acknowledged:
            payload = message["payload"]
            try:
                payload["query"] = self.schema.documents.text_of(  # type: ignore[attr-defined]
                    payload.get("query") or None, payload.get("extensions")
                )
                if payload["query"] is None:
                    raise GraphQLError("The message has no document: set `payload.query`.")
            except GraphQLError as error:
                await self.send_message(
                    {"id": message["id"], "type": "error", "payload": [describe(error).formatted]}
                )
                return
        await super().handle_subscribe(message)


def _is_message(message: Any) -> bool:
    """Return whether the parts that Strawberry reads have the right types."""
    if not isinstance(message, dict):
        return False
    if message.get("type") in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return False
    if message.get("type") != "subscribe":
        return True
    payload = message.get("payload")
    return isinstance(payload, dict) and all(
        isinstance(payload.get(name), kind | None)
        for name, kind in (("query", str), ("operationName", str), ("variables", dict), ("extensions", dict))
    )
