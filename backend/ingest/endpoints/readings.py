"""The HTTP door of the crawlers: `POST /ingest`, JSON columns.

    {"sensors": ["a", "b"], "values": [1.5, 2], "times": [1700000000000000000, null]}

`times` (ns since the epoch, UTC) may be left out or hold nulls: the door stamps those. A crawler that may push the
same reading twice stamps it itself, so that it stays one reading.

200  {"status": "success", "update_count": n, "rejected": [{"index", "sensor", "reason"}, ...]}: n readings are on disk,
     and the rejected ones will never be taken: neither need be sent again
400  {"status": "failure", "reason"}: no such columns; sending it again changes nothing
408, 413  the body came too slowly, or is too large: send less at once
503  with Retry-After: nothing was kept, come back later
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson

from backend.core.asgi import (
    App,
    BodyRefused,
    ClientDisconnected,
    Message,
    Receive,
    Scope,
    Send,
    json_messages,
    read_body,
    send_json,
)
from backend.core.errors import TransientError, UserError
from backend.core.ports import PushResult

MAX_BODY: Final = 2 * 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0
RETRY_AFTER_S: Final = 2

# Answers to clean pushes are encoded once for each count.
_CLEAN_KEPT: Final = 1024


class IngestDoor:
    """ASGI application; `take` judges and keeps a body, as `Ingest.accept_columns` does."""

    def __init__(
        self,
        take: Callable[[bytes], Awaitable[PushResult]],
        max_body: int = MAX_BODY,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._take = take
        self._max_body = max_body
        self._body_timeout_s = body_timeout_s
        self._clean: dict[int, tuple[Message, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await send_json(send, 405, _failure("POST only"), [(b"allow", b"POST")])
            return
        try:
            outcome = await self._take(await read_body(receive, self._max_body, self._body_timeout_s))
        except UserError as error:
            await send_json(send, 400, _failure(str(error)))
        except TransientError as error:
            retry = (b"retry-after", str(RETRY_AFTER_S).encode())
            await send_json(send, 503, _failure(str(error)), [retry])
        except BodyRefused as refused:
            await send_json(send, refused.status, _failure(str(refused)), [(b"connection", b"close")])
        except ClientDisconnected:
            return
        else:
            for message in self._success(outcome):
                await send(message)

    def _success(self, outcome: PushResult) -> tuple[Message, Message]:
        if outcome.rejected:
            return json_messages(200, _success_body(outcome))
        clean = self._clean.get(outcome.accepted)
        if clean is None:
            clean = json_messages(200, _success_body(outcome))
            if len(self._clean) < _CLEAN_KEPT:
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


def _success_body(outcome: PushResult) -> bytes:
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
