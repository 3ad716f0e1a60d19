"""`GET /export?sensors=a,b&types=t&from=...&to=...&format=csv`: raw readings as a file, of any length, in bounded memory.

What is wrong with a request is told before the first byte, as `{"error": {"where", "what", "mend"}}`. Where the store fails
later the answer ends without its end, which every client notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

import orjson

from backend.core.asgi import Header, Receive, Scope, Send, send_json
from backend.core.errors import TransientError, UserError
from backend.core.windows import NS_PER_SECOND
from backend.formats.kinds import SORTS, Format
from backend.formats.write import Writer, writer
from backend.queries.export import ExportPlan, ExportRefused, ExportRequest, ExportService, time_of

log = logging.getLogger(__name__)

PATH: Final = "/export"
MOST_AT_ONCE: Final = 4
STALLED_S: Final = 60.0
"""A client that takes nothing for so long is given up: it holds a place that others wait for."""

_KNOWN: Final = ("sensors", "types", "from", "to", "format")


class ExportDoor:
    """ASGI application. `most_at_once` and `stalled_s` bound what exports may hold together."""

    def __init__(
        self, service: ExportService, most_at_once: int = MOST_AT_ONCE, stalled_s: float = STALLED_S
    ) -> None:
        self._service = service
        self._places = most_at_once
        self._stalled_s = stalled_s

    @property
    def places(self) -> int:
        """How many more exports may begin now."""
        return self._places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "method", "GET only", "ask with GET", [(b"allow", b"GET, HEAD")])
            return
        try:
            kind, request = asked(scope["query_string"].decode("latin-1"))
            plan = await self._service.plan(request)
            made = writer(kind, plan.sensors, plan.tags)
        except ExportRefused as refused:
            await _refuse(send, 400, refused.where, refused.what, refused.mend)
        except UserError as error:
            await _refuse(send, 400, "sensors", str(error), "name others")
        except TransientError as error:
            await _refuse(send, 503, "store", str(error), "ask again later", [(b"retry-after", b"5")])
        else:
            await self._answer(scope, receive, send, kind, plan, made)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, kind: Format, plan: ExportPlan, made: Writer
    ) -> None:
        if scope["method"] == "HEAD":
            await _begin(send, kind, plan)
            await send({"type": "http.response.body", "body": b""})
            return
        if not self._places:
            many = "as many exports as may run at once are running"
            await _refuse(send, 503, "server", many, "ask again later", [(b"retry-after", b"10")])
            return
        self._places -= 1
        try:
            await self._stream(receive, send, kind, plan, made)
        finally:
            self._places += 1

    async def _stream(
        self, receive: Receive, send: Send, kind: Format, plan: ExportPlan, made: Writer
    ) -> None:
        """Until the end, or until the client has gone."""
        work = asyncio.create_task(self._send_all(send, kind, plan, made))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _send_all(self, send: Send, kind: Format, plan: ExportPlan, made: Writer) -> None:
        begun = False
        async with aclosing(self._pieces(plan, made)) as pieces:
            try:
                async for piece in pieces:
                    if not begun:
                        await _begin(send, kind, plan)
                        begun = True
                    async with asyncio.timeout(self._stalled_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TransientError as error:
                if not begun:
                    await _refuse(send, 503, "store", str(error), "ask again later", [(b"retry-after", b"5")])
                else:
                    log.error("an export ended early: %s", error)
                return
            except TimeoutError:
                log.info("an export was given up: its client took nothing for %g s", self._stalled_s)
                return
        await send({"type": "http.response.body", "body": b""})

    async def _pieces(self, plan: ExportPlan, made: Writer) -> AsyncGenerator[bytes, None]:
        """The file, the first piece with what was read for it, so that a store that is down is told in the status."""
        head = made.begin()
        async with aclosing(self._service.windows(plan)) as windows:
            async for _, readings in windows:
                piece = await asyncio.to_thread(made.write, readings) if len(readings) else b""
                if head or piece:
                    yield head + piece
                head = b""
        yield head + await asyncio.to_thread(made.end)


def asked(query: str) -> tuple[Format, ExportRequest]:
    """What the address asks for. Raises `ExportRefused`."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise ExportRefused("address", "it cannot be read", "encode it as UTF-8") from None
    said: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in _KNOWN:
            raise ExportRefused(name[:60], "there is no such parameter", f"there are {', '.join(_KNOWN)}")
        said.setdefault(name, []).append(value)
    for name in ("from", "to", "format"):
        if len(said.get(name, ())) > 1:
            raise ExportRefused(name, "it is there twice", "give it once")
    kind = said.get("format", [Format.CSV.value])[0]
    if kind not in set(Format):
        raise ExportRefused("format", f"there is no format {kind[:60]!r}", f"there are {', '.join(Format)}")
    start, end = (time_of(name, said[name][0]) if name in said else None for name in ("from", "to"))
    return Format(kind), ExportRequest(_listed(said, "sensors"), _listed(said, "types"), start, end)


def _listed(said: dict[str, list[str]], name: str) -> list[str]:
    found = [word.strip() for value in said.get(name, ()) for word in value.split(",")]
    if name in said and not any(found):
        raise ExportRefused(name, "it is empty", "name some, separated by commas, or leave it out for all")
    return [word for word in found if word]


async def _begin(send: Send, kind: Format, plan: ExportPlan) -> None:
    name = f"seduce-{_stamp(plan.start_ns)}-{_stamp(plan.end_ns)}{SORTS[kind].suffix}"
    headers = [
        (b"content-type", SORTS[kind].content_type.encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _stamp(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")


async def _refuse(
    send: Send, status: int, where: str, what: str, mend: str, headers: list[Header] | None = None
) -> None:
    body = orjson.dumps({"error": {"where": where, "what": what, "mend": mend}})
    await send_json(send, status, body, headers or [])


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
