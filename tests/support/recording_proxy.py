"""A proxy in front of the ingest endpoint that records acknowledged readings, and that can be cut like a cable."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import orjson

from tests.support.waiting import DEADLINE_S

Identity = tuple[str, int]


@dataclass
class Ledger:
    """`acknowledged` holds the readings that an endpoint or a spool acknowledged, by identity; `sent` all that were ever sent."""

    acknowledged: dict[Identity, float] = field(default_factory=dict)
    sent: set[Identity] = field(default_factory=set)
    answers: int = 0
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    def record_sent(self, body: bytes) -> list[tuple[str, int, float]]:
        columns = orjson.loads(body)
        rows = list(zip(columns["sensors"], columns["times"], columns["values"], strict=True))
        self.sent.update((s, t) for s, t, _ in rows)
        return rows

    async def record_answer(self, rows: list[tuple[str, int, float]], body: bytes) -> None:
        rejected = {r["index"] for r in orjson.loads(body)["rejected"]}
        async with self._more:
            self.acknowledged.update({(s, t): v for i, (s, t, v) in enumerate(rows) if i not in rejected})
            self.answers += 1
            self._more.notify_all()

    async def grown_by(self, readings: int, within_s: float = DEADLINE_S) -> None:
        goal = len(self.acknowledged) + readings
        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(lambda: len(self.acknowledged) >= goal)


class RecordingProxy:
    """Listens at the address that pushers use, and forwards to the endpoint. An async context manager."""

    def __init__(self, endpoint_port: int, ledger: Ledger) -> None:
        self.port = 0
        self.cuts = 0
        self._endpoint_port = endpoint_port
        self._ledger = ledger
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> RecordingProxy:
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def restore(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse connections and abort the open ones, so that pushers under way get no answer."""
        self.cuts += 1
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection("127.0.0.1", self._endpoint_port)
            while True:
                head, body = await _read(reader)
                # Health reports use the same connection and are not recorded.
                rows = None if head.startswith(b"POST /ingest/health ") else self._ledger.record_sent(body)
                upstream.write(head + body)
                answer_head, answer = await _read(answers)
                if rows is not None and answer_head.startswith(b"HTTP/1.1 200"):
                    await self._ledger.record_answer(rows, answer)
                writer.write(answer_head + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            for end in (writer, upstream):
                if end is not None:
                    end.close()
                    with contextlib.suppress(OSError):
                        await end.wait_closed()


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ),
        0,
    )
    return head, await reader.readexactly(size)
