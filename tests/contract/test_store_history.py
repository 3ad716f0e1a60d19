"""Any sequence of writes, maintenance, deletes and restarts reads like a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.core.bucket import SeriesKind
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Reading
from backend.core.windows import Window
from tests.support.store_cases import (
    ALWAYS,
    DAY,
    HOUR,
    ONE_BY_ONE,
    T0,
    TIMES,
    VALUES,
    Bench,
    assert_buckets,
    buckets_of,
    content,
    expected_buckets,
    readings,
    same,
)

WRITE = st.tuples(st.just("write"), st.lists(st.tuples(st.sampled_from("abc"), TIMES, VALUES), max_size=20))
ROLL = st.tuples(st.just("roll"), st.lists(st.tuples(st.sampled_from("abc"), TIMES, VALUES), max_size=20))
MAINTAIN = st.tuples(st.just("maintain"), st.integers(0, 5 * 24).map(lambda h: T0 + h * HOUR))
DELETE = st.tuples(
    st.just("delete"), st.tuples(st.none() | st.lists(st.sampled_from("abc"), max_size=2), TIMES, TIMES)
)
REOPEN = st.tuples(st.just("reopen"), st.none())


async def compare(
    store: TimeSeriesStore, raw: dict[str, dict[int, float]], rolled: dict[str, dict[int, float]]
) -> None:
    raw = {sensor: rows for sensor, rows in raw.items() if rows}
    assert await content(store, *"abc") == {sensor: sorted(rows.items()) for sensor, rows in raw.items()}
    assert await store.latest() == {s: Reading(s, max(rows), rows[max(rows)]) for s, rows in raw.items()}
    assert await store.count([*"abc"], *ALWAYS) == {sensor: len(rows) for sensor, rows in raw.items()}
    assert await store.first_time() == min((min(rows) for rows in raw.values()), default=None)
    groups = {"a": ["a"], "bc": ["b", "c"]}
    got = await store.aggregate(groups, Window.H1, T0, T0 + 5 * DAY)
    assert_buckets(got, expected_buckets(raw, groups, Window.H1, T0, T0 + 5 * DAY))
    same(
        await store.buckets(SeriesKind.TYPE, [*"abc"], Window.S30, *ALWAYS),
        buckets_of({sensor: rolled.get(sensor, {}) for sensor in "abc"}),
    )


@settings(ONE_BY_ONE, max_examples=20)
@given(steps=st.lists(WRITE | ROLL | MAINTAIN | DELETE | REOPEN, min_size=3, max_size=10))
async def test_any_history_reads_like_a_dictionary(
    make_bench: Callable[[], Bench], steps: list[tuple[str, Any]]
) -> None:
    bench = make_bench()
    await bench.store.open()
    raw: dict[str, dict[int, float]] = {}
    rolled: dict[str, dict[int, float]] = {}
    try:
        for step in steps:
            match step:
                case ("write", rows):
                    before = {sensor: max(values, default=ALWAYS[0]) for sensor, values in raw.items()}
                    written = await bench.store.write(readings(*rows))
                    latest = {(sensor, time): value for sensor, time, value in rows}
                    assert written.rows == len(latest)
                    assert {(r.sensor, r.time_ns): r.value for r in written.late} == {
                        key: value for key, value in latest.items() if key[1] <= before.get(key[0], ALWAYS[0])
                    }
                    for sensor, time, value in rows:
                        raw.setdefault(sensor, {})[time] = value
                case ("roll", rows):
                    new: dict[str, dict[int, float]] = {}
                    for sensor, time, value in rows:
                        new.setdefault(sensor, {})[Window.S30.floor(time)] = value
                    await bench.store.write_buckets(SeriesKind.TYPE, Window.S30, buckets_of(new))
                    rolled = {s: rolled.get(s, {}) | new.get(s, {}) for s in "abc"}
                case ("maintain", now):
                    await bench.store.maintain(now)
                case ("delete", (sensors, start, end)):
                    await bench.store.delete(sensors, start, end)
                    for sensor in raw if sensors is None else set(sensors) & raw.keys():
                        raw[sensor] = {t: v for t, v in raw[sensor].items() if not start <= t < end}
                case ("reopen", _):
                    await bench.reopen()
        await compare(bench.store, raw, rolled)
        await bench.store.maintain(T0 + 9 * DAY)
        await compare(bench.store, raw, rolled)
        await compare(await bench.reopen(), raw, rolled)
    finally:
        await bench.store.close()
