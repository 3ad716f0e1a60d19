"""The HTTP door of the crawlers: `POST /ingest`, JSON columns.

    {"sensors": ["a", "b"], "values": [1.5, 2], "times": [1700000000000000000, null]}

`times` (ns since the epoch, UTC) may be left out or hold nulls: the door stamps those. A crawler that may push the
same reading twice stamps it itself, so that it stays one reading.

200  {"status": "success", "update_count": n, "rejected": [{"index", "sensor", "reason"}, ...]}: n readings are on disk,
     and the rejected ones will never be taken: neither need be sent again
400  {"status": "failure", "reason"}: no such columns; sending it again changes nothing
408, 413  the body came too slowly, or is too large: send less at once
503  with Retry-After: nothing was kept, come back later

A plain ASGI application: at thousands of requests a second a framework's request object would cost more than the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

import orjson

from backend.core.errors import TransientError, UserError
from backend.core.ports import Outcome

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY: Final = 2 * 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0
RETRY_AFTER_S: Final = 2


class _Refused(Exception):
    """A request that ends before it is judged."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Gone(Exception):
    """The client hung up."""


class IngestDoor:
    """ASGI application; `take` judges and keeps a body, as `Ingest.accept_columns` does."""

    def __init__(
        self,
        take: Callable[[bytes], Awaitable[Outcome]],
        max_body: int = MAX_BODY,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._take = take
        self._max_body = max_body
        self._body_timeout_s = body_timeout_s
        # The whole answer to a push of n readings with nothing wrong.
        self._clean: dict[int, tuple[Message, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _answer(send, 405, _failure("POST only"), [(b"allow", b"POST")])
            return
        try:
            outcome = await self._take(await self._body(receive))
        except UserError as error:
            await _answer(send, 400, _failure(str(error)))
        except TransientError as error:
            await _answer(send, 503, _failure(str(error)), [(b"retry-after", str(RETRY_AFTER_S).encode())])
        except _Refused as refused:
            # The rest of the body is still under way; the connection cannot be used again.
            await _answer(send, refused.status, _failure(str(refused)), [(b"connection", b"close")])
        except _Gone:
            return
        else:
            for message in self._success(outcome):
                await send(message)

    async def _body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await self._read(receive)
        except TimeoutError:
            raise _Refused(408, "the body came too slowly") from None

    async def _read(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body: bytes = message["body"]
        if len(body) > self._max_body:
            raise _Refused(413, f"the body is over {self._max_body} bytes")
        if not message["more_body"]:
            return body
        chunks = [body]
        size = len(body)
        while message.get("more_body", False):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            chunks.append(message["body"])
            size += len(message["body"])
            if size > self._max_body:
                raise _Refused(413, f"the body is over {self._max_body} bytes")
        return b"".join(chunks)

    def _success(self, outcome: Outcome) -> tuple[Message, Message]:
        if outcome.rejected:
            return _messages(200, _success_body(outcome))
        clean = self._clean.get(outcome.accepted)
        if clean is None:
            clean = _messages(200, _success_body(outcome))
            if len(self._clean) < 1024:
                self._clean[outcome.accepted] = clean
        return clean


class Doors:
    """Sends the named paths straight to their applications and everything else to `app`."""

    def __init__(self, doors: Mapping[str, App], app: App) -> None:
        self._doors = dict(doors)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._doors.get(scope["path"]) if scope["type"] == "http" else None
        await (app or self._app)(scope, receive, send)


def _success_body(outcome: Outcome) -> bytes:
    return orjson.dumps(
        {
            "status": "success",
            "update_count": outcome.accepted,
            "rejected": [
                {"index": r.index, "sensor": r.sensor, "reason": str(r.reason)} for r in outcome.rejected
            ],
        }
    )


def _failure(reason: str) -> bytes:
    return orjson.dumps({"status": "failure", "reason": reason})


def _messages(
    status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> tuple[Message, Message]:
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *(headers or []),
    ]
    return (
        {"type": "http.response.start", "status": status, "headers": head},
        {"type": "http.response.body", "body": body},
    )


async def _answer(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    for message in _messages(status, body, headers):
        await send(message)
