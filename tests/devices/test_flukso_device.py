from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from backend.core.errors import TransientError
from backend.inventory.model import FluksoSource, Sensor
from crawlers import flukso
from crawlers.simulators.flukso_server import FluksoServer
from tests.devices.support import sensor

S = 10**9


@asynccontextmanager
async def meter(points: dict[str, Sequence[tuple[int, float | str]]]) -> AsyncIterator[int]:
    server = FluksoServer({f"id-{name}": name for name in points}, lambda name: points[name])
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.stop()


def clamps(port: int, *names: str) -> list[Sensor]:
    return [sensor(n, FluksoSource("127.0.0.1", f"id-{n}", port)) for n in names]


def test_only_points_newer_than_the_last_are_new_and_nan_is_skipped() -> None:
    answer = [[100, 5], [101, "nan"], [102, 7.5], [103, "nan"]]
    points = flukso.decode(answer, 0)
    assert (points.times.tolist(), points.values.tolist()) == ([100 * S, 102 * S], [5.0, 7.5])
    assert len(flukso.decode(answer, 102 * S)) == 0
    assert flukso.decode([[3, 1], [1, 2], [3, 4]], 0).times.tolist() == [1 * S, 3 * S]


@pytest.mark.parametrize("answer", [{"error": 1}, "nan", [[1, 2, 3]], [1], [[1, "watts"]], [["x", 1]]])
def test_an_invalid_list_of_points_is_refused(answer: object) -> None:
    with pytest.raises(ValueError):
        flukso.decode(answer, 0)


async def test_a_minute_is_read_once() -> None:
    points: dict[str, Sequence[tuple[int, float | str]]] = {"a": [(100, 5.0), (101, "nan")], "b": []}
    async with meter(points) as port:
        [device] = flukso.devices(clamps(port, "a", "b"))
        first = await device.read(0)
        second = await device.read(0)
        points["a"] = [(101, 6.0), (102, 7.0)]
        later = await device.read(0)
        await device.close()
    assert [(r.sensor, r.time_ns, r.value) for r in first.readings] == [("a", 100 * S, 5.0)]
    assert (len(second.readings), dict(second.missing)) == (0, {})
    assert [(r.time_ns, r.value) for r in later.readings] == [(101 * S, 6.0), (102 * S, 7.0)]


async def test_missed_points_are_read_once_from_the_minute_of_the_meter() -> None:
    """The meter is unreachable for 40 s, and then for longer than its memory."""
    now = 1_000

    def minute(_: str) -> Sequence[tuple[int, float | str]]:
        return [(t, float(t)) for t in range(now - 59, now + 1)]

    server = FluksoServer({"id-a": "a"}, minute)
    port = await server.start("127.0.0.1", 0)
    [device] = flukso.devices(clamps(port, "a"))
    times: list[int] = []
    for wait in (0, 1, 0):
        now += wait
        times += (await device.read(now * S)).readings.times.tolist()
    await server.stop()
    now += 40
    with pytest.raises(TransientError):
        await device.read(now * S)
    assert await server.start("127.0.0.1", port) == port
    times += (await device.read(now * S)).readings.times.tolist()
    assert times == [t * S for t in range(941, now + 1)]
    now += 100
    times += (await device.read(now * S)).readings.times.tolist()
    assert times[-60:] == [t * S for t in range(now - 59, now + 1)]
    assert len(times) == len(set(times)), "a point came twice"
    await device.close()
    await server.stop()


@pytest.mark.parametrize(("skew_s", "accepted"), [(-1800, 60), (1800, 60), (7200, 0)])
async def test_a_meters_clock_may_be_wrong_by_up_to_an_hour_ahead(skew_s: int, accepted: int) -> None:
    now = 1_790_000_000
    points = [(t + skew_s, 5.0) for t in range(now - 60, now)]
    async with meter({"a": points}) as port:
        [device] = flukso.devices(clamps(port, "a"))
        got = await device.read(now * S)
        await device.close()
    assert got.readings.times.tolist() == [t * S for t, _ in points[:accepted]], "the meter's own stamps"


async def test_an_unknown_sensor_does_not_affect_the_others() -> None:
    async with meter({"a": [(100, 5.0)]}) as port:
        [device] = flukso.devices(clamps(port, "a", "ghost"))
        got = await device.read(0)
        await device.close()
    assert [r.sensor for r in got.readings] == ["a"]
    assert got.missing == {"ghost": "answered 404"}


async def test_an_unreachable_meter_is_a_transient_error() -> None:
    async with meter({"a": []}) as port:
        pass
    [device] = flukso.devices(clamps(port, "a"))
    with pytest.raises(TransientError, match="ConnectError"):
        await device.read(0)
    await device.close()
