"""The route of the Arduino temperature cards: `POST /temperature/list`.

    [{"sensor": "28:b8:fb:29:09:00:00:03", "t": "T", "v": 21.44}, ...]

Answers `{"status": "success", "update_count": n}` with n the readings kept. The cards never retry and read only the
status line, so a request fails only where nothing in it can be read (400) or nothing can be kept (503).
"""

from __future__ import annotations

from typing import Final

import orjson

from backend.core.asgi import BodyRefused, ClientDisconnected, Receive, Scope, Send, read_body, send_json
from backend.core.errors import TransientError, UserError
from backend.core.ports import CardReceiver

PATH: Final = "/temperature/list"
MAX_BODY: Final = 1024 * 1024
"""Room for 10,000 elements and more."""
BODY_TIMEOUT_S: Final = 15.0


class CardDoor:
    """ASGI application. A card that stops half-way holds nothing but its own connection, and that not for long."""

    def __init__(
        self, receiver: CardReceiver, max_body: int = MAX_BODY, body_timeout_s: float = BODY_TIMEOUT_S
    ) -> None:
        self._receiver = receiver
        self._max_body = max_body
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await send_json(send, 405, _failure("POST only"), [(b"allow", b"POST")])
            return
        try:
            body = await read_body(receive, self._max_body, self._body_timeout_s)
            outcome = await self._receiver.accept_cards(body)
        except UserError as error:
            await send_json(send, 400, _failure(str(error)))
        except TransientError as error:
            await send_json(send, 503, _failure(str(error)), [(b"retry-after", b"2")])
        except BodyRefused as refused:
            await send_json(send, refused.status, _failure(str(refused)), [(b"connection", b"close")])
        except ClientDisconnected:
            return
        else:
            answer = {"status": "success", "update_count": outcome.accepted}
            await send_json(send, 200, orjson.dumps(answer))


def _failure(reason: str) -> bytes:
    return orjson.dumps({"status": "failure", "reason": reason})
