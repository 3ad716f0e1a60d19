"""A Flukso meter's HTTP interface on loopback: the last minute of each sensor, once a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import orjson

from crawlers.simulators.fault_schedule import Says, at_once

Points = Callable[[str], object]
"""Sensor name -> what is answered as JSON: a sound meter's [(epoch s, watts or "nan"), ...], oldest first."""


class FluksoServer:
    """Answers `GET /sensor/<id>?version=1.0&interval=minute&unit=watt`, keeping connections open."""

    def __init__(self, sensors: Mapping[str, str], points: Points, says: Says = at_once) -> None:
        """`sensors` maps sensor ids to sensor names; `says`: what becomes of an answer's body."""
        self._sensors = sensors
        self._points = points
        self._says = says
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def start(self, ip: str, port: int) -> int:
        """The port it listens on; 0 takes a free one."""
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
                    said = self._says(body)
                    if said is None:
                        continue
                    wait_s, sent = said
                    if wait_s:
                        await asyncio.sleep(wait_s)
                    writer.write(
                        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n".encode()
                        + sent
                    )
                    await writer.drain()
                    if len(sent) < len(body):
                        break  # cut off: the connection ends with it
        finally:
            self._open.pop(writer, None)
            writer.close()

    def respond(self, request_line: str) -> tuple[str, bytes]:
        """Status and JSON body of a request."""
        parts = request_line.split(" ")
        if len(parts) != 3 or parts[0] != "GET":
            return "405 Method Not Allowed", b'"only GET"'
        target = urlsplit(parts[1])
        query = {key: found[0] for key, found in parse_qs(target.query).items()}
        name = self._sensors.get(target.path.removeprefix("/sensor/"))
        if name is None:
            return "404 Not Found", b'"no such sensor"'
        if query.get("interval") != "minute" or query.get("unit") != "watt":
            return "400 Bad Request", b'"interval=minute and unit=watt are what is known here"'
        return "200 OK", orjson.dumps(self._points(name))
