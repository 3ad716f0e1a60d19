"""The door of crawlers' health: `POST /ingest/health`, by crawlers in processes of their own.

    {"devices": [{"name", "method", "crawler", "sensors", "period_s", "state", "reported_ns", ...}, ...]}

with the fields of `DeviceHealth`. 204: shown; 400: no such report; 503: come back later, or not at all: the next report of a
crawler says all that this one did. Reports carry no readings, so that losing one loses nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from backend.core.asgi import BodyRefused, ClientDisconnected, Receive, Scope, Send, read_body, send_json
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.health import decode
from backend.core.ports import HealthBoard

PATH: Final = "/ingest/health"
MAX_BODY: Final = 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0


class HealthDoor:
    """ASGI application. Reports are stamped here: a crawler's clock may be wrong, and the age of a report matters."""

    def __init__(self, board: HealthBoard, clock: Clock) -> None:
        self._board = board
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await send_json(send, 405, _failure("POST only"), [(b"allow", b"POST")])
            return
        try:
            devices = decode(await read_body(receive, MAX_BODY, BODY_TIMEOUT_S))
            now = self._clock.now_ns()
            await self._board.report([replace(d, reported_ns=now) for d in devices])
        except ValueError as error:
            await send_json(send, 400, _failure(str(error)))
        except TransientError as error:
            await send_json(send, 503, _failure(str(error)), [(b"retry-after", b"2")])
        except BodyRefused as refused:
            await send_json(send, refused.status, _failure(str(refused)), [(b"connection", b"close")])
        except ClientDisconnected:
            return
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})


def _failure(reason: str) -> bytes:
    return orjson.dumps({"status": "failure", "reason": reason})
