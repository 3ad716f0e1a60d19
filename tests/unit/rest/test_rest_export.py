"""`GET /export` over real sockets: the file, what is refused, and clients that leave or do not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from backend.core.errors import TransientError
from backend.core.ports import SensorTags
from backend.core.reading import Points, Reading, Readings
from backend.core.windows import NS_PER_SECOND as S
from backend.formats.batch import Mark
from backend.formats.file_formats import FORMAT_INFO, Format
from backend.formats.read import ReadOptions, Source, read
from backend.formats.report import Tally
from backend.queries import export
from backend.queries.export import ExportRequest, ExportService
from backend.rest.export import ExportEndpoint
from tests.support.export import export_door
from tests.support.reference_store import ReferenceStore
from tests.support.serve import serving
from tests.support.small_site import SmallSite

T0 = 1_700_000_000 * S
LATEST = 2_000_000_000 * S


@asynccontextmanager
async def export_client(
    store: ReferenceStore, **more: float
) -> AsyncIterator[tuple[httpx2.AsyncClient, ExportEndpoint]]:
    endpoint = export_door(SmallSite(store=store), **more)
    async with (
        serving(Starlette(routes=[Route("/export", endpoint)])) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=30) as client,
    ):
        yield client, endpoint


async def filled() -> ReferenceStore:
    store = ReferenceStore()
    rows = [
        Reading(name, T0 + k * S, k + at / 3)
        for k in range(100)
        for at, name in enumerate(("fan", "front1", "odd"))
    ]
    await store.write(Readings.of(rows), {"odd": SensorTags("here", "strange", "x")})
    return store


def rows_of(data: bytes, kind: Format, folder: Path) -> list[Reading]:
    path = folder / "file"
    path.write_bytes(data)
    with Source(str(path)) as source:
        return [r for b in read(source, ReadOptions(kind, None, LATEST), Tally(), Mark()) for r in b.readings]


@pytest.mark.parametrize("kind", Format)
async def test_the_file(tmp_path: Path, kind: Format) -> None:
    store = await filled()
    async with export_client(store) as (client, _):
        response = await client.get("/export", params={"format": kind.value})
        assert response.status_code == 200
        assert response.headers["content-type"] == FORMAT_INFO[kind].content_type
        assert response.headers["transfer-encoding"] == "chunked"
        name = f"seduce-20231114T221320Z-20231114T221459Z{FORMAT_INFO[kind].suffix}"
        assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
        rows = rows_of(response.content, kind, tmp_path)
        assert len(rows) == 300
        for name in ("fan", "front1", "odd"):
            points = (await store.raw([name], 0, LATEST))[name]
            assert [(r.time_ns, r.value) for r in rows if r.sensor == name] == list(
                zip(points.times, points.values, strict=False)
            )


@pytest.mark.parametrize(
    "query, sensors, count",
    [
        ("sensors=fan", {"fan"}, 100),
        ("sensors=fan,odd&sensors=front1", {"fan", "odd", "front1"}, 300),
        ("types=strange", {"odd"}, 100),
        ("types=strange&sensors=fan", {"odd", "fan"}, 200),
        ("types=wattmeter", {"fan"}, 100),
        ("sensors=sun", set(), 0),
        ("from=2023-11-14T22:13:30Z&to=2023-11-14T22:13:40Z", {"fan", "front1", "odd"}, 30),
        ("from=2023-11-14T23:14:59+01:00", {"fan", "front1", "odd"}, 3),
        ("from=2023-11-14T23:14:59%2B01:00", {"fan", "front1", "odd"}, 3),
        ("to=2023-11-14T22:13:20Z", set(), 0),
        ("from=2030-01-01T00:00:00Z", set(), 0),
    ],
)
async def test_a_choice(tmp_path: Path, query: str, sensors: set[str], count: int) -> None:
    async with export_client(await filled()) as (client, _):
        response = await client.get(f"/export?{query}")
        assert response.status_code == 200, response.text
        rows = rows_of(response.content, Format.CSV, tmp_path)
        assert ({r.sensor for r in rows}, len(rows)) == (sensors, count)


@pytest.mark.parametrize(
    "query, where, what",
    [
        ("sensors=nobody", "sensors", "nobody"),
        ("sensors=", "sensors", "empty"),
        ("types=nothing", "types", "nothing"),
        ("format=xls", "format", "xls"),
        ("format=csv&format=line", "format", "more than once"),
        ("sensor=fan", "sensor", "unknown parameter"),
        ("from=yesterday", "from", "not a time"),
        ("from=2023-11-14T22:13:30", "from", "no time zone"),
        ("to=2023-11-14", "to", "no time zone"),
        ("to=0001-01-01T00:00:00Z", "to", "out of range"),
        ("nodes=datacenter", "nodes", "roll-ups only"),
        ("statistics=mean", "statistics", "roll-ups only"),
        ("window=7m", "window", "7m"),
        ("window=1h", "from", "missing"),
        ("from=2023-11-15T00:00:00Z&to=2023-11-14T00:00:00Z", "from", "not before"),
        ("sensors=%ff", "address", "cannot be parsed"),
    ],
)
async def test_what_is_refused(query: str, where: str, what: str) -> None:
    async with export_client(await filled()) as (client, _):
        response = await client.get(f"/export?{query}")
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["where"] == where
        assert what in error["what"]
        assert error["mend"]


@pytest.mark.parametrize(
    "query, name",
    [
        ("sensors=fan", "seduce-fan-20231114T221320Z-20231114T221459Z.csv"),
        ("types=strange", "seduce-odd-20231114T221320Z-20231114T221459Z.csv"),
        ("sensors=fan,odd&format=parquet", "seduce-20231114T221320Z-20231114T221459Z.parquet"),
    ],
)
async def test_a_file_of_one_sensor_has_its_name(query: str, name: str) -> None:
    async with export_client(await filled()) as (client, _):
        response = await client.head(f"/export?{query}")
        assert response.headers["content-disposition"] == f'attachment; filename="{name}"'


async def test_other_methods() -> None:
    async with export_client(await filled()) as (client, _):
        head = await client.head("/export")
        assert (head.status_code, head.content) == (200, b"")
        assert "attachment" in head.headers["content-disposition"]
        assert (await client.post("/export")).status_code == 405


async def test_a_store_that_is_down() -> None:
    store = await filled()
    store.down = True
    async with export_client(store) as (client, _):
        response = await client.get("/export")
        assert response.status_code == 503
        assert response.json()["error"]["where"] == "store"


class Endless(ReferenceStore):
    """Has a reading a microsecond, for ever; `fails_at` is the read that fails."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.fails_at = 1 << 30
        self.most = 0

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        return {"fan": Reading("fan", T0 + 1000 * 86_400 * S, 1.0)}

    async def first_time(self) -> int | None:
        return T0

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        return {"fan": (end_ns - start_ns) // 1000}

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        self.reads += 1
        if self.reads == self.fails_at:
            raise TransientError("it went away")
        times = np.arange(start_ns, end_ns, 1000)
        self.most = max(self.most, len(times))
        return {"fan": Points(times, np.ones(len(times)))}


async def test_a_disconnected_client_cancels_the_export() -> None:
    store = Endless()
    async with export_client(store) as (client, endpoint):
        async with client.stream("GET", "/export") as response:
            async for _ in response.aiter_bytes():
                break
            assert endpoint.free_slots == 3
        while endpoint.free_slots < 4:
            await asyncio.sleep(0.01)
        before = store.reads
        assert (await client.head("/export")).status_code == 200
        assert store.reads == before
        assert 0 < store.most <= export.MAX_ROWS


async def test_a_stalled_client_is_disconnected() -> None:
    async with (
        export_client(Endless(), stall_timeout_s=0.2) as (client, endpoint),
        client.stream("GET", "/export") as response,
    ):
        assert response.status_code == 200
        while endpoint.free_slots < 4:
            await asyncio.sleep(0.01)


async def test_the_number_of_concurrent_exports_is_limited() -> None:
    async with export_client(Endless(), max_concurrent=1) as (client, endpoint):
        async with client.stream("GET", "/export"):
            response = await client.get("/export?sensors=fan")
            assert response.status_code == 503
            assert response.headers["retry-after"]
        while not endpoint.free_slots:
            await asyncio.sleep(0.01)


async def test_a_store_failure_during_an_export_breaks_the_answer_off() -> None:
    store = Endless()
    store.fails_at = 3
    async with export_client(store) as (client, _):
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/export")


async def test_years_without_readings_are_skipped_quickly() -> None:
    store = ReferenceStore()
    await store.write(Readings.of([Reading("fan", T0, 1.0), Reading("fan", T0 + 3650 * 86_400 * S, 2.0)]))
    service = ExportService({}, store)
    plan = await service.plan(ExportRequest())
    batches = [readings async for _, readings in service.windows(plan)]
    assert [r.value for readings in batches for r in readings] == [1.0, 2.0]
    assert len(batches) < 300
