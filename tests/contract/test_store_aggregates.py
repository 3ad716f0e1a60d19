"""Contract of TimeSeriesStore for aggregates of readings, on every implementation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.ports import TimeSeriesStore
from backend.core.windows import WINDOWS, Window
from tests.support.store_cases import (
    DAY,
    HOUR,
    ONE_BY_ONE,
    ROWS,
    T0,
    Bench,
    S,
    assert_buckets,
    expected_buckets,
    readings,
    same,
    second_by_second,
)


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
