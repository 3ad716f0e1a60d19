"""`GET /export?sensors=a,b&types=t&nodes=n&window=1h&from=...&to=...&format=csv`: readings, or windows of roll-ups, as a file, of
any length, in bounded memory.

What is wrong with a request is told before the first byte, as `{"error": {"where", "what", "mend"}}`. Where the store fails
later the answer ends without its end, which every client notices.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Final

import orjson

from backend.core.asgi import Header, Receive, Scope, Send, send_json
from backend.core.errors import TransientError, UserError
from backend.formats.kinds import SORTS, Format
from backend.queries.export import ExportRefused, ExportRequest, ExportService
from backend.queries.rollup_export import RollupExportService
from backend.rest.export_address import Asked, asked
from backend.rest.export_files import File, ReadingsFile, WindowsFile

log = logging.getLogger(__name__)

PATH: Final = "/export"
MAX_CONCURRENT: Final = 4
STALL_TIMEOUT_S: Final = 60.0
"""A client that takes nothing for so long is given up: it holds a place that others wait for."""


class ExportEndpoint:
    """ASGI application. `max_concurrent` and `stall_timeout_s` bound what exports may hold together."""

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
        """How many more exports may begin now."""
        return self._free_slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "method", "GET only", "ask with GET", [(b"allow", b"GET, HEAD")])
            return
        try:
            wanted = asked(scope["query_string"].decode("latin-1"))
            file = await self._file(wanted)
        except ExportRefused as refused:
            await _refuse(send, 400, refused.where, refused.what, refused.fix)
        except UserError as error:
            await _refuse(send, 400, "sensors", str(error), "name others")
        except TransientError as error:
            await _refuse(send, 503, "store", str(error), "ask again later", [(b"retry-after", b"5")])
        else:
            await self._answer(scope, receive, send, wanted.kind, file)

    async def _file(self, wanted: Asked) -> File:
        if isinstance(wanted.request, ExportRequest):
            return ReadingsFile(self._readings, await self._readings.plan(wanted.request), wanted.kind)
        return WindowsFile(self._rolled, self._rolled.plan(wanted.request), wanted.kind)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, kind: Format, file: File) -> None:
        if scope["method"] == "HEAD":
            await _begin(send, kind, file)
            await send({"type": "http.response.body", "body": b""})
            return
        if not self._free_slots:
            many = "as many exports as may run at once are running"
            await _refuse(send, 503, "server", many, "ask again later", [(b"retry-after", b"10")])
            return
        self._free_slots -= 1
        try:
            await self._stream(receive, send, kind, file)
        finally:
            self._free_slots += 1

    async def _stream(self, receive: Receive, send: Send, kind: Format, file: File) -> None:
        """Until the end, or until the client has gone."""
        work = asyncio.create_task(self._send_all(send, kind, file))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _send_all(self, send: Send, kind: Format, file: File) -> None:
        begun = False
        async with aclosing(file.pieces()) as pieces:
            try:
                async for piece in pieces:
                    if not begun:
                        await _begin(send, kind, file)
                        begun = True
                    async with asyncio.timeout(self._stall_timeout_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TransientError as error:
                if not begun:
                    await _refuse(send, 503, "store", str(error), "ask again later", [(b"retry-after", b"5")])
                else:
                    log.error("an export ended early: %s", error)
                return
            except TimeoutError:
                log.info("an export was given up: its client took nothing for %g s", self._stall_timeout_s)
                return
        await send({"type": "http.response.body", "body": b""})


async def _begin(send: Send, kind: Format, file: File) -> None:
    headers = [
        (b"content-type", SORTS[kind].content_type.encode()),
        (b"content-disposition", f'attachment; filename="{file.name}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _refuse(
    send: Send, status: int, where: str, what: str, mend: str, headers: list[Header] | None = None
) -> None:
    body = orjson.dumps({"error": {"where": where, "what": what, "mend": mend}})
    await send_json(send, status, body, headers or [])


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
