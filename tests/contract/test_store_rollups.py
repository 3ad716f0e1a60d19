"""Contract of TimeSeriesStore for stored roll-ups, on every implementation."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Reading, Readings
from backend.core.windows import WINDOWS, Window
from tests.support.store_cases import (
    ALWAYS,
    DAY,
    HOUR,
    T0,
    Bench,
    S,
    buckets_of,
    content,
    readings,
    same,
)


@pytest.mark.parametrize("window", WINDOWS)
async def test_roll_ups_are_read_as_written(bench: Bench, window: Window) -> None:
    written = buckets_of({"b": {T0: 1.0, T0 + window.ns: math.nan}, "a": {T0: 3.0}})
    await bench.store.write_buckets(SeriesKind.NODE, window, written)
    end = T0 + 2 * window.ns
    same(await bench.store.buckets(SeriesKind.NODE, ["b", "a"], window, T0, end), written)
    store = await bench.reopen()
    same(await store.buckets(SeriesKind.NODE, ["b", "a"], window, T0, end), written)
    await store.maintain(T0 + 9000 * DAY)
    same(await store.buckets(SeriesKind.NODE, ["b", "a"], window, T0, end), written)
    same(
        await store.buckets(SeriesKind.NODE, ["nobody", "a", "b"], window, T0, end),
        buckets_of({"nobody": {}, "a": {T0: 3.0}, "b": {T0: 1.0, T0 + window.ns: math.nan}}),
    )


async def test_some_columns_of_roll_ups(store: TimeSeriesStore) -> None:
    written = buckets_of({"b": {T0: 1.0, T0 + 30 * S: 2.0}, "a": {T0: 3.0}})
    await store.write_buckets(SeriesKind.NODE, Window.S30, written)
    got = await store.buckets(
        SeriesKind.NODE, ["b", "a"], Window.S30, T0, T0 + DAY, columns=["sum", "reported"]
    )
    for field in fields(got)[1:]:
        actual, expected = getattr(got, field.name), getattr(written, field.name)
        assert actual.dtype == expected.dtype
        if field.name in ("codes", "starts", "sum", "reported") or not np.isnan(actual).all():
            np.testing.assert_array_equal(actual, expected, err_msg=field.name)


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
    revised = {"a": {T0 + 3 * 60 * S: 33.0}, "b": {T0: 55.0, T0 - 60 * S: 44.0}}
    await store.write_buckets(SeriesKind.SENSOR, Window.M1, buckets_of(revised))
    rows = {name: rows[name] | revised[name] for name in rows}
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
        aggregates = await bench.store.aggregate({"a": ["a"]}, window, T0, T0 + DAY)
        assert {1.0, 2.0, 3.0} <= set(aggregates.count.tolist())
        odd = np.arange(len(aggregates)) % 7 == 0  # inconsistent rows must be read back too
        for written in (
            aggregates,
            replace(aggregates, median=aggregates.median + odd, reported=aggregates.reported + odd),
        ):
            await bench.store.write_buckets(SeriesKind.SENSOR, window, written)
            async for one in bench.now_and_reopened():
                got = await one.buckets(SeriesKind.SENSOR, ["a"], window, T0, T0 + DAY)
                same(got, written)
                for name in ("sum", "m2", "min", "max", "median", "reported"):  # each also alone
                    alone = await one.buckets(SeriesKind.SENSOR, ["a"], window, T0, T0 + DAY, (name,))
                    np.testing.assert_array_equal(getattr(alone, name), getattr(written, name), err_msg=name)
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
    remaining = {name: {t: v for t, v in values.items() if t >= edge} for name, values in rows.items()}
    await bench.store.delete_buckets(Window.M1, T0)
    for window in (Window.S30, Window.D1):
        await bench.store.delete_buckets(window, edge)
    await bench.store.delete_buckets(Window.S30, edge - DAY)
    async for one in bench.now_and_reopened():
        for kind in SeriesKind:
            for window in WINDOWS:
                got = await one.buckets(kind, list(rows), window, *ALWAYS)
                same(got, buckets_of(remaining if window in (Window.S30, Window.D1) else rows))
        assert await content(one, "a") == {"a": [(T0, 1.0)]}
    rewritten = {"a": {T0 + DAY: 7.0}}
    await bench.store.write_buckets(SeriesKind.TYPE, Window.D1, buckets_of(rewritten))
    got = await bench.store.buckets(SeriesKind.TYPE, ["a"], Window.D1, *ALWAYS)
    same(got, buckets_of({"a": rewritten["a"] | remaining["a"]}))
    await bench.store.delete_buckets(Window.D1, ALWAYS[1])
    assert len(await bench.store.buckets(SeriesKind.TYPE, ["a"], Window.D1, *ALWAYS)) == 0
    assert len(await bench.store.buckets(SeriesKind.NODE, ["b_30s"], Window.D1, *ALWAYS)) == 0
