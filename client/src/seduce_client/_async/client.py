"""The client of one server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

import httpx

from seduce_client import exchanges, protocol
from seduce_client.arguments import (
    Names,
    SeriesOptions,
    TreeName,
    Window,
    optional_moment,
    select_series,
)
from seduce_client.exchanges import Exchange, Request, Response
from seduce_client.frames import Frame, Library
from seduce_client.live import live
from seduce_client.model import Batch, Columns, Sensor, Tree
from seduce_client.progress import Progress
from seduce_client.times import Moment

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


class AsyncClient:
    """A client of one server. Close it after use, or use it as a context manager.

    All methods raise `BadRequest`, `NotAllowed` or `Unavailable`. Each error says where and what the fault is, and how to fix it.
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
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def query(self, document: str, variables: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Return the data of any GraphQL query."""
        return await self._run(exchanges.query(document, variables or {}, self._retries))

    async def sensors(
        self, *, type: str | None = None, method: str | None = None, search: str | None = None
    ) -> list[Sensor]:
        """Return the sensors that match all filters, each with its newest reading."""
        return await self._run(exchanges.sensors(type, method, search, self._retries))

    async def tree(
        self, tree: TreeName = "consumption", *, root: str | None = None, at: Moment | None = None
    ) -> Tree:
        """Return an energy tree, or the part below the node `root`, now or at a time in the past."""
        return await self._run(exchanges.tree(tree, root, optional_moment(at), self._retries))

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
        """Return the same as `series` with the window "auto", as plain lists. Needs no data frame library."""
        selection = select_series(sensors, nodes, (), start, end, "auto", statistics)
        return await self._run(exchanges.columns(selection, points, self._retries))

    @overload
    async def series(
        self,
        sensors: Names = ...,
        nodes: Names = ...,
        *,
        frame: Literal["pandas"] = ...,
        **options: Unpack[SeriesOptions],
    ) -> pd.DataFrame: ...

    @overload
    async def series(
        self,
        sensors: Names = ...,
        nodes: Names = ...,
        *,
        frame: Literal["polars"],
        **options: Unpack[SeriesOptions],
    ) -> pl.DataFrame: ...

    @overload
    async def series(
        self,
        sensors: Names = ...,
        nodes: Names = ...,
        *,
        frame: Literal["arrow"],
        **options: Unpack[SeriesOptions],
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
        """Return series over [start, end) as one long frame; `end` None is now.

        window "auto"  for charts: at most `points` points per series, merged or thinned by the server, in `value`
        window "raw"   for computations: every reading, with the columns `time`, `sensor`, `value`
        other windows  for computations: every window of sensors and nodes, one column per statistic, and `coverage`

        Without `sensors`, `nodes` and `types`, all sensors are returned. A window without readings is a row with empty values.
        """
        selection = select_series(sensors, nodes, types, start, end, window, statistics)
        return await self._run(exchanges.series(selection, points, frame, progress, self._retries))

    def live(self, sensors: Names = (), types: Names = ()) -> AsyncGenerator[Batch, None]:
        """Yield batches of live readings: `async for batch in client.live(types="wattmeter")`.

        The first batch is a snapshot with the newest reading of every sensor. A lost connection is opened again. `gap_from` of
        the next batch is then the time from which readings may be missing.
        """
        return live(self.url, self._token, protocol.unique_names(sensors), protocol.unique_names(types))

    async def _run(self, exchange: Exchange[T]) -> T:
        try:
            request = next(exchange)
            while True:
                if request.pause_s:
                    await asyncio.sleep(request.pause_s)
                request = exchange.send(await self._send(request))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            exchange.close()

    async def _send(self, request: Request) -> Response:
        headers = {"Content-Type": "application/json"} if request.body else {}
        try:
            response = await self._http.request(
                request.method,
                request.path,
                params=dict(request.params),
                content=request.body,
                headers=headers,
            )
        except httpx.HTTPError as error:
            reason = f"no answer from {self.url} ({error or type(error).__name__})"
            return Response(0, b"", failure=reason)
        retry_after_s = exchanges.parse_retry_after(response.headers.get("retry-after"))
        return Response(response.status_code, response.content, retry_after_s)
