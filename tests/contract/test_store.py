"""Contract of TimeSeriesStore, on every implementation."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import SensorTags, TimeSeriesStore
from backend.core.reading import Reading, Readings
from backend.core.windows import WINDOWS, Window
from tests.support.store_cases import (
    ALWAYS,
    DAY,
    HOUR,
    ONE_BY_ONE,
    ROWS,
    T0,
    Bench,
    S,
    assert_buckets,
    buckets_of,
    content,
    expected_buckets,
    readings,
    same,
    second_by_second,
)

# -- writing -----------------------------------------------------------------------------------------------------


async def test_written_readings_are_read(store: TimeSeriesStore) -> None:
    written = await store.write(readings(("a", T0, 1.5), ("b", T0, -2.0), ("a", T0 + S, 0.0)))
    assert (written.rows, len(written.late)) == (3, 0)
    assert await content(store, "a", "b") == {"a": [(T0, 1.5), (T0 + S, 0.0)], "b": [(T0, -2.0)]}


async def test_writing_twice_changes_nothing(store: TimeSeriesStore) -> None:
    batch = readings(("a", T0, 1.0), ("b", T0, 2.0))
    await store.write(batch)
    again = await store.write(batch)
    assert again.rows == 2
    assert sorted(again.late, key=lambda r: r.sensor) == list(batch)
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
    said = {"a": first, "late": third, "unused": first}
    await bench.store.write(readings(("a", T0, 1.0), ("bare", T0, 1.0)), said)
    assert await bench.store.tags() == {"a": first}
    await bench.store.write(readings(("a", T0 + S, 2.0), ("late", T0, 1.0)), {**said, "a": second})
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


# -- reading -----------------------------------------------------------------------------------------------------


async def test_an_interval_is_closed_on_the_left_and_open_on_the_right(store: TimeSeriesStore) -> None:
    await store.write(second_by_second("a", range(5)))
    found = await store.raw(["a"], T0 + S, T0 + 3 * S)
    assert found["a"].values.tolist() == [1.0, 2.0]
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
    found = await store.raw_up_to(["a", "b", "c"], *ALWAYS, 13)
    assert found is not None
    whole = await store.raw(["a", "b"], *ALWAYS)
    assert {name: p.times.tolist() for name, p in found.items()} == {
        name: p.times.tolist() for name, p in whole.items()
    }
    assert await store.raw_up_to(["a", "b", "c"], *ALWAYS, 12) is None
    assert await store.raw_up_to(["c"], *ALWAYS, 0) == {}
    assert await store.raw_up_to([], *ALWAYS, 0) == {}


# -- deleting ----------------------------------------------------------------------------------------------------


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


# -- aggregation -------------------------------------------------------------------------------------------------


@ONE_BY_ONE
@given(rows=ROWS, window=st.sampled_from(WINDOWS), span=st.tuples(st.integers(0, 3), st.integers(1, 5)))
async def test_aggregates_are_exact(
    make_bench: Callable[[], Bench], rows: list[tuple[str, int, float]], window: Window, span: tuple[int, int]
) -> None:
    store = make_bench().store
    await store.open()
    try:
        await store.write(readings(*rows))
        model: dict[str, dict[int, float]] = {}
        for sensor, time, value in rows:
            model.setdefault(sensor, {})[time] = value
        groups = {
            "a": ["a"],
            "several": ["a", "b", "c"],
            "overlapping": ["c", "d", "nobody"],
            "empty": ["nobody"],
        }
        start, end = T0 + span[0] * DAY, T0 + sum(span) * DAY
        got = await store.aggregate(groups, window, start, end)
        assert tuple(got.names) == tuple(groups)
        assert_buckets(got, expected_buckets(model, groups, window, start, end))
    finally:
        await store.close()


async def test_several_windows_at_once(store: TimeSeriesStore) -> None:
    rng = np.random.default_rng(3)
    for sensor, step in (("a", S), ("b", 7 * S), ("c", 61 * S)):
        await store.write(second_by_second(sensor, rng.normal(20, 3, 2 * 86_400 * S // step), step=step))
    groups = {"c": ["c"], "all": ["a", "b", "c"], "a": ["a"], "nobody": ["x"], "ab": ["b", "a"]}
    many = await store.aggregate_many(groups, WINDOWS, T0, T0 + DAY)
    assert set(many) == set(WINDOWS)
    for window in WINDOWS:
        same(many[window], await store.aggregate(groups, window, T0, T0 + DAY), 1e-12)
        assert many[window].by_series()["all"].count.sum() == 86_400 + 12_343 + 1_417
    assert await store.aggregate_many(groups, (), T0, T0 + DAY) == {}
    nothing = await store.aggregate_many(groups, WINDOWS, T0, T0)
    assert {len(buckets) for buckets in nothing.values()} == {0}


async def test_the_seven_statistics_of_each_window(store: TimeSeriesStore) -> None:
    rng = np.random.default_rng(11)
    values = np.round(rng.normal(21, 2, 2 * 8640), 2)
    await store.write(second_by_second("a", values, step=10 * S))
    for window, got in (await store.aggregate_many({"a": ["a"]}, WINDOWS, T0, T0 + 2 * DAY)).items():
        per = window.seconds // 10
        runs = values.reshape(-1, per).tolist()
        assert got.starts.tolist() == [T0 + at * window.ns for at in range(len(runs))]
        assert got.count.tolist() == [per] * len(runs)
        assert got.min.tolist() == [min(run) for run in runs]
        assert got.max.tolist() == [max(run) for run in runs]
        assert got.sum == pytest.approx([math.fsum(run) for run in runs], rel=1e-12)
        assert got.mean == pytest.approx([statistics.fmean(run) for run in runs], rel=1e-12)
        assert got.median == pytest.approx([statistics.median(run) for run in runs], rel=1e-12)
        assert got.stddev == pytest.approx([statistics.stdev(run) for run in runs], rel=1e-9)


async def test_the_standard_deviation_of_one_reading_is_not_known(store: TimeSeriesStore) -> None:
    await store.write(readings(("a", T0, 1.0), ("a", T0 + 60 * S, 1.0), ("a", T0 + 61 * S, 1.0)))
    got = await store.aggregate({"a": ["a"]}, Window.M1, T0, T0 + HOUR)
    np.testing.assert_array_equal(got.stddev, [math.nan, 0.0])


async def test_squared_deviations_are_exact_far_from_zero(store: TimeSeriesStore) -> None:
    values = 1e6 + np.random.default_rng(7).normal(0, 0.01, 3600)
    await store.write(second_by_second("a", values))
    got = await store.aggregate({"a": ["a"]}, Window.H1, T0, T0 + HOUR)
    assert got.m2[0] == pytest.approx(np.sum((values - values.mean()) ** 2), rel=1e-9)


async def test_aggregate_of_nothing(store: TimeSeriesStore) -> None:
    assert len(await store.aggregate({}, Window.M1, T0, T0 + HOUR)) == 0
    assert len(await store.aggregate({"a": ["a"], "none": []}, Window.M1, T0, T0 + HOUR)) == 0
    await store.write(readings(("a", T0, 1.0)))
    assert len(await store.aggregate({"a": ["a"]}, Window.M1, T0 + HOUR, T0 + 2 * HOUR)) == 0
    assert len(await store.aggregate({"a": ["a"]}, Window.M1, T0, T0)) == 0


async def test_one_reading_makes_a_bucket(store: TimeSeriesStore) -> None:
    await store.write(readings(("a", T0 + 59 * S, 4.0)))
    got = await store.aggregate({"a": ["a"], "all": ["a"]}, Window.M1, T0, T0 + HOUR)
    assert got.starts.tolist() == [T0, T0]
    assert (got.count.tolist(), got.m2.tolist(), got.median.tolist()) == ([1, 1], [0, 0], [4, 4])
    assert {getattr(got, f.name).dtype for f in fields(got)[3:]} == {np.dtype(np.float64)}
    assert (got.codes.dtype, got.starts.dtype) == (np.int32, np.int64)


# -- roll-ups ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", WINDOWS)
async def test_roll_ups_are_read_as_written(bench: Bench, window: Window) -> None:
    kept = buckets_of({"b": {T0: 1.0, T0 + window.ns: math.nan}, "a": {T0: 3.0}})
    await bench.store.write_buckets(SeriesKind.NODE, window, kept)
    end = T0 + 2 * window.ns
    same(await bench.store.buckets(SeriesKind.NODE, ["b", "a"], window, T0, end), kept)
    store = await bench.reopen()
    same(await store.buckets(SeriesKind.NODE, ["b", "a"], window, T0, end), kept)
    await store.maintain(T0 + 9000 * DAY)
    same(await store.buckets(SeriesKind.NODE, ["b", "a"], window, T0, end), kept)
    same(
        await store.buckets(SeriesKind.NODE, ["nobody", "a", "b"], window, T0, end),
        buckets_of({"nobody": {}, "a": {T0: 3.0}, "b": {T0: 1.0, T0 + window.ns: math.nan}}),
    )


async def test_some_columns_of_roll_ups(store: TimeSeriesStore) -> None:
    kept = buckets_of({"b": {T0: 1.0, T0 + 30 * S: 2.0}, "a": {T0: 3.0}})
    await store.write_buckets(SeriesKind.NODE, Window.S30, kept)
    got = await store.buckets(
        SeriesKind.NODE, ["b", "a"], Window.S30, T0, T0 + DAY, columns=["sum", "reported"]
    )
    for field in fields(got)[1:]:
        found, whole = getattr(got, field.name), getattr(kept, field.name)
        assert found.dtype == whole.dtype
        if field.name in ("codes", "starts", "sum", "reported") or not np.isnan(found).all():
            np.testing.assert_array_equal(found, whole, err_msg=field.name)


async def test_kinds_and_windows_are_separate(store: TimeSeriesStore) -> None:
    for kind in SeriesKind:
        for window in WINDOWS:
            await store.write_buckets(
                kind, window, buckets_of({"x": {T0: float(len(kind)) + window.seconds}})
            )
    await store.write(readings(("x", T0, 0.5)))
    for kind in SeriesKind:
        for window in WINDOWS:
            got = await store.buckets(kind, ["x"], window, T0, T0 + DAY)
            same(got, buckets_of({"x": {T0: float(len(kind)) + window.seconds}}))
    assert await store.latest() == {"x": Reading("x", T0, 0.5)}


async def test_the_last_roll_up_wins(store: TimeSeriesStore) -> None:
    rows = {"a": {T0 + k * 60 * S: float(k) for k in range(10)}, "b": {T0: 5.0}}
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, buckets_of(rows))
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, buckets_of(rows))
    again = {"a": {T0 + 3 * 60 * S: 33.0}, "b": {T0: 55.0, T0 - 60 * S: 44.0}}
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, buckets_of(again))
    rows = {name: rows[name] | again[name] for name in rows}
    got = await store.buckets(SeriesKind.SENSOR, ["a", "b"], Window.M1, T0 - HOUR, T0 + HOUR)
    same(got, buckets_of(rows))


@pytest.mark.parametrize("window", WINDOWS)
async def test_empty_roll_ups_replace_and_are_replaced(store: TimeSeriesStore, window: Window) -> None:
    def row(count: float, *statistics: float) -> Buckets:
        columns = (np.array([v], np.float64) for v in (count, *statistics))
        return Buckets(("n",), np.zeros(1, np.int32), np.array([T0]), *columns)

    empty = row(0, *[math.nan] * 5, 3, 0)
    one = row(1, 7.5, 0, 7.5, 7.5, 7.5, 3, 2)
    many = row(3, 9, 2, 2, 4, 3, 3, 3)
    for bucket in (many, empty, one, many, one, empty, empty, many):
        await store.write_buckets(SeriesKind.NODE, window, bucket)
        same(await store.buckets(SeriesKind.NODE, ["n"], window, T0, T0 + window.ns), bucket)


async def test_roll_ups_of_few_readings_are_read_bit_for_bit(bench: Bench) -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate(
        [rng.normal(150, 30, 600), np.round(rng.normal(20, 3, 600), 1), [-0.5, 1e100] * 9]
    )
    times = T0 + np.sort(rng.choice(np.arange(3600 * 4), len(values), replace=False)) * S
    await bench.store.write(Readings(("a",), np.zeros(len(values), np.int32), times, values))
    for window in (Window.S30, Window.M1):
        made = await bench.store.aggregate({"a": ["a"]}, window, T0, T0 + DAY)
        assert {1.0, 2.0, 3.0} <= set(made.count.tolist())
        odd = np.arange(len(made)) % 7 == 0  # inconsistent rows must be read back too
        for kept in (made, replace(made, median=made.median + odd, reported=made.reported + odd)):
            await bench.store.write_buckets(SeriesKind.SENSOR, window, kept)
            async for one in bench.now_and_reopened():
                got = await one.buckets(SeriesKind.SENSOR, ["a"], window, T0, T0 + DAY)
                same(got, kept)
                for name in ("sum", "m2", "min", "max", "median", "reported"):  # each also alone
                    alone = await one.buckets(SeriesKind.SENSOR, ["a"], window, T0, T0 + DAY, (name,))
                    np.testing.assert_array_equal(getattr(alone, name), getattr(kept, name), err_msg=name)
            await bench.store.maintain(T0 + 9000 * DAY)


async def test_the_interval_of_roll_ups_is_that_of_their_starts(store: TimeSeriesStore) -> None:
    rows = {"a": {T0 + k * 60 * S: float(k) for k in range(10)}}
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, buckets_of(rows))
    got = await store.buckets(SeriesKind.SENSOR, ["a"], Window.M1, T0 + 60 * S, T0 + 180 * S)
    assert got.starts.tolist() == [T0 + 60 * S, T0 + 120 * S]
    for names, start, end in (
        (["a"], T0, T0),
        (["a"], T0 + HOUR, T0 + DAY),
        (["b"], T0, T0 + DAY),
        ([], T0, T0 + DAY),
    ):
        got = await store.buckets(SeriesKind.SENSOR, names, Window.M1, start, end)
        assert (len(got), tuple(got.names)) == (0, tuple(names))
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, Buckets.empty(("a",)))


@pytest.mark.parametrize("maintained", [False, True])
async def test_roll_ups_of_one_window_are_deleted_up_to_a_time(bench: Bench, maintained: bool) -> None:
    rows = {name: {T0 + k * DAY: float(k) + 3 for k in range(40)} for name in ("a", "b_30s")}
    for kind in SeriesKind:
        for window in WINDOWS:
            await bench.store.write_buckets(kind, window, buckets_of(rows))
    await bench.store.write(readings(("a", T0, 1.0)))
    if maintained:
        await bench.store.maintain(T0 + 9000 * DAY)
    edge = T0 + 25 * DAY
    left = {name: {t: v for t, v in kept.items() if t >= edge} for name, kept in rows.items()}
    await bench.store.delete_buckets(Window.M1, T0)
    for forgotten in (Window.S30, Window.D1):
        await bench.store.delete_buckets(forgotten, edge)
    await bench.store.delete_buckets(Window.S30, edge - DAY)
    async for one in bench.now_and_reopened():
        for kind in SeriesKind:
            for window in WINDOWS:
                got = await one.buckets(kind, list(rows), window, *ALWAYS)
                same(got, buckets_of(left if window in (Window.S30, Window.D1) else rows))
        assert await content(one, "a") == {"a": [(T0, 1.0)]}
    again = {"a": {T0 + DAY: 7.0}}
    await bench.store.write_buckets(SeriesKind.TYPE, Window.D1, buckets_of(again))
    got = await bench.store.buckets(SeriesKind.TYPE, ["a"], Window.D1, *ALWAYS)
    same(got, buckets_of({"a": again["a"] | left["a"]}))
    await bench.store.delete_buckets(Window.D1, ALWAYS[1])
    assert len(await bench.store.buckets(SeriesKind.TYPE, ["a"], Window.D1, *ALWAYS)) == 0
    assert len(await bench.store.buckets(SeriesKind.NODE, ["b_30s"], Window.D1, *ALWAYS)) == 0
