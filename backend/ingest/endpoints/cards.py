"""The push endpoint of the Arduino temperature cards: `POST /temperature/list`.

    [{"sensor": "28:b8:fb:29:09:00:00:03", "t": "T", "v": 21.44}, ...]

Answers `{"status": "success", "update_count": n}` with n the readings kept. The cards never retry and read only the
status line. A request therefore fails only if nothing in it can be read (400) or nothing can be kept (503).
"""

from __future__ import annotations

from typing import Final

import orjson

from backend.core.asgi import Message, json_messages
from backend.core.ports import CardReceiver
from backend.ingest.endpoints.push import PushEndpoint

PATH: Final = "/temperature/list"
MAX_BODY: Final = 1024 * 1024
"""Room for more than 10,000 elements."""
BODY_TIMEOUT_S: Final = 15.0


def cards_endpoint(
    receiver: CardReceiver, max_body: int = MAX_BODY, body_timeout_s: float = BODY_TIMEOUT_S
) -> PushEndpoint:
    async def handle(body: bytes) -> tuple[Message, Message]:
        result = await receiver.accept_cards(body)
        return json_messages(200, orjson.dumps({"status": "success", "update_count": result.accepted}))

    return PushEndpoint(handle, max_body, body_timeout_s)
