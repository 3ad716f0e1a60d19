"""The push endpoint of the crawlers: `POST /ingest`, JSON columns.

    {"sensors": ["a", "b"], "values": [1.5, 2], "times": [1700000000000000000, null]}

`times` (ns since the epoch, UTC) may be left out or hold nulls: the endpoint stamps those readings with its own clock. A crawler
that may push a reading twice stamps it itself, so that it stays one reading.

200  {"status": "success", "update_count": n, "rejected": [{"index", "sensor", "reason"}, ...]}: n readings are on disk.
     The rejected ones will never be accepted, so no reading of this push need be sent again.

Faults are answered as `backend/ingest/endpoints/push.py` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from backend.core.asgi import Message, json_messages
from backend.core.ports import PushResult
from backend.ingest.endpoints.push import PushEndpoint

MAX_BODY: Final = 2 * 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0

_MAX_CACHED_ANSWERS: Final = 1024


def readings_endpoint(
    accept: Callable[[bytes], Awaitable[PushResult]],
    max_body: int = MAX_BODY,
    body_timeout_s: float = BODY_TIMEOUT_S,
) -> PushEndpoint:
    """Return the endpoint. `accept` validates and keeps a body, as `Ingest.accept_columns` does."""
    return PushEndpoint(_ReadingsHandler(accept), max_body, body_timeout_s)


class _ReadingsHandler:
    """Encodes the answer to a push without rejected readings once for each count."""

    def __init__(self, accept: Callable[[bytes], Awaitable[PushResult]]) -> None:
        self._accept = accept
        self._cached_answers: dict[int, tuple[Message, Message]] = {}

    async def __call__(self, body: bytes) -> tuple[Message, Message]:
        result = await self._accept(body)
        if result.rejected:
            return _answer(result)
        answer = self._cached_answers.get(result.accepted)
        if answer is None:
            answer = _answer(result)
            if len(self._cached_answers) < _MAX_CACHED_ANSWERS:
                self._cached_answers[result.accepted] = answer
        return answer


def _answer(result: PushResult) -> tuple[Message, Message]:
    rejected = [{"index": r.index, "sensor": r.sensor, "reason": str(r.reason)} for r in result.rejected]
    body = {"status": "success", "update_count": result.accepted, "rejected": rejected}
    return json_messages(200, orjson.dumps(body))
