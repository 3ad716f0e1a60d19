"""A gate before the ingest door that writes down what the door promised, and that can be shut like a cut cable."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import orjson

Identity = tuple[str, int]


@dataclass
class Ledger:
    """`kept`: readings that a door or a spool said it has, by identity. `asked`: all that were ever sent."""

    kept: dict[Identity, float] = field(default_factory=dict)
    asked: set[Identity] = field(default_factory=set)
    answers: int = 0
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    def send(self, body: bytes) -> list[tuple[str, int, float]]:
        columns = orjson.loads(body)
        rows = list(zip(columns["sensors"], columns["times"], columns["values"], strict=True))
        self.asked.update((s, t) for s, t, _ in rows)
        return rows

    async def answer(self, rows: list[tuple[str, int, float]], said: bytes) -> None:
        refused = {r["index"] for r in orjson.loads(said)["rejected"]}
        async with self._more:
            self.kept.update({(s, t): v for i, (s, t, v) in enumerate(rows) if i not in refused})
            self.answers += 1
            self._more.notify_all()

    async def grown_by(self, readings: int, within_s: float = 150.0) -> None:
        goal = len(self.kept) + readings
        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(lambda: len(self.kept) >= goal)


class Toll:
    """Listens where pushers believe the door to be. A context manager."""

    def __init__(self, door: int, ledger: Ledger) -> None:
        self.port = 0
        self.cuts = 0
        self._door = door
        self._ledger = ledger
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Toll:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Nobody gets through, and who is on the way does not hear how it ended."""
        self.cuts += 1
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        beyond: asyncio.StreamWriter | None = None
        try:
            answers, beyond = await asyncio.open_connection("127.0.0.1", self._door)
            while True:
                head, body = await _read(reader)
                # Health reports go the same way, and promise nothing.
                rows = None if head.startswith(b"POST /ingest/health ") else self._ledger.send(body)
                beyond.write(head + body)
                said, answer = await _read(answers)
                if rows is not None and said.startswith(b"HTTP/1.1 200"):
                    await self._ledger.answer(rows, answer)
                writer.write(said + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            for end in (writer, beyond):
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
