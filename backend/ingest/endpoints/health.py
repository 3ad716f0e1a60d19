"""The push endpoint for the health of devices: `POST /ingest/health`, from crawlers in processes of their own.

    {"devices": [{"name", "method", "crawler", "sensors", "period_s", "state", "reported_ns", ...}, ...]}

with the fields of `DeviceHealth`. 204: the report is shown. Faults are answered as `backend/ingest/endpoints/push.py` says. A
report need not be sent again, because the next one replaces it and no report carries readings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backend.core.asgi import Message
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.health import decode
from backend.core.ports import HealthBoard
from backend.ingest.endpoints.push import PushEndpoint

PATH: Final = "/ingest/health"
MAX_BODY: Final = 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0


def health_endpoint(board: HealthBoard, clock: Clock) -> PushEndpoint:
    """Return the endpoint. It stamps reports with `clock`, because their age matters and a crawler's clock may be wrong."""

    async def handle(body: bytes) -> tuple[Message, Message]:
        try:
            devices = decode(body)
        except ValueError as error:
            raise UserError(str(error)) from error
        now_ns = clock.now_ns()
        await board.report([replace(device, reported_ns=now_ns) for device in devices])
        return _no_content()

    return PushEndpoint(handle, MAX_BODY, BODY_TIMEOUT_S)


def _no_content() -> tuple[Message, Message]:
    return (
        {"type": "http.response.start", "status": 204, "headers": []},
        {"type": "http.response.body", "body": b""},
    )
