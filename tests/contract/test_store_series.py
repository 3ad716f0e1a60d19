"""Listing the series that have roll-ups, and dropping some of them."""

from __future__ import annotations

from backend.core.bucket import SeriesKind
from backend.core.ports import TimeSeriesStore
from backend.core.windows import Window
from tests.support.store_cases import DAY, T0, Bench, buckets_of

# No comma or equals sign: InfluxDB 1.6 empties a measurement with one in its name, but goes on to list it.
ODD = ["plain", "with space", "épée", "it's", 'a "quoted" one', "cq_x_1h"]


async def stored_series(store: TimeSeriesStore, kind: SeriesKind, window: Window = Window.H1) -> set[str]:
    return set(await store.rollup_series(kind, window))


async def test_series_are_listed_by_kind_and_window(bench: Bench) -> None:
    for kind in SeriesKind:
        assert await stored_series(bench.store, kind) == set()
    for kind in SeriesKind:
        rows = {f"{kind}{name}": {T0: 1.0, T0 + DAY: 2.0} for name in ODD}
        await bench.store.write_buckets(kind, Window.H1, buckets_of(rows))
    await bench.store.write_buckets(SeriesKind.NODE, Window.D1, buckets_of({"other": {T0: 1.0}}))
    async for store in bench.now_and_reopened():
        for kind in SeriesKind:
            assert await stored_series(store, kind) == {f"{kind}{name}" for name in ODD}
        assert await stored_series(store, SeriesKind.NODE, Window.D1) == {"other"}
        assert await stored_series(store, SeriesKind.SENSOR, Window.D1) == set()


async def test_dropping_deletes_series_of_one_kind_and_window_only(bench: Bench) -> None:
    for kind in SeriesKind:
        for window in (Window.S30, Window.H1):
            await bench.store.write_buckets(kind, window, buckets_of({n: {T0: 1.0} for n in ODD}))
    await bench.store.maintain(T0 + 9 * DAY)
    for kind in SeriesKind:
        await bench.store.drop_series(kind, Window.H1, [ODD[0], ODD[1], "never there"])
        await bench.store.drop_series(kind, Window.H1, [])
    async for store in bench.now_and_reopened():
        for kind in SeriesKind:
            assert await stored_series(store, kind) == set(ODD[2:]), kind
            assert await stored_series(store, kind, Window.S30) == set(ODD)
            assert not len(await store.buckets(kind, ODD[:2], Window.H1, T0, T0 + DAY))
            assert len(await store.buckets(kind, ODD, Window.H1, T0, T0 + DAY)) == len(ODD) - 2


async def test_a_dropped_series_may_be_written_again(bench: Bench) -> None:
    await bench.store.write_buckets(SeriesKind.NODE, Window.H1, buckets_of({"a": {T0: 1.0}}))
    await bench.store.drop_series(SeriesKind.NODE, Window.H1, ["a"])
    await bench.store.write_buckets(SeriesKind.NODE, Window.H1, buckets_of({"a": {T0 + DAY: 2.0}}))
    stored = await bench.store.buckets(SeriesKind.NODE, ["a"], Window.H1, T0, T0 + 9 * DAY)
    assert stored.starts.tolist() == [T0 + DAY]
