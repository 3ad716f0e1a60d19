"""Live readings over graphql-transport-ws, for as long as they are wanted."""

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
_LONGEST_PAUSE_S: Final = 20.0
_REFUSED: Final = (401, 403, 4401, 4403)
_RIGHTS_CHANGED: Final = 4403
"""Of a connection that had been let in: the next one says what the new rights are."""
_MISUNDERSTOOD: Final = (4400, 4406)
_LOST = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, Unavailable)


async def live(
    url: str, token: str | None, sensors: Sequence[str], types: Sequence[str]
) -> AsyncGenerator[Batch, None]:
    """Batches, across lost connections. Raises `Unavailable` if it never gets one, `NotAllowed`, `BadRequest`."""
    seen = _Seen()
    failures = 0
    while True:
        try:
            async with aclosing(_subscription(url, token, sensors, types)) as payloads:
                async for payload in payloads:
                    failures = 0
                    yield seen.batch(payload)
        except _LOST as error:
            _raise_permanent(error, let_in=seen.any and not failures)
            if not seen.any and failures >= 2:
                mend = "is the server up, and is this its address?"
                raise Unavailable("live", f"no connection to {url}: {error}", mend) from error
        failures += 1
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (failures - 1))
        await asyncio.sleep(longest * random.uniform(0.5, 1.0))


class _Seen:
    """What came so far, as far as gaps are concerned."""

    def __init__(self) -> None:
        self.any = False
        self._until: datetime | None = None

    def batch(self, found: Mapping[str, Any]) -> Batch:
        """A snapshot that is not the first one stands in place of what was missed."""
        gap = self._until if found["snapshot"] and self.any else None
        times = found["timestamps"]
        if times:
            # Of a snapshot the newest: the oldest may be of a sensor that has been silent for a year.
            self._until = from_ms(max(times) if found["snapshot"] else min(times))
        self.any = True
        return Batch(found["snapshot"], gap, found["sensors"], times, found["values"])


async def _subscription(
    url: str, token: str | None, sensors: Sequence[str], types: Sequence[str]
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Payloads of one connection, until it ends."""
    address = "ws" + url.removeprefix("http") + "/graphql"
    said = {"sensors": list(sensors) or None, "types": list(types) or None}
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
        payload = {"query": documents.READINGS, "variables": said}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            kind = message.get("type")
            if kind == "ping":
                with suppress(ConnectionClosed):  # what was sent before the end is still to be read
                    await socket.send(json.dumps({"type": "pong"}))
            elif kind == "error":
                raise protocol.of_graphql(message["payload"][0])
            elif kind == "next":
                if message["payload"].get("errors"):
                    raise protocol.of_graphql(message["payload"]["errors"][0])
                yield message["payload"]["data"]["readings"]
            elif kind == "complete":
                return


def _raise_permanent(error: BaseException, *, let_in: bool) -> None:
    """Raises where trying again is of no use."""
    code, reason = None, ""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        code, reason = error.rcvd.code, error.rcvd.reason
    if isinstance(error, InvalidStatus):
        code, reason = error.response.status_code, f"the server answered {error.response.status_code}"
    if code == _RIGHTS_CHANGED and let_in:
        return
    if code in _REFUSED:
        raise NotAllowed("live", reason or "a valid token is needed", protocol.LOG_IN) from error
    if code in _MISUNDERSTOOD or (code is not None and 400 <= code < 500):
        raise BadRequest("live", reason, "is this a SeDuCe server's address?") from error
