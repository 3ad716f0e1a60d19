"""Many subscribers in one process, at minimum cost: frames are split, and only the time in each is read."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import time
from collections.abc import Callable

QUERY = 'subscription { readings(sensors: ["fan"]) { snapshot sensors timestamps values } }'
_VALUE = re.compile(rb'"values":\s*\[([0-9.]+)')


def _frame(message: object) -> bytes:
    text = json.dumps(message).encode()
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + text


HELLO = _frame({"type": "connection_init"})
SUBSCRIBE = _frame({"id": "1", "type": "subscribe", "payload": {"query": QUERY}})


class Subscriber(asyncio.Protocol):
    """Appends to `delays`, while `counting`, the seconds from each reading to its arrival."""

    delays: list[float] = []  # noqa: RUF012 (shared on purpose)
    counting = False

    def __init__(self) -> None:
        self._buffer = b""
        self._open = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            assert b" 101 " in head, head
            self._open, self._buffer = True, rest
            self.transport.write(HELLO)
        while len(self._buffer) >= 2:
            size, start = self._buffer[1], 2
            if size == 126:
                size, start = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < start + size:
                return
            self._take(self._buffer[0] & 15, self._buffer[start : start + size])
            self._buffer = self._buffer[start + size :]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == 9:  # a ping
            self.transport.write(bytes([0x8A, 0x80 | len(body)]) + b"\0\0\0\0" + body)
            return
        if not self.ready.done():
            if b'"connection_ack"' in body:
                self.transport.write(SUBSCRIBE)
            elif b'"next"' in body:
                self.ready.set_result(None)
            return
        if self.counting and (match := _VALUE.search(body)):
            self.delays.append(time.monotonic() - float(match[1]))


async def listen(
    port: int, count: int, seconds: float, settle: float, marks: list[float], cpu: Callable[[], float]
) -> list[float]:
    """Return the delays in s of what `count` subscribers received in `seconds`; append `cpu()` at start and end to
    `marks`.
    """
    loop = asyncio.get_running_loop()
    subscribers: list[Subscriber] = []
    for start in range(0, count, 50):
        connections = await asyncio.gather(
            *(
                loop.create_connection(Subscriber, "127.0.0.1", port)
                for _ in range(start, min(start + 50, count))
            )
        )
        subscribers += [protocol for _, protocol in connections]
        await asyncio.gather(*(s.ready for s in subscribers[start:]))
    await asyncio.sleep(settle)
    Subscriber.delays = []
    marks.append(cpu())
    Subscriber.counting = True
    await asyncio.sleep(seconds)
    Subscriber.counting = False
    marks.append(cpu())
    for subscriber in subscribers:
        subscriber.transport.abort()
    return Subscriber.delays
