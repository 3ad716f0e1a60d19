"""The HTTP side that all push endpoints share: read a bounded body, hand it to a decoder, answer with its outcome.

Every fault is answered as `{"status": "failure", "reason": ...}`:

400       the body cannot be used; sending it again changes nothing
405       the method is not POST
408, 413  the body came too slowly, or is too large: send less at once
503       with Retry-After: nothing was kept, send it again later
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias

import orjson

from backend.core.asgi import (
    BodyRefused,
    ClientDisconnected,
    Header,
    Message,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
)
from backend.core.errors import TransientError, UserError

RETRY_AFTER_S: Final = 2

BodyHandler: TypeAlias = Callable[[bytes], Awaitable[Iterable[Message]]]
"""Decodes and keeps one body and returns the messages of the answer.

Raises `UserError` for a body that cannot be used, and `TransientError` where it cannot be kept now.
"""


class PushEndpoint:
    """ASGI application for POST requests of devices. A client that stops half-way occupies only its own connection.

    `max_body` is in bytes, and `body_timeout_s` bounds the time in which the whole body must arrive.
    """

    def __init__(self, handle: BodyHandler, max_body: int, body_timeout_s: float) -> None:
        self._handle = handle
        self._max_body = max_body
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _send_failure(send, 405, "POST only", (b"allow", b"POST"))
            return
        try:
            answer = await self._handle(await read_body(receive, self._max_body, self._body_timeout_s))
        except UserError as error:
            await _send_failure(send, 400, error)
        except TransientError as error:
            await _send_failure(send, 503, error, (b"retry-after", str(RETRY_AFTER_S).encode()))
        except BodyRefused as refusal:
            await _send_failure(send, refusal.status, refusal, (b"connection", b"close"))
        except ClientDisconnected:
            return
        else:
            for message in answer:
                await send(message)


async def _send_failure(send: Send, status: int, reason: object, *headers: Header) -> None:
    await send_json(send, status, orjson.dumps({"status": "failure", "reason": str(reason)}), headers)
