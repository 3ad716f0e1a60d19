"""Small descriptions, a sink that keeps its pushes, and a scripted HTTP endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from backend.core.errors import TransientError
from backend.core.reading import Readings
from backend.core.tree import Tree, TreeNode
from backend.inventory.loader import load
from backend.inventory.model import Inventory, Rack, Sensor, Site, SnmpSource, Source
from crawlers.device import Sample
from crawlers.snmp import SnmpDevice

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "datacenter"
OUTLETS = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
NOW_NS = 1_790_000_000 * 10**9
START_TIMEOUT_S = 60.0


def example() -> Inventory:
    return load(EXAMPLE)


def sensor(name: str, source: Source, unit: str = "W", **more: object) -> Sensor:
    method = {
        "SnmpSource": "snmp",
        "ModbusSource": "modbus",
        "SocomecSource": "socomec",
        "FluksoSource": "flukso",
        "PushSource": "temperature_push",
    }[type(source).__name__]
    fields = {"sensor_type": "wattmeter", "group": "test", "location": "here"} | more
    return Sensor(name=name, unit=unit, method=method, source=source, **fields)  # type: ignore[arg-type]


def outlets(port: int, indices: Iterable[int], ip: str = "127.0.0.1", **source: object) -> list[Sensor]:
    return [
        sensor(f"ecotype-{i}_pdu-A", SnmpSource(ip, OUTLETS, i, port, **source), parent="pdu-A")  # type: ignore[arg-type]
        for i in indices
    ]


def inventory(sensors: Sequence[Sensor], racks: tuple[Rack, ...] = ()) -> Inventory:
    def tree(name: str) -> Tree:
        return Tree(name, "root", (TreeNode("root", "root", None, (), None),))

    site = Site("test", "test", racks)
    named = {s.name: s for s in sensors}
    return Inventory(named, tree("consumption"), tree("production"), site, (), (), ())


async def read_when_started(sensors: Sequence[Sensor], tick_ns: int) -> Sample:
    """Read the sensors of one SNMP agent, with retries while the agent is starting."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        device = SnmpDevice(sensors)
        try:
            return await device.read(tick_ns)
        except TransientError:
            if time.monotonic() >= deadline_s:
                raise
        finally:
            await device.close()
        await asyncio.sleep(0.05)


class MemorySink:
    """Acknowledges every push. Tests can wait until it has a number of readings."""

    def __init__(self) -> None:
        self.pushes: list[Readings] = []
        self._more = asyncio.Condition()

    @property
    def rows(self) -> Readings:
        return Readings.concat(self.pushes)

    async def push(self, readings: Readings) -> None:
        async with self._more:
            self.pushes.append(readings)
            self._more.notify_all()

    async def filled(self, rows: int) -> Readings:
        async with self._more:
            await self._more.wait_for(lambda: sum(map(len, self.pushes)) >= rows)
        return self.rows


@dataclass
class ScriptedEndpoint:
    """An HTTP server that answers POSTs with scripted statuses, then with 200. It keeps the bodies that it answered with 200."""

    statuses: list[int] = field(default_factory=list)
    max_rows: int = 10**9
    accepted: list[dict[str, list[object]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    requests: int = 0
    port: int = 0
    reply: bytes = b'{"status":"success","rejected":[]}'
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, bodies: int) -> None:
        async with self._more:
            await self._more.wait_for(lambda: len(self.bodies) >= bodies)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                await self._answer(await reader.readexactly(size), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200 and body.startswith(b"{"):
            columns = orjson.loads(body)
            if len(columns["times"]) > self.max_rows:
                status = 413
            else:
                self.accepted.append(columns)
        async with self._more:
            self.bodies.append(body)
            self._more.notify_all()
        writer.write(
            f"HTTP/1.1 {status} x\r\nContent-Length: {len(self.reply)}\r\n\r\n".encode() + self.reply
        )
        await writer.drain()


@asynccontextmanager
async def serve_endpoint(endpoint: ScriptedEndpoint) -> AsyncIterator[ScriptedEndpoint]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        writers.append(writer)
        await endpoint.serve(reader, writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(serve, "127.0.0.1", endpoint.port)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(t for t in serving if t is not None), return_exceptions=True)
