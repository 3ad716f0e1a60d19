"""The parts of ASGI that the push endpoints share.

They use no framework: building its request object would take longer than the work of the endpoint.
"""

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
    """The body was not read to its end; `status` is the HTTP status to answer with. The connection must be closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ClientDisconnected(Exception):
    """The client disconnected before its request was complete."""


async def read_body(receive: Receive, max_bytes: int, timeout_s: float) -> bytes:
    """Return the whole body. Raises BodyRefused (413 too large, 408 too slow) and ClientDisconnected."""
    try:
        async with asyncio.timeout(timeout_s):
            chunks: list[bytes] = []
            remaining = max_bytes
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                chunk: bytes = message.get("body", b"")
                remaining -= len(chunk)
                if remaining < 0:
                    raise BodyRefused(413, f"the body is larger than {max_bytes} bytes")
                if not message.get("more_body", False):
                    return b"".join((*chunks, chunk)) if chunks else chunk
                chunks.append(chunk)
    except TimeoutError:
        raise BodyRefused(408, "the body arrived too slowly") from None


def json_messages(status: int, body: bytes, headers: Sequence[Header] = ()) -> tuple[Message, Message]:
    """Return the messages of a complete JSON response. They can be sent any number of times."""
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
    """Send a complete JSON response."""
    for message in json_messages(status, body, headers):
        await send(message)


def etag_of(body: bytes) -> str:
    """Return a weak ETag: it is the same for every compression of the body."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches_etag(if_none_match: str, tag: str) -> bool:
    """Return whether the header `If-None-Match` names the tag: then the client has the body already."""
    tags = {part.strip() for part in if_none_match.split(",")}
    return tag in tags or "*" in tags
