"""The client's series against a served application, by both clients and all libraries."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from backend.core.errors import TransientError
from seduce_client import BadRequest, NotAllowed, Unavailable, connect, connect_async, exchanges
from tests.client.conftest import Served
from tests.support.serve import serving


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


async def waiting(site: Served, act: Any) -> Any:
    """Return the result of `act` with the blocking client, on a thread beside the server's loop."""

    def run() -> Any:
        with connect(site.url, retries=0) as seduce:
            return act(seduce)

    return await asyncio.to_thread(run)


def range_of(site: Served) -> dict[str, Any]:
    return {"start": at(site.start_s), "end": at(site.end_s)}


async def test_every_reading_in_pandas(site: Served) -> None:
    frame = await waiting(site, lambda c: c.series(["sun", "fan"], window="raw", **range_of(site)))
    assert list(frame.columns) == ["time", "sensor", "value"]
    assert frame.attrs["units"] == {"sun": "W", "fan": "W"}
    for name in ("sun", "fan"):
        rows = frame[frame.sensor == name].sort_values("time")
        expected = [site.value(name, t) for t in site.times(name)]
        np.testing.assert_array_equal(rows.value.to_numpy(), expected)
        assert rows.time.iloc[0] == pd.Timestamp(at(site.start_s))


@pytest.mark.parametrize("library, kind", [("polars", pl.DataFrame), ("arrow", pa.Table)])
async def test_every_reading_in_other_libraries(site: Served, library: Any, kind: type) -> None:
    frame = await waiting(site, lambda c: c.series("sun", window="raw", frame=library, **range_of(site)))
    assert isinstance(frame, kind)
    table = frame if isinstance(frame, pa.Table) else cast(Any, frame).to_arrow()
    assert table.num_rows == len(site.times("sun"))
    assert table.column("value").to_pylist() == [site.value("sun", t) for t in site.times("sun")]


async def test_every_window_of_sensors_and_nodes(site: Served) -> None:
    async with connect_async(site.url) as seduce:
        frame = await seduce.series(
            ["fan"], ["server-a"], window="1m", statistics=["mean", "count"], **range_of(site)
        )
    assert list(frame.columns) == ["time", "sensor", "node", "mean", "count", "coverage"]
    assert len(frame) == 2 * 180
    fan = frame[frame.sensor == "fan"].sort_values("time")
    assert fan["mean"][:120].notna().all()
    assert fan["mean"][120:].isna().all()
    assert fan.coverage.iloc[-1] == 0
    node = frame[frame.node == "server_a"]
    assert node["mean"].between(300, 313).all()
    assert frame.attrs["units"] == {"fan": "W", "server_a": "W"}


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
async def test_series_to_look_at(site: Served, library: Any) -> None:
    frame = await waiting(
        site,
        lambda c: c.series(
            ["sun", "fan"],
            "datacenter",
            points=30,
            statistics=["mean", "max"],
            frame=library,
            **range_of(site),
        ),
    )
    table = (
        frame if isinstance(frame, pa.Table) else pa.table(frame.to_arrow() if library == "polars" else frame)
    )
    assert table.column_names == ["time", "sensor", "node", "value", "max", "coverage"]
    rows = table.to_pylist()
    assert {r["sensor"] for r in rows} == {"sun", "fan", None}
    sun = [r for r in rows if r["sensor"] == "sun"]
    assert 0 < len(sun) <= 30
    assert all(500 <= r["value"] <= r["max"] <= 506 for r in sun)
    assert sum(r["value"] is None or r["value"] != r["value"] for r in rows if r["sensor"] == "fan") > 5


async def test_plain_columns_need_no_library(site: Served) -> None:
    [fan] = await waiting(site, lambda c: c.columns("fan", points=20, statistics="min", **range_of(site)))
    assert (fan.sensor, fan.unit, len(fan.times_ms)) == ("fan", "W", len(fan.values))
    assert fan.values[-1] is None
    assert fan.statistics["min"][0] >= 400


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
async def test_a_long_range_comes_in_pieces_and_tells_how_far_it_is(
    site: Served, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await waiting(
        site, lambda c: c.series(types="wattmeter", window="raw", frame=library, **range_of(site))
    )
    monkeypatch.setattr(exchanges, "PIECE_ROWS", 1)
    reported: list[tuple[int, int]] = []
    cut = await waiting(
        site,
        lambda c: c.series(
            types="wattmeter",
            window="raw",
            frame=library,
            progress=lambda done, total: reported.append((done, total)),
            **range_of(site),
        ),
    )
    assert len(reported) in (3, 4)
    assert reported == [(n + 1, len(reported)) for n in range(len(reported))]

    def rows(frame: Any) -> list[tuple[Any, ...]]:
        table = (
            frame
            if isinstance(frame, pa.Table)
            else pa.table(frame.to_arrow() if library == "polars" else frame)
        )
        return sorted(map(tuple, (r.values() for r in table.to_pylist())), key=str)

    assert rows(cut) == rows(whole)


async def test_a_bar_is_shown_for_several_pieces(
    site: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await waiting(site, lambda c: c.series("sun", window="raw", **range_of(site)))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(exchanges, "PIECE_ROWS", 1)
    await waiting(site, lambda c: c.series("sun", window="raw", **range_of(site)))
    assert "Reading: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, where, what",
    [
        ({"sensors": "nobody", "window": "raw"}, "sensors", "nobody"),
        ({"sensors": "nobody"}, "series", "nobody"),
        ({"nodes": "nothing", "window": "1h"}, "nodes", "nothing"),
        ({"nodes": "datacenter", "window": "raw"}, "nodes", "no readings"),
        ({"sensors": "sun", "window": "2h"}, "window", "2h"),
        ({"types": "wattmeter"}, "window", "auto"),
        ({"sensors": "sun", "statistics": "mode"}, "statistics", "mode"),
        ({"sensors": "sun", "start": datetime(2026, 1, 1)}, "start", "no time zone"),
        ({"sensors": "sun", "start": "yesterday"}, "start", "not a time"),
        ({"sensors": "sun", "start": timedelta(days=-1)}, "start", "not before"),
        ({"sensors": "sun", "frame": "excel"}, "frame", "excel"),
    ],
)
async def test_what_cannot_be_says_where_and_what(
    site: Served, arguments: dict[str, Any], where: str, what: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        await waiting(site, lambda c: c.series(**{"start": timedelta(hours=1), **arguments}))
    assert (caught.value.where, what in caught.value.what) == (where, True)
    assert caught.value.mend


async def test_sensors_and_their_last_values(site: Served) -> None:
    await site.push(sun=7.5)
    async with connect_async(site.url) as seduce:
        while True:
            result = {s.name: s for s in await seduce.sensors(type="wattmeter")}
            if result["sun"].value is not None:
                break
    assert set(result) == set(site.sensors)
    assert (result["sun"].value, result["sun"].unit) == (7.5, "W")
    frame = pd.DataFrame(list(result.values()))
    assert list(frame.columns)[:3] == ["name", "type", "unit"]
    assert result["sun"].label == "sun"


async def test_all_pages_of_sensors(site: Served) -> None:
    async with connect_async(site.url) as seduce:
        assert len(await seduce.sensors()) == 8
        assert [s.name for s in await seduce.sensors(search="a_pdu")] == ["a_pdu-1", "a_pdu-2"]


async def test_the_tree_now_and_then(site: Served) -> None:
    async with connect_async(site.url) as seduce:
        then = await seduce.tree(at=at(site.start_s + 60))
        assert then.root.id == "datacenter"
        assert [n.id for n in then.children("server-a")] == ["a_1", "a_2"]
        assert then["cooling"].watts == pytest.approx(403, abs=4)
        production = await seduce.tree("production", root="solar")
        assert [n.id for n in production.nodes] == ["solar"]
        with pytest.raises(BadRequest, match="nowhere"):
            await seduce.tree(root="nowhere")
        with pytest.raises(BadRequest, match="forest"):
            await seduce.tree("forest")  # type: ignore[arg-type]


async def test_any_query(site: Served) -> None:
    data = await waiting(
        site, lambda c: c.query("query ($n: ID!) { sensor(name: $n) { unit } }", {"n": "sun"})
    )
    assert data == {"sensor": {"unit": "W"}}


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="is the server up"):
        async with connect_async("http://127.0.0.1:1", retries=0) as seduce:
            await seduce.sensors()
    with pytest.raises(BadRequest, match="not an address"):
        connect("127.0.0.1:8081")


async def test_a_store_that_is_away_is_waited_for(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "_MAX_PAUSE_S", 0.01)
    store, tries = site.app.state.services.store, []
    whole = store.latest

    async def latest(*names: Any) -> Any:
        tries.append(names)
        if len(tries) < 3:
            raise TransientError("the store is being moved")
        return await whole(*names)

    monkeypatch.setattr(store, "latest", latest)
    async with connect_async(site.url) as seduce:
        assert len(await seduce.series("sun", window="raw", **range_of(site)))
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(Unavailable, match="being moved"):
        async with connect_async(site.url, retries=0) as seduce:
            await seduce.series("sun", window="raw", **range_of(site))


@pytest.mark.parametrize(
    "status, kind", [(401, NotAllowed), (403, NotAllowed), (404, BadRequest), (500, Unavailable)]
)
async def test_what_other_statuses_mean(status: int, kind: type[Exception]) -> None:
    output: list[str | None] = []

    async def gate(request: Request) -> PlainTextResponse:
        output.append(request.headers.get("authorization"))
        return PlainTextResponse("no", status)

    async with (
        serving(Starlette(routes=[Route("/graphql", gate, methods=["POST"])])) as address,
        connect_async(f"http://{address}", "a-token", retries=0) as seduce,
    ):
        with pytest.raises(kind):
            await seduce.sensors()
    assert output == ["Bearer a-token"]
