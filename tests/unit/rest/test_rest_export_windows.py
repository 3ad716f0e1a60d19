"""`GET /export?window=...` over real sockets: roll-ups of sensors and nodes as files."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from backend.queries import rollup_export
from backend.queries.series import SeriesRequest, WindowChoice
from tests.support.export import export_door
from tests.support.serve import serving
from tests.support.small_site import NOON, SmallSite

S = 1_000_000_000
HOUR = 3600
START = NOON - 2 * HOUR
FROM = datetime.fromtimestamp(START, UTC).isoformat()


async def filled() -> SmallSite:
    """Two hours of two wattmeters by seconds; the second is silent for the last half hour."""
    site = SmallSite()
    await site.write("fan", range(START, NOON), [100 + k % 7 for k in range(2 * HOUR)])
    await site.write("a_pdu-1", range(START, NOON - 1800), [50.0] * (2 * HOUR - 1800))
    await site.roll_up()
    return site


@asynccontextmanager
async def export_client(site: SmallSite) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        serving(Starlette(routes=[Route("/export", export_door(site))])) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=30) as client,
    ):
        yield client


async def table(client: httpx2.AsyncClient, kind: str, **params: str) -> pd.DataFrame:
    response = await client.get("/export", params={"from": FROM, "format": kind, **params})
    assert response.status_code == 200, response.text
    if kind == "csv":
        return pd.read_csv(io.BytesIO(response.content), parse_dates=["time"])
    if kind == "arrow":
        return pa.ipc.open_stream(response.content).read_all().to_pandas()
    return pq.read_table(io.BytesIO(response.content)).to_pandas()


@pytest.mark.parametrize("kind", ["csv", "arrow", "parquet"])
async def test_the_file_equals_the_series(kind: str) -> None:
    site = await filled()
    async with export_client(site) as client:
        frame = await table(client, kind, window="1m", sensors="fan,a_pdu-1", nodes="datacenter")
    assert list(frame.columns) == ["time", "sensor", "node", *rollup_export.STATISTICS, "coverage"]
    request = SeriesRequest(
        ["fan", "a_pdu-1"], ["datacenter"], START * S, window=WindowChoice.M1, max_points=1000
    )
    for series in await site.queries.series.read(request):
        rows = frame[(frame.sensor == series.sensor) | (frame.node == series.node)].sort_values("time")
        assert (rows.time.astype("datetime64[ns, UTC]").astype("int64").to_numpy() == series.times).all()
        assert series.grid is not None
        for name in rollup_export.STATISTICS:
            np.testing.assert_array_equal(rows[name].to_numpy(float), getattr(series.grid, name))
        coverage = np.where(series.grid.count > 0, series.grid.coverage, 0.0)  # type: ignore[arg-type]
        np.testing.assert_array_equal(rows["coverage"].to_numpy(float), coverage)


async def test_a_gap_is_empty_and_not_zero() -> None:
    async with export_client(await filled()) as client:
        frame = await table(client, "csv", window="1m", sensors="a_pdu-1", statistics="mean")
    assert list(frame.columns) == ["time", "sensor", "mean", "coverage"]
    assert len(frame) == 120
    assert frame["mean"][:90].eq(50).all()
    assert frame["mean"][90:].isna().all()
    assert frame["coverage"][90:].eq(0).all()


async def test_the_pieces_of_a_long_range_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    site = await filled()
    async with export_client(site) as client:
        whole = await table(client, "arrow", window="30s", types="wattmeter", nodes="cooling")
        monkeypatch.setattr(rollup_export, "MAX_ROWS", 50)
        cut = await table(client, "arrow", window="30s", types="wattmeter", nodes="cooling")
    order = ["time", "node", "sensor"]
    pd.testing.assert_frame_equal(
        whole.sort_values(order, ignore_index=True), cut.sort_values(order, ignore_index=True)
    )
    assert len(whole) == 6 * 240


async def test_without_names_all_described_sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    site = await filled()
    site.hear({"28unknown": 20.0})
    async with export_client(site) as client:
        frame = await table(client, "arrow", window="1h")
    assert set(frame.sensor) == set(site.inventory.sensors)


async def test_the_file_says_units_and_window() -> None:
    async with export_client(await filled()) as client:
        response = await client.get(
            "/export", params={"from": FROM, "format": "arrow", "window": "1h", "nodes": "server_a"}
        )
        meta = pa.ipc.open_stream(response.content).schema.metadata
        assert (meta[b"seduce.window"], meta[b"seduce.units"]) == (b"1h", b'{"server_a": "W"}')
        assert meta[b"seduce.labels"] == b'{"server_a": "Server_A"}'
        name = f"seduce-server_a-1h-{datetime.fromtimestamp(START, UTC):%Y%m%dT%H%M%SZ}-"
        assert name in response.headers["content-disposition"]


@pytest.mark.parametrize(
    "query, where, what",
    [
        ("sensors=nobody", "sensors", "nobody"),
        ("nodes=nothing", "nodes", "nothing"),
        ("types=nothing", "types", "nothing"),
        ("statistics=mode", "statistics", "mode"),
        ("format=line", "format", "readings only"),
        ("to=1999-01-01T00:00:00Z", "from", "not before"),
    ],
)
async def test_what_is_refused(query: str, where: str, what: str) -> None:
    async with export_client(await filled()) as client:
        response = await client.get(f"/export?window=1h&from={FROM.replace('+', '%2B')}&{query}")
        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["where"], what in error["what"]) == (where, True)


async def test_too_many_windows_are_refused() -> None:
    async with export_client(await filled()) as client:
        response = await client.get(
            "/export?window=30s&from=1970-01-01T00:00:00Z&types=wattmeter,temperature"
        )
        assert response.status_code == 400
        assert "the limit" in response.json()["error"]["what"]


async def test_a_store_that_is_down() -> None:
    site = await filled()
    site.store.down = True
    async with export_client(site) as client:
        response = await client.get("/export", params={"from": FROM, "window": "1h"})
        assert response.status_code == 503
