"""Contract of TimeSeriesStore for readings: write, read and delete, on every implementation."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from backend.core.ports import SensorTags, TimeSeriesStore
from backend.core.reading import Reading, Readings
from tests.support.store_cases import (
    ALWAYS,
    DAY,
    HOUR,
    T0,
    Bench,
    S,
    content,
    readings,
    second_by_second,
)

# -- writing --------------------------------------------------------------------------------------------------


async def test_written_readings_are_read(store: TimeSeriesStore) -> None:
    written = await store.write(readings(("a", T0, 1.5), ("b", T0, -2.0), ("a", T0 + S, 0.0)))
    assert (written.rows, len(written.late)) == (3, 0)
    assert await content(store, "a", "b") == {"a": [(T0, 1.5), (T0 + S, 0.0)], "b": [(T0, -2.0)]}


async def test_writing_twice_changes_nothing(store: TimeSeriesStore) -> None:
    batch = readings(("a", T0, 1.0), ("b", T0, 2.0))
    await store.write(batch)
    repeated = await store.write(batch)
    assert repeated.rows == 2
    assert sorted(repeated.late, key=lambda r: r.sensor) == list(batch)
    assert await content(store, "a", "b") == {"a": [(T0, 1.0)], "b": [(T0, 2.0)]}


async def test_the_last_value_wins(store: TimeSeriesStore) -> None:
    await store.write(readings(("a", T0, 1.0), ("a", T0 + S, 2.0)))
    written = await store.write(readings(("a", T0, 9.0)))
    assert list(written.late) == [Reading("a", T0, 9.0)]
    assert await content(store, "a") == {"a": [(T0, 9.0), (T0 + S, 2.0)]}


async def test_of_duplicates_in_a_batch_the_last_row_wins(store: TimeSeriesStore) -> None:
    written = await store.write(readings(("a", T0, 1.0), ("b", T0, 5.0), ("a", T0, 2.0), ("a", T0, 3.0)))
    assert (written.rows, len(written.late)) == (2, 0)
    assert await content(store, "a", "b") == {"a": [(T0, 3.0)], "b": [(T0, 5.0)]}


async def test_a_late_reading_is_sorted_in(store: TimeSeriesStore) -> None:
    await store.write(readings(("a", T0 + 5 * S, 5.0), ("b", T0, 1.0)))
    written = await store.write(readings(("a", T0 + 2 * S, 2.0), ("a", T0 + 6 * S, 6.0), ("b", T0 + S, 2.0)))
    assert list(written.late) == [Reading("a", T0 + 2 * S, 2.0)]
    assert await content(store, "a") == {"a": [(T0 + 2 * S, 2.0), (T0 + 5 * S, 5.0), (T0 + 6 * S, 6.0)]}


async def test_a_batch_may_be_in_any_order(store: TimeSeriesStore) -> None:
    written = await store.write(readings(("a", T0 + 3 * S, 3.0), ("a", T0 + S, 1.0), ("a", T0 + 2 * S, 2.0)))
    assert len(written.late) == 0
    assert await content(store, "a") == {"a": [(T0 + k * S, float(k)) for k in (1, 2, 3)]}


async def test_names_without_rows_are_not_stored(store: TimeSeriesStore) -> None:
    batch = readings(("a", T0, 1.0), ("ghost", T0, 2.0)).take(np.array([0]))
    await store.write(batch)
    assert list(await store.latest()) == ["a"]
    assert (await store.write(Readings.empty())).rows == 0
    assert (await store.write(batch.take(np.array([], np.intp)))).rows == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
async def test_a_batch_with_a_value_that_is_not_finite_is_refused(store: TimeSeriesStore, bad: float) -> None:
    with pytest.raises(ValueError, match="'b'"):
        await store.write(readings(("a", T0, 1.0), ("b", T0, bad)))
    assert await content(store, "a", "b") == {}
    assert await store.latest() == {}


async def test_unusual_names_and_values_are_preserved(bench: Bench) -> None:
    odd = ["it's", 'a "quoted" one', "with space,comma=equals", "épée", "back\\slash", "x" * 200]
    values = [5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2, 1e-7, 123456789.123456789]
    batch = readings(*((name, T0 + S, value) for name, value in zip(odd, values, strict=True)))
    await bench.store.write(batch, {name: SensorTags("here's", "watt meter", "°C") for name in odd})
    expected = {name: [(T0 + S, value)] for name, value in zip(odd, values, strict=True)}
    assert await content(bench.store, *odd) == expected
    assert await content(await bench.reopen(), *odd) == expected


async def test_tags_may_change(store: TimeSeriesStore) -> None:
    await store.write(
        readings(("a", T0, 1.0)), {"a": SensorTags("x", "t", "W"), "unused": SensorTags("", "", "")}
    )
    await store.write(readings(("a", T0 + S, 2.0)), {"a": SensorTags("y", "t", "W")})
    assert await content(store, "a") == {"a": [(T0, 1.0), (T0 + S, 2.0)]}


async def test_the_last_tags_of_each_sensor_are_kept(bench: Bench) -> None:
    first, second, third = SensorTags("x", "t", "W"), SensorTags("y", "t", "W"), SensorTags("z", "t", "°C")
    tags = {"a": first, "late": third, "unused": first}
    await bench.store.write(readings(("a", T0, 1.0), ("bare", T0, 1.0)), tags)
    assert await bench.store.tags() == {"a": first}
    await bench.store.write(readings(("a", T0 + S, 2.0), ("late", T0, 1.0)), {**tags, "a": second})
    async for store in bench.now_and_reopened():
        assert await store.tags() == {"a": second, "late": third}
        assert await store.tags(["late", "bare", "unheard of"]) == {"late": third}


async def test_a_large_batch_and_overlapping_writes(bench: Bench) -> None:
    store, n = bench.store, 60_000
    written = await store.write(second_by_second("a", np.arange(n)))
    assert (written.rows, len(written.late)) == (n, 0)
    written = await store.write(second_by_second("a", -np.arange(n), start=T0 + 30_000 * S))
    assert (written.rows, len(written.late)) == (n, 30_000)
    written = await store.write(readings(("a", T0 + 10 * S, 0.5), ("a", T0 + 90_000 * S, 0.25)))
    assert list(written.late) == [Reading("a", T0 + 10 * S, 0.5)]
    model = np.concatenate([np.arange(30_000), -np.arange(n), [0.25]])
    model[10] = 0.5
    async for one in bench.now_and_reopened():
        points = (await one.raw(["a"], *ALWAYS))["a"]
        assert np.array_equal(points.values, model)
        assert np.array_equal(points.times, T0 + np.arange(90_001) * S)
        assert await one.latest() == {"a": Reading("a", T0 + 90_000 * S, 0.25)}


async def test_writes_side_by_side(store: TimeSeriesStore) -> None:
    batches = [readings(*((sensor, T0 + at * S, float(at)) for sensor in "abc")) for at in range(20)]
    written = await asyncio.gather(
        *(store.write(batch) for batch in batches), *(store.write(b) for b in batches)
    )
    assert sum(len(one.late) for one in written) >= 60
    assert await content(store, *"abc") == {
        sensor: [(T0 + at * S, float(at)) for at in range(20)] for sensor in "abc"
    }


# -- reading --------------------------------------------------------------------------------------------------


async def test_an_interval_is_closed_on_the_left_and_open_on_the_right(store: TimeSeriesStore) -> None:
    await store.write(second_by_second("a", range(5)))
    points = await store.raw(["a"], T0 + S, T0 + 3 * S)
    assert points["a"].values.tolist() == [1.0, 2.0]
    assert (await store.raw(["a"], T0 + S, T0 + S + 1))["a"].times.tolist() == [T0 + S]
    assert await store.raw(["a"], T0 + S, T0 + S) == {}
    assert await store.raw(["a"], T0 + 3 * S, T0 + S) == {}
    assert await store.raw(["a"], T0 + 5 * S, T0 + 9 * S) == {}
    assert (await store.raw(["a"], T0 - 1, T0 + 1))["a"].values.tolist() == [0.0]


async def test_unknown_sensors_are_absent(store: TimeSeriesStore) -> None:
    assert await store.raw(["a"], *ALWAYS) == {}
    assert await store.raw([], *ALWAYS) == {}
    await store.write(readings(("a", T0, 1.0)))
    assert list(await store.raw(["b", "a"], *ALWAYS)) == ["a"]
    assert await store.latest(["b"]) == {}
    assert await store.count(["b"], *ALWAYS) == {}


async def test_points_are_plain_columns(store: TimeSeriesStore) -> None:
    await store.write(second_by_second("a", range(3)))
    points = (await store.raw(["a"], *ALWAYS))["a"]
    assert (points.times.dtype, points.values.dtype) == (np.int64, np.float64)
    assert type(points.times) is type(points.values) is np.ndarray


async def test_reads_cross_day_boundaries(store: TimeSeriesStore) -> None:
    await store.write(second_by_second("a", range(10), start=T0 + DAY - 5 * S))
    assert (await store.raw(["a"], T0 + DAY - 2 * S, T0 + DAY + 2 * S))["a"].values.tolist() == [3, 4, 5, 6]


async def test_latest_is_the_newest_not_the_last_written(bench: Bench) -> None:
    store = bench.store
    assert await store.latest() == {}
    await store.write(readings(("a", T0 + 5 * S, 5.0), ("b", T0, 1.0)))
    await store.write(readings(("a", T0, 0.0)))
    expected = {"a": Reading("a", T0 + 5 * S, 5.0), "b": Reading("b", T0, 1.0)}
    assert await store.latest() == expected
    assert await store.latest(["a"]) == {"a": expected["a"]}
    store = await bench.reopen()
    assert await store.latest() == expected
    await store.write(readings(("a", T0 + 5 * S, 7.0)))
    assert (await store.latest())["a"].value == 7.0
    await store.maintain(T0 + 3 * DAY)
    store = await bench.reopen()
    assert (await store.latest())["a"].value == 7.0


async def test_first_time(bench: Bench) -> None:
    assert await bench.store.first_time() is None
    await bench.store.write(readings(("a", T0 + DAY, 1.0)))
    assert await bench.store.first_time() == T0 + DAY
    await bench.store.maintain(T0 + 5 * DAY)
    await bench.store.write(readings(("b", T0 + 3, 1.0)))
    assert await bench.store.first_time() == T0 + 3
    assert await (await bench.reopen()).first_time() == T0 + 3


async def test_first_and_last_time_after_late_readings_and_deletes(bench: Bench) -> None:
    async def ends() -> tuple[int | None, dict[str, int]]:
        return await bench.store.first_time(), {s: r.time_ns for s, r in (await bench.store.latest()).items()}

    for time in (T0 + 5 * S, T0 + 9 * S, T0 + 2 * S, T0 + DAY, T0 - DAY):
        await bench.store.write(readings(("a", time, 1.0)))
    await bench.store.write(readings(("b", T0 - 2 * DAY, 1.0)))
    assert await ends() == (T0 - 2 * DAY, {"a": T0 + DAY, "b": T0 - 2 * DAY})
    await bench.store.delete(["b"], *ALWAYS)
    assert await ends() == (T0 - DAY, {"a": T0 + DAY})
    await bench.store.delete(None, T0 - DAY, T0 + 3 * S)
    await bench.store.delete(["a"], T0 + HOUR, T0 + 2 * DAY)
    assert await ends() == (T0 + 5 * S, {"a": T0 + 9 * S})
    await bench.reopen()
    assert await ends() == (T0 + 5 * S, {"a": T0 + 9 * S})


async def test_count(store: TimeSeriesStore) -> None:
    await store.write(second_by_second("a", range(10)))
    await store.write(second_by_second("b", range(3)))
    assert await store.count(["a", "b", "c"], T0 + S, T0 + 5 * S) == {"a": 4, "b": 2}
    assert await store.count(["a"], T0 + S, T0 + S) == {}
    assert await store.count([], *ALWAYS) == {}


@pytest.mark.parametrize("maintained", [False, True])
async def test_raw_up_to_a_limit(bench: Bench, maintained: bool) -> None:
    store = bench.store
    await store.write(second_by_second("a", range(10)))
    await store.write(second_by_second("b", range(3)))
    if maintained:
        await store.maintain(T0 + 3 * DAY)
    points = await store.raw_up_to(["a", "b", "c"], *ALWAYS, 13)
    assert points is not None
    whole = await store.raw(["a", "b"], *ALWAYS)
    assert {name: p.times.tolist() for name, p in points.items()} == {
        name: p.times.tolist() for name, p in whole.items()
    }
    assert await store.raw_up_to(["a", "b", "c"], *ALWAYS, 12) is None
    assert await store.raw_up_to(["c"], *ALWAYS, 0) == {}
    assert await store.raw_up_to([], *ALWAYS, 0) == {}


# -- deleting -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maintained", [False, True])
async def test_delete_of_some_sensors(bench: Bench, maintained: bool) -> None:
    store = bench.store
    for sensor in "ab":
        await store.write(second_by_second(sensor, range(10)))
    if maintained:
        await store.maintain(T0 + 3 * DAY)
    await store.delete(["a", "unknown"], T0 + 5 * S, T0 + 20 * S)
    await store.delete([], *ALWAYS)
    await store.delete(["a"], T0 + 3 * S, T0 + 3 * S)
    async for one in bench.now_and_reopened():
        assert await one.count(["a", "b"], *ALWAYS) == {"a": 5, "b": 10}
        assert (await one.latest())["a"] == Reading("a", T0 + 4 * S, 4.0)
        assert (await one.latest())["b"] == Reading("b", T0 + 9 * S, 9.0)
    written = await bench.store.write(readings(("a", T0 + 7 * S, 7.5)))
    assert len(written.late) == 0
    assert (await bench.store.raw(["a"], T0 + 4 * S, T0 + 20 * S))["a"].values.tolist() == [4.0, 7.5]


@pytest.mark.parametrize("maintained", [False, True])
async def test_delete_of_everything_old(bench: Bench, maintained: bool) -> None:
    store = bench.store
    await store.write(second_by_second("a", range(100), step=HOUR))
    await store.write(readings(("gone", T0, 1.0)))
    if maintained:
        await store.maintain(T0 + 10 * DAY)
    await store.delete(None, ALWAYS[0], T0 + 2 * DAY + 2 * HOUR)
    async for one in bench.now_and_reopened():
        assert await one.first_time() == T0 + 50 * HOUR
        assert await one.count(["a", "gone"], *ALWAYS) == {"a": 50}
        assert await one.latest() == {"a": Reading("a", T0 + 99 * HOUR, 99.0)}
    await bench.store.delete(None, *ALWAYS)
    assert await bench.store.first_time() is None
    assert await bench.store.latest() == {}
    assert len((await bench.store.write(second_by_second("a", range(100), step=HOUR))).late) == 0
    assert await bench.store.count(["a"], *ALWAYS) == {"a": 100}
