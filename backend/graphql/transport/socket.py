"""graphql-transport-ws as the library speaks it, and what it leaves to us: codes, hashes, and messages that are none."""

from __future__ import annotations

from typing import Any, Final

from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter

from backend.graphql.execution.errors import describe
from backend.graphql.execution.strawberry_internals import TransportWSHandler, WebSocketDisconnected
from backend.graphql.scalars import dumps

PROTOCOL: Final = "graphql-transport-ws"


class Refused(Exception):
    """The connection is not taken; `code` is the protocol's own."""

    code = 4400


class Unauthorized(Refused):
    """Nobody is known by what the client sent, and somebody must be."""

    code = 4401


class Forbidden(Refused):
    """Who it is is known, and may not watch."""

    code = 4403


class TextSocket(ASGIWebSocketAdapter):
    """Sends text frames: bytes would go out as binary ones, which browser clients ignore."""

    async def send_json(self, message: object) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send_text(dumps(message).decode())
        except WebSocketDisconnect as cause:
            raise WebSocketDisconnected from cause


class Handler(TransportWSHandler[Any, None]):
    """One connection."""

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):  # who leaves while something is sent is no fault
            await super().handle_task_exception(error)

    async def handle_message(self, message: Any) -> None:
        if not _is_message(message):
            await self.handle_invalid_message("Not a message of graphql-transport-ws")
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        try:
            await super().handle_connection_init(message)
        except Refused as refusal:
            await self.websocket.close(code=refusal.code, reason=str(refusal) or type(refusal).__name__)

    async def handle_subscribe(self, message: Any) -> None:
        if self.connection_acknowledged:
            payload = message["payload"]
            try:
                payload["query"] = self.schema.documents.text_of(  # type: ignore[attr-defined]
                    payload.get("query") or None, payload.get("extensions")
                )
                if payload["query"] is None:
                    raise GraphQLError("No document: `payload.query` is missing.")
            except GraphQLError as error:
                await self.send_message(
                    {"id": message["id"], "type": "error", "payload": [describe(error).formatted]}
                )
                return
        await super().handle_subscribe(message)


def _is_message(message: Any) -> bool:
    """Whether the parts that are read have the types they must have."""
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
