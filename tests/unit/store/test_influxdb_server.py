"""Tests with a real InfluxDB: data of old deployments, refused input, and outages."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import PermanentError, TransientError
from backend.core.ports import SensorTags
from backend.core.reading import Reading, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.store.influxdb import reads as influxdb_reads
from backend.store.influxdb.address import Address
from backend.store.influxdb.server import Server
from backend.store.influxdb.store import InfluxDBStore
from tests.conftest import need
from tests.support.influx import InfluxServer, fresh_name, version_2

S = NS_PER_SECOND
T0 = 1_700_006_400 * S
DAY = 86_400 * S
NAN = np.nan


@pytest.fixture(params=["1.6", *(["2"] if version_2() else [])])
def url(request: pytest.FixtureRequest) -> str:
    where = version_2()
    if request.param == "2" and where:
        base, org, token = where
        return f"influxdb+{base}/{fresh_name()}?org={org}&token={token}"
    server: InfluxServer = request.getfixturevalue("influxdb")
    return server.url(fresh_name())


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    """The same database as the store's, for what other programs do to it."""
    server = Server(Address.parse(url), timeout_s=10)
    yield server
    server.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[InfluxDBStore]:
    store = InfluxDBStore(url)
    await store.open()
    yield store
    await store.close()


def readings(*rows: tuple[str, int, float]) -> Readings:
    return Readings.of(Reading(*row) for row in rows)


async def buckets(store: InfluxDBStore, kind: SeriesKind, name: str, window: Window) -> Buckets:
    return await store.buckets(kind, [name], window, T0, T0 + DAY)


# -- existing data ------------------------------------------------------------------------------------------------


async def test_readings_of_an_old_deployment(store: InfluxDBStore, server: Server) -> None:
    tags = "location=ecotype-1,sensor=ecotype-1_pdu-Z1.50,sensor_type=wattmeter,unit=W"
    moved = "location=ecotype-2,sensor=ecotype-1_pdu-Z1.50,sensor_type=wattmeter,unit=W"
    # value=112 without a point is a float in line protocol
    server.write([f"sensors,{tags} value=112 1700006400", f"sensors,{moved} value=113.5 1700006401"], "s")
    points = await store.raw(["ecotype-1_pdu-Z1.50"], T0, T0 + DAY)
    assert points["ecotype-1_pdu-Z1.50"].values.tolist() == [112, 113.5]
    assert (await store.latest())["ecotype-1_pdu-Z1.50"].value == 113.5


async def test_roll_ups_of_an_old_deployment(store: InfluxDBStore, server: Server) -> None:
    server.write(
        [
            "measurement_downsample_1m,sensor=a sum=6,mean=2,stddev=1,count=3i,median=2,min=1,max=3 1700006400",
            "measurement_downsample_1m,sensor=a sum=7,mean=7,count=1i,median=7,min=7,max=7 1700006460",
            "cq_N_30s value=40 1700006400",
        ],
        "s",
    )
    old = await buckets(store, SeriesKind.SENSOR, "a", Window.M1)
    assert (old.count.tolist(), old.sum.tolist(), old.median.tolist()) == ([3, 1], [6, 7], [2, 7])
    assert (old.m2.tolist(), old.stddev[0], old.reported.tolist()) == ([2, 0], 1, [3, 1])
    assert np.isnan(old.expected).all()
    node = await buckets(store, SeriesKind.NODE, "N", Window.S30)
    columns = (node.count, node.sum, node.m2, node.min, node.max, node.median, node.reported)
    assert [float(column[0]) for column in columns] == [1, 40, 0, 40, 40, 40, 1]
    assert np.isnan(node.expected[0])
    # New roll-ups use the same fields.
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, old.with_expected(np.array([60.0, 60.0])))
    stored = await buckets(store, SeriesKind.SENSOR, "a", Window.M1)
    assert (stored.count.tolist(), stored.expected.tolist(), stored.m2.tolist()) == ([3, 1], [60, 60], [2, 0])


async def test_a_rewritten_reading_stays_one_after_its_tags_changed(store: InfluxDBStore, url: str) -> None:
    old, new = SensorTags("x", "t", "W"), SensorTags("y", "t", "W")
    await store.write(readings(*(("a", T0 + k * S, float(k)) for k in range(3))), {"a": old})
    await store.write(readings(("a", T0 + 3 * S, 3.0)), {"a": new})
    await store.close()
    reopened = InfluxDBStore(url)
    await reopened.open()
    # Replayed under the new tags, with readings that were late under the old ones.
    rows = [("a", T0 + k * S, k + 0.5) for k in range(5)]
    written = await reopened.write(readings(*rows), {"a": new})
    assert [r.time_ns for r in written.late] == [T0 + k * S for k in range(4)]
    points = (await reopened.raw(["a"], T0, T0 + DAY))["a"]
    assert points.values.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    summed = await reopened.aggregate({"a": ["a"]}, Window.M1, T0, T0 + DAY)
    assert summed.count.tolist() == [5]
    assert await reopened.count(["a"], T0, T0 + DAY) == {"a": 5}
    await reopened.close()


# -- large reads ---------------------------------------------------------------------------------------------------


async def test_answers_come_in_pages(store: InfluxDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influxdb_reads, "PAGE_ROWS", 50)
    names = [f"s{k}" for k in range(15)]
    rows = [(name, T0 + k * S, float(k)) for name in names for k in range(130 if name == "s3" else 5)]
    await store.write(readings(*rows))
    points_by_name = await store.raw(names, T0, T0 + DAY)
    assert {name: len(series_points) for name, series_points in points_by_name.items()} == dict.fromkeys(
        names, 5
    ) | {"s3": 130}
    assert np.array_equal(points_by_name["s3"].values, np.arange(130))
    groups = {"all": names, "s3": ["s3"]}
    got = (await store.aggregate(groups, Window.M1, T0, T0 + 300 * S)).by_series()
    assert got["s3"].count.tolist() == [60, 60, 10]
    assert got["all"].count.tolist() == [60 + 14 * 5, 60, 10]


async def test_a_query_for_most_sensors_reads_all(store: InfluxDBStore) -> None:
    names = [f"s{k}" for k in range(150)]
    await store.write(readings(*((name, T0, float(k)) for k, name in enumerate(names))))
    requested = [*names[20:], "nobody"]
    assert list(await store.raw(requested, T0, T0 + S)) == names[20:]
    assert list(await store.count(requested, T0, T0 + S)) == sorted(names[20:])
    assert list(await store.latest(requested)) == names[20:]
    got = await store.aggregate({name: [name] for name in requested}, Window.M1, T0, T0 + 60 * S)
    assert got.sum.tolist() == [float(k) for k in range(20, 150)]


# -- refused input -------------------------------------------------------------------------------------------------


async def test_an_error_about_a_field_type_names_the_field(store: InfluxDBStore, server: Server) -> None:
    server.write(["sensors,sensor=other value=1i 1700006400"], "s")
    with pytest.raises(PermanentError, match='partial write: field type conflict: input field "value"'):
        await store.write(readings(("a", T0, 1.0)))


async def test_an_invalid_name_is_refused_before_anything_is_written(store: InfluxDBStore) -> None:
    with pytest.raises(PermanentError, match="cannot hold the name"):
        await store.write(readings(("a", T0, 1.0), ("b\\", T0, 1.0)))
    assert await store.latest() == {}


async def test_an_error_is_not_mistaken_for_an_empty_answer(influxdb: InfluxServer) -> None:
    url = influxdb.url(fresh_name())
    store, server = InfluxDBStore(url), Server(Address.parse(url), timeout_s=10)
    await store.write(readings(("a", T0, 1.0)))
    server.run((f'DROP DATABASE "{server.address.database}"', {}))
    with pytest.raises(PermanentError, match="database not found"):
        await store.raw(["a"], T0, T0 + DAY)
    await store.close()
    server.close()


Answer = tuple[int, str]


@contextmanager
def answering(writes: list[Answer], version: str | None = "1.8.10") -> Iterator[str]:
    """Return the URL of a fake InfluxDB that answers writes with the given statuses and texts in order."""

    class Page(BaseHTTPRequestHandler):
        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            if version is not None:
                self.send_header("X-Influxdb-Version", version)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            self.answer(200, "")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/api/v2/write"):
                self.answer(*writes.pop(0))
            else:
                self.answer(200, '{"results": [{}]}')

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"influxdb+http://127.0.0.1:{server.server_port}/db"
        server.shutdown()
        serving.join()


async def test_a_server_that_is_not_influxdb_is_reported() -> None:
    with answering([], version=None) as url:
        store = InfluxDBStore(url)
        with pytest.raises(PermanentError, match="is not an InfluxDB"):
            await store.open()
        await store.close()


async def test_version_2_requires_a_token() -> None:
    with answering([], version="v2.7.12") as url:
        store = InfluxDBStore(url)
        with pytest.raises(PermanentError, match=r"needs org=\.\.\. and token="):
            await store.open()
        await store.close()


@pytest.mark.parametrize(
    "answers, error",
    [
        ([(503, ""), (429, ""), (204, "")], None),
        ([(503, '{"message": "busy"}')] * 3, TransientError("answered 503: busy")),
        ([(401, '{"error": "no such user"}')], PermanentError("answered 401: no such user")),
        ([(413, "too much")], PermanentError("answered 413: too much")),
    ],
)
def test_writes_are_retried_after_transient_errors(answers: list[Answer], error: Exception | None) -> None:
    left = list(answers)
    with answering(left) as url:
        server = Server(Address.parse(url), timeout_s=10)
        if error is None:
            server.write(["sensors,sensor=a value=1.0 1"], "s")
        else:
            with pytest.raises(type(error), match=str(error)):
                server.write(["sensors,sensor=a value=1.0 1"], "s")
        server.close()
    assert left == []


async def test_user_and_password_of_a_server_with_authentication(tmp_path: Path) -> None:
    influxd = InfluxServer(need("influxd", "influxdb"), tmp_path, auth=True)
    influxd.start()
    try:
        root = Server(Address.parse(influxd.url("data%20base", "root:t0p%20secret")), timeout_s=10)
        with pytest.raises(PermanentError, match="create admin user"):
            root.connect()
        with urlopen(first_admin(influxd)) as done:
            assert done.status == 200
        root.run(("CREATE USER joe WITH PASSWORD 'pass'; GRANT ALL ON \"data base\" TO joe", {}))
        store = InfluxDBStore(influxd.url("data%20base", "joe:pass"))
        await store.write(readings(("a", T0, 1.0), ("a", T0 + S, 2.0)))
        await store.delete(["a"], T0, T0 + S)
        assert (await store.raw(["a"], T0, T0 + DAY))["a"].values.tolist() == [2.0]
        await store.close()
        unauthorized = InfluxDBStore(influxd.url("data%20base", "joe:s3cret"))
        with pytest.raises(PermanentError, match="answered 401: authorization failed") as caught:
            await unauthorized.open()
        assert "s3cret" not in str(caught.value)
        await unauthorized.close()
        root.close()
    finally:
        influxd.stop()


def first_admin(influxd: InfluxServer) -> Request:
    base = Address.parse(influxd.url("any")).base
    form = urlencode({"q": "CREATE USER root WITH PASSWORD 't0p secret' WITH ALL PRIVILEGES"})
    return Request(f"{base}/query", form.encode())


# -- outages -------------------------------------------------------------------------------------------------------


async def test_a_server_that_stops_and_restarts(tmp_path: Path) -> None:
    server = InfluxServer(need("influxd", "influxdb"), tmp_path)
    store = InfluxDBStore(server.url("readings"))
    with pytest.raises(TransientError, match="cannot be reached"):
        await store.open()
    try:
        server.start()
        await store.write(readings(("a", T0, 1.0)))  # connects by itself
        server.stop()
        one = Buckets.empty(("a",))
        for failing in (
            store.write(readings(("a", T0 + S, 2.0))),
            store.raw(["a"], T0, T0 + DAY),
            store.latest(),
            store.aggregate({"a": ["a"]}, Window.M1, T0, T0 + DAY),
            store.delete(["a"], T0, T0 + DAY),
            store.first_time(),
        ):
            with pytest.raises(TransientError, match="cannot be reached"):
                await failing
        await store.write_buckets(SeriesKind.SENSOR, Window.M1, one)  # nothing to write
        server.start()
        written = await store.write(readings(("a", T0 + S, 2.0), ("a", T0, 1.0)))
        assert [r.time_ns for r in written.late] == [T0]
        assert (await store.raw(["a"], T0, T0 + DAY))["a"].values.tolist() == [1.0, 2.0]
    finally:
        await store.close()
        server.stop()
