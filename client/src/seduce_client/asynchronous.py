"""The client that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

import httpx

from seduce_client import protocol, talk
from seduce_client.arguments import Names, TreeName, Window, moment_of, series_wanted
from seduce_client.frames import Frame, Library
from seduce_client.live import live
from seduce_client.model import Batch, Columns, Sensor, Tree
from seduce_client.progress import Progress
from seduce_client.talk import Request, Response, Talk
from seduce_client.times import Moment

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


class AsyncClient:
    """A server. Close it, or use it in an `async with` block.

    All methods raise `BadRequest`, `NotAllowed` or `Unavailable`, which say where, what and the mend.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 60.0, retries: int = 3
    ) -> None:
        self.url = protocol.address(url)
        self._token = token
        self._retries = retries
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=protocol.headers(token), timeout=timeout_s, follow_redirects=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def query(self, document: str, variables: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The data of any GraphQL query."""
        return await self._run(talk.query(document, variables or {}, self._retries))

    async def sensors(
        self, *, type: str | None = None, method: str | None = None, search: str | None = None
    ) -> list[Sensor]:
        """Sensors that match all that is given, each with its newest reading."""
        return await self._run(talk.sensors(type, method, search, self._retries))

    async def tree(
        self, tree: TreeName = "consumption", *, root: str | None = None, at: Moment | None = None
    ) -> Tree:
        """An energy tree or what is below a node, now or at a moment in the past."""
        return await self._run(talk.tree(tree, root, moment_of(at), self._retries))

    async def columns(
        self,
        sensors: Names = (),
        nodes: Names = (),
        *,
        start: Moment,
        end: Moment | None = None,
        points: int = 2000,
        statistics: Names = "mean",
    ) -> list[Columns]:
        """As `series` with the window auto, as plain lists: needs no library."""
        wanted = series_wanted(sensors, nodes, (), start, end, "auto", statistics)
        return await self._run(talk.columns(wanted, points, self._retries))

    @overload
    async def series(
        self,
        sensors: Names = ...,
        nodes: Names = ...,
        *,
        types: Names = ...,
        start: Moment,
        end: Moment | None = ...,
        window: Window = ...,
        statistics: Names = ...,
        points: int = ...,
        frame: Literal["pandas"] = ...,
        progress: Progress = ...,
    ) -> pd.DataFrame: ...

    @overload
    async def series(
        self,
        sensors: Names = ...,
        nodes: Names = ...,
        *,
        types: Names = ...,
        start: Moment,
        end: Moment | None = ...,
        window: Window = ...,
        statistics: Names = ...,
        points: int = ...,
        frame: Literal["polars"],
        progress: Progress = ...,
    ) -> pl.DataFrame: ...

    @overload
    async def series(
        self,
        sensors: Names = ...,
        nodes: Names = ...,
        *,
        types: Names = ...,
        start: Moment,
        end: Moment | None = ...,
        window: Window = ...,
        statistics: Names = ...,
        points: int = ...,
        frame: Literal["arrow"],
        progress: Progress = ...,
    ) -> pa.Table: ...

    async def series(
        self,
        sensors: Names = (),
        nodes: Names = (),
        *,
        types: Names = (),
        start: Moment,
        end: Moment | None = None,
        window: Window = "auto",
        statistics: Names = "mean",
        points: int = 2000,
        frame: Library = "pandas",
        progress: Progress = None,
    ) -> Frame:
        """Series over [start, end) as one long frame; `end` None is now.

        window "auto"  to look at: at most `points` points a series, in `value` (raw or mean), merged or thinned by the server
        window "raw"   to compute with: every reading, `time`, `sensor`, `value`
        a window       to compute with: every window of sensors and nodes, one column a statistic, and `coverage`

        Without `sensors`, `nodes` and `types`, all sensors. Windows without readings are there, and empty.
        """
        wanted = series_wanted(sensors, nodes, types, start, end, window, statistics)
        return await self._run(talk.series(wanted, points, frame, progress, self._retries))

    def live(self, sensors: Names = (), types: Names = ()) -> AsyncGenerator[Batch, None]:
        """Batches of live readings: `async for batch in client.live(types="wattmeter")`.

        The newest reading of every sensor first, then what comes. A lost connection is made again; `gap_from` of the
        batch after it says since when readings may have been missed.
        """
        return live(self.url, self._token, protocol.listed(sensors), protocol.listed(types))

    async def _run(self, conversation: Talk[T]) -> T:
        try:
            request = next(conversation)
            while True:
                if request.pause_s:
                    await asyncio.sleep(request.pause_s)
                request = conversation.send(await self._send(request))
        except StopIteration as end:
            found: T = end.value
            return found
        finally:
            conversation.close()

    async def _send(self, request: Request) -> Response:
        headers = {"Content-Type": "application/json"} if request.body else {}
        try:
            found = await self._http.request(
                request.method,
                request.path,
                params=dict(request.params),
                content=request.body,
                headers=headers,
            )
        except httpx.HTTPError as error:
            return Response(0, b"", failed=f"no answer from {self.url} ({error or type(error).__name__})")
        return Response(found.status_code, found.content, talk.seconds_of(found.headers.get("retry-after")))
