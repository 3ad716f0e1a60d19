"""The HTTP server of a simulated Flukso meter: the last minute of each sensor, one point per second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import orjson

from crawlers.simulators.fault_schedule import PacketFilter, send_unchanged

Points = Callable[[str], object]
"""Returns the JSON answer for a sensor's name. A meter without a fault gives [(epoch s, watts or "nan"), ...], oldest first."""


class FluksoServer:
    """Answers `GET /sensor/<id>?version=1.0&interval=minute&unit=watt` and keeps connections open."""

    def __init__(
        self, sensors: Mapping[str, str], points: Points, filter_body: PacketFilter = send_unchanged
    ) -> None:
        """`sensors` maps sensor ids to sensor names. `filter_body` applies faults to the body of an answer."""
        self._sensors = sensors
        self._points = points
        self._filter_body = filter_body
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def start(self, ip: str, port: int) -> int:
        """Listen and return the port. Port 0 stands for a free one."""
        self._server = await asyncio.start_server(self._serve, ip, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            serving = [task for task in self._open.values() if task is not None]
            for writer in list(self._open):
                writer.close()
            await asyncio.gather(*serving, return_exceptions=True)
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    status, body = self.respond(head.split(b"\r\n", 1)[0].decode("latin-1"))
                    delayed = self._filter_body(body)
                    if delayed is None:
                        continue
                    delay_s, packet = delayed
                    if delay_s:
                        await asyncio.sleep(delay_s)
                    writer.write(
                        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n".encode()
                        + packet
                    )
                    await writer.drain()
                    if len(packet) < len(body):
                        break  # the answer is truncated, so the connection is closed
        finally:
            self._open.pop(writer, None)
            writer.close()

    def respond(self, request_line: str) -> tuple[str, bytes]:
        """Return the status and the JSON body for a request."""
        parts = request_line.split(" ")
        if len(parts) != 3 or parts[0] != "GET":
            return "405 Method Not Allowed", b'"only GET"'
        target = urlsplit(parts[1])
        query = {key: values[0] for key, values in parse_qs(target.query).items()}
        name = self._sensors.get(target.path.removeprefix("/sensor/"))
        if name is None:
            return "404 Not Found", b'"no such sensor"'
        if query.get("interval") != "minute" or query.get("unit") != "watt":
            return "400 Bad Request", b'"only interval=minute and unit=watt are supported"'
        return "200 OK", orjson.dumps(self._points(name))
