"""The few pieces of ASGI that the plain doors share. A framework's request object would cost more than their work."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]


class BodyRefused(Exception):
    """A body that is not read to its end; `status` is the HTTP answer. The connection is of no further use."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ClientDisconnected(Exception):
    """The client left before its request was whole."""


async def read_body(receive: Receive, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body. Raises BodyRefused (413 too large, 408 too slow) and ClientDisconnected."""
    try:
        async with asyncio.timeout(timeout_s):
            chunks: list[bytes] = []
            room = max_bytes
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                chunk: bytes = message.get("body", b"")
                room -= len(chunk)
                if room < 0:
                    raise BodyRefused(413, f"the body is over {max_bytes} bytes")
                if not message.get("more_body", False):
                    return b"".join((*chunks, chunk)) if chunks else chunk
                chunks.append(chunk)
    except TimeoutError:
        raise BodyRefused(408, "the body came too slowly") from None


def json_messages(status: int, body: bytes, headers: Sequence[Header] = ()) -> tuple[Message, Message]:
    """A whole answer; may be sent any number of times."""
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    return (
        {"type": "http.response.start", "status": status, "headers": head},
        {"type": "http.response.body", "body": body},
    )


async def send_json(send: Send, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
    for message in json_messages(status, body, headers):
        await send(message)


def etag_of(body: bytes) -> str:
    """Weak: the same answer, however it is compressed."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches_etag(if_none_match: str, tag: str) -> bool:
    """Whether the client that sends this `If-None-Match` has what the tag is of."""
    known = {part.strip() for part in if_none_match.split(",")}
    return tag in known or "*" in known
