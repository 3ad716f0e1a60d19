"""A GraphQL client of few words, over HTTP and over graphql-transport-ws."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import websockets
from starlette.applications import Starlette

from backend.core.rights import SCOPE_KEY, Caller, Credential, Principal, TokenScope
from backend.graphql.schema import build_schema
from backend.graphql.transport.server import Admit, GraphQLServer
from tests.support.small_site import SmallSite


def site_app(
    site: SmallSite, *, explorer: bool = True, admit: Admit | None = None, **options: Any
) -> Starlette:
    """The API over a small site, without the rest of the process; `options` are those of `build_schema`."""
    more: dict[str, Any] = {} if admit is None else {"admit": admit}
    server = GraphQLServer(build_schema(**options), site.queries, explorer=explorer, public_read=True, **more)
    app = Starlette(routes=server.routes())
    app.state.schema = server.schema
    return app


def admin_app(site: SmallSite, **options: Any) -> Any:
    """The same, where whoever asks is an administrator."""
    app = site_app(site, **options)

    async def who() -> Principal:
        return Principal("admin", True, Credential.SESSION, "session", frozenset(TokenScope))

    async def known(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, SCOPE_KEY: Caller(who)}, receive, send)

    return known


async def ask(app: Any, query: str, **variables: Any) -> dict[str, Any]:
    """The whole answer, `data` and `errors`."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.post("/graphql", json={"query": query, "variables": variables})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def data(app: Any, query: str, **variables: Any) -> Any:
    """The data; an answer with errors fails the test."""
    answer = await ask(app, query, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


async def error(app: Any, query: str, **variables: Any) -> dict[str, Any]:
    """The only error; an answer without fails the test."""
    (only,) = (await ask(app, query, **variables))["errors"]
    return dict(only)


class Socket:
    """One connection that has been acknowledged."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection

    async def subscribe(self, query: str, key: str = "1", **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self._send({"id": key, "type": "subscribe", "payload": payload})

    async def complete(self, key: str = "1") -> None:
        await self._send({"id": key, "type": "complete"})

    async def receive(self) -> dict[str, Any]:
        """The next message; a binary frame fails the test, since browsers do not take it."""
        text = await self._connection.recv()
        assert isinstance(text, str)
        message: dict[str, Any] = json.loads(text)
        return message

    async def next(self) -> Any:
        """Data of the next result."""
        message = await self.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def _send(self, message: dict[str, Any]) -> None:
        await self._connection.send(json.dumps(message))


@asynccontextmanager
async def connected(
    address: str, payload: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Socket]:
    url, protocols = f"ws://{address}/graphql", ["graphql-transport-ws"]
    async with websockets.connect(url, subprotocols=protocols, **options) as connection:  # type: ignore[arg-type]
        socket = Socket(connection)
        await socket._send({"type": "connection_init", "payload": payload or {}})
        assert (await socket.receive())["type"] == "connection_ack"
        yield socket
