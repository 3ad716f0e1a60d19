"""Live readings over a WebSocket (graphql-transport-ws)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any, Final

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from seduce_client import documents, protocol
from seduce_client.errors import BadRequest, NotAllowed, Unavailable
from seduce_client.model import Batch
from seduce_client.times import from_ms

_PROTOCOL: Final = "graphql-transport-ws"
_ACK_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.5
_MAX_PAUSE_S: Final = 20.0
_REFUSED: Final = (401, 403, 4401, 4403)
_RIGHTS_CHANGED: Final = 4403
"""Closes an accepted connection when the rights of its user change. The next connection has the new rights."""
_BAD_REQUEST: Final = (4400, 4406)
_LOST = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, Unavailable)


async def live(
    url: str, token: str | None, sensors: Sequence[str], types: Sequence[str]
) -> AsyncGenerator[Batch, None]:
    """Yield batches, and reconnect after a lost connection.

    Raises `Unavailable` if the first connection fails repeatedly, `NotAllowed` and `BadRequest` if the server rejects it.
    """
    tracker = _GapTracker()
    failures = 0
    while True:
        try:
            async with aclosing(_subscription(url, token, sensors, types)) as payloads:
                async for payload in payloads:
                    failures = 0
                    yield tracker.batch(payload)
        except _LOST as error:
            _raise_permanent(error, was_accepted=tracker.has_batches and not failures)
            if not tracker.has_batches and failures >= 2:
                fix = f"is the server up, and {protocol.CHECK_ADDRESS}"
                raise Unavailable("live", f"no connection to {url}: {error}", fix) from error
        failures += 1
        longest_s = min(_MAX_PAUSE_S, _FIRST_PAUSE_S * 2 ** (failures - 1))
        await asyncio.sleep(longest_s * random.uniform(0.5, 1.0))


class _GapTracker:
    """Remembers the time of the last batch, to tell from when readings may be missing."""

    def __init__(self) -> None:
        self.has_batches = False
        self._until: datetime | None = None

    def batch(self, payload: Mapping[str, Any]) -> Batch:
        """Return the batch of a payload. A snapshot after the first one replaces missed batches."""
        is_snapshot, times = payload["snapshot"], payload["timestamps"]
        gap_from = self._until if is_snapshot and self.has_batches else None
        if times:
            # Of a snapshot, use the newest time: the oldest may belong to a sensor that is silent for a year.
            self._until = from_ms(max(times) if is_snapshot else min(times))
        self.has_batches = True
        return Batch(is_snapshot, gap_from, payload["sensors"], times, payload["values"])


async def _subscription(
    url: str, token: str | None, sensors: Sequence[str], types: Sequence[str]
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yield the payloads of one connection until it ends."""
    address = "ws" + url.removeprefix("http") + "/graphql"
    variables = {"sensors": list(sensors) or None, "types": list(types) or None}
    async with websockets.connect(
        address,
        subprotocols=[websockets.Subprotocol(_PROTOCOL)],
        additional_headers=protocol.headers(token),
        max_size=None,
    ) as socket:
        async with asyncio.timeout(_ACK_S):
            await socket.send(json.dumps({"type": "connection_init"}))
            while json.loads(await socket.recv()).get("type") != "connection_ack":
                pass
        payload = {"query": documents.READINGS, "variables": variables}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            kind = message.get("type")
            if kind == "ping":
                with suppress(ConnectionClosed):  # read the messages that the server sent before it closed
                    await socket.send(json.dumps({"type": "pong"}))
            elif kind == "error":
                raise protocol.error_of_graphql(message["payload"][0])
            elif kind == "next":
                if message["payload"].get("errors"):
                    raise protocol.error_of_graphql(message["payload"]["errors"][0])
                yield message["payload"]["data"]["readings"]
            elif kind == "complete":
                return


def _raise_permanent(error: BaseException, *, was_accepted: bool) -> None:
    """Raise an error if a retry cannot succeed. `was_accepted` is True if the server had accepted the connection."""
    code, reason = None, ""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        code, reason = error.rcvd.code, error.rcvd.reason
    if isinstance(error, InvalidStatus):
        code, reason = error.response.status_code, f"the server answered {error.response.status_code}"
    if code == _RIGHTS_CHANGED and was_accepted:
        return
    if code in _REFUSED:
        raise NotAllowed("live", reason or "a valid token is needed", protocol.HOW_TO_LOG_IN) from error
    if code in _BAD_REQUEST or (code is not None and 400 <= code < 500):
        raise BadRequest("live", reason, protocol.CHECK_ADDRESS) from error
