"""The endpoint `GET /export?sensors=a,b&types=t&nodes=n&window=1h&from=...&to=...&format=csv`.

It answers readings or roll-up windows as a file of any length, in bounded memory. A wrong request is refused before the first
byte, with `{"error": {"where", "what", "mend"}}`. If the store fails later, the answer breaks off without its final chunk, which
every client detects.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import orjson

from backend.core.asgi import Header, Receive, Scope, Send, send_json
from backend.core.errors import TransientError, UserError
from backend.formats.file_formats import FORMAT_INFO, Format
from backend.queries.export import ExportRefused, ExportRequest, ExportService
from backend.queries.rollup_export import RollupExportService
from backend.rest.export_address import ParsedExport, parse_export

if TYPE_CHECKING:
    from backend.rest.export_files import File

log = logging.getLogger(__name__)

PATH: Final = "/export"
MAX_CONCURRENT: Final = 4
STALL_TIMEOUT_S: Final = 60.0
"""A client that receives nothing for this time is disconnected, because it blocks a slot that others wait for."""


class ExportEndpoint:
    """ASGI application. `max_concurrent` and `stall_timeout_s` bound the memory of all exports together."""

    def __init__(
        self,
        readings: ExportService,
        rolled: RollupExportService,
        max_concurrent: int = MAX_CONCURRENT,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        self._readings = readings
        self._rolled = rolled
        self._free_slots = max_concurrent
        self._stall_timeout_s = stall_timeout_s

    @property
    def free_slots(self) -> int:
        """The number of exports that can start now."""
        return self._free_slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(
                send, 405, "method", "the method is not supported", "use GET", [(b"allow", b"GET, HEAD")]
            )
            return
        try:
            parsed = parse_export(scope["query_string"].decode("latin-1"))
            file = await self._file(parsed)
        except ExportRefused as refused:
            await _refuse(send, 400, refused.where, refused.what, refused.fix)
        except UserError as error:
            await _refuse(send, 400, "sensors", str(error), "select other sensors or another format")
        except TransientError as error:
            await _refuse(send, 503, "store", str(error), "retry later", [(b"retry-after", b"5")])
        else:
            await self._answer(scope, receive, send, parsed.kind, file)

    async def _file(self, parsed: ParsedExport) -> File:
        from backend.rest.export_files import ReadingsFile, WindowsFile  # loads pyarrow

        if isinstance(parsed.request, ExportRequest):
            return ReadingsFile(self._readings, await self._readings.plan(parsed.request), parsed.kind)
        return WindowsFile(self._rolled, self._rolled.plan(parsed.request), parsed.kind)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, kind: Format, file: File) -> None:
        if scope["method"] == "HEAD":
            await _begin(send, kind, file)
            await send({"type": "http.response.body", "body": b""})
            return
        if not self._free_slots:
            message = "the maximum number of exports is running"
            await _refuse(send, 503, "server", message, "retry later", [(b"retry-after", b"10")])
            return
        self._free_slots -= 1
        try:
            await self._stream(receive, send, kind, file)
        finally:
            self._free_slots += 1

    async def _stream(self, receive: Receive, send: Send, kind: Format, file: File) -> None:
        """Send the file until its end, or until the client disconnects."""
        sending = asyncio.create_task(self._send_all(send, kind, file))
        disconnection = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({sending, disconnection}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            sending.cancel()
            disconnection.cancel()
            await asyncio.gather(sending, disconnection, return_exceptions=True)

    async def _send_all(self, send: Send, kind: Format, file: File) -> None:
        has_started = False
        async with aclosing(file.pieces()) as pieces:
            try:
                async for piece in pieces:
                    if not has_started:
                        await _begin(send, kind, file)
                        has_started = True
                    async with asyncio.timeout(self._stall_timeout_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TransientError as error:
                if not has_started:
                    await _refuse(send, 503, "store", str(error), "retry later", [(b"retry-after", b"5")])
                else:
                    log.error("export failed after its start: %s", error)
                return
            except TimeoutError:
                log.info("export cancelled, client received nothing for_s=%g", self._stall_timeout_s)
                return
        await send({"type": "http.response.body", "body": b""})


async def _begin(send: Send, kind: Format, file: File) -> None:
    headers = [
        (b"content-type", FORMAT_INFO[kind].content_type.encode()),
        (b"content-disposition", f'attachment; filename="{file.name}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _refuse(
    send: Send, status: int, where: str, what: str, fix: str, headers: list[Header] | None = None
) -> None:
    body = orjson.dumps({"error": {"where": where, "what": what, "mend": fix}})
    await send_json(send, status, body, headers or [])


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
