"""Throughput of the DuckDB store: `python benchmarks/bench_store.py [--days N] [--sensors N]`.

Writes history, reads it back through the port as the dashboard does, and prints the time of each step. Small by
default. The wall time of each read is the median of several; CPU time is that of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND as S
from backend.core.windows import WINDOWS, Window
from backend.store.duckdb.store import DuckDBStore

T = TypeVar("T")
T0 = 1_700_006_400 * S
HOUR, DAY = 3600 * S, 86_400 * S


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def timed(
    label: str, action: Callable[[], Awaitable[T]], times: int = 1, unit: str = "", rows: int = 0
) -> T:
    wall, before = [], cpu()
    for _ in range(times):
        start = time.perf_counter()
        result = await action()
        wall.append(time.perf_counter() - start)
    median, cpu_spent = float(np.median(wall)), (cpu() - before) / times
    rate = f"  {rows / median / 1e6:6.2f} M {unit}/s" if rows else ""
    print(f"{label:<58} {median * 1e3:9.2f} ms   cpu {cpu_spent * 1e3:9.2f} ms{rate}", flush=True)
    return result


def day(number: int, sensors: list[str], rng: np.random.Generator, fast: int) -> Readings:
    """Return a day: the first `fast` sensors once per second, the others every ten seconds, sorted by (sensor, time)."""
    codes, times = [], []
    for code in range(len(sensors)):
        at = T0 + number * DAY + np.arange(0, 86_400, 1 if code < fast else 10, dtype=np.int64) * S
        times.append(at)
        codes.append(np.full(len(at), code, np.int32))
    values = np.round(rng.normal(200, 20, sum(map(len, times))), 1)
    return Readings(tuple(sensors), np.concatenate(codes), np.concatenate(times), values)


def second(sensors: list[str], at: int) -> Readings:
    n = len(sensors)
    return Readings(
        tuple(sensors), np.arange(n, dtype=np.int32), np.full(n, at, np.int64), np.full(n, float(at % 7))
    )


def rolled_day(number: int, names: list[str], window: Window) -> Buckets:
    starts = T0 + number * DAY + np.arange(0, DAY, window.ns, dtype=np.int64)
    n = len(starts) * len(names)
    value = np.round(np.random.default_rng(number).normal(200, 20, n), 1)
    codes = np.repeat(np.arange(len(names), dtype=np.int32), len(starts))
    return Buckets(tuple(names), codes, np.tile(starts, len(names)), *(value + k for k in range(8)))


async def history(store: DuckDBStore, sensors: list[str], days: int, fast: int) -> None:
    rng = np.random.default_rng(1)
    for number in range(days):
        batch = day(number, sensors, rng, fast)
        await timed(
            f"write of day {number}, {len(batch):,} rows",
            partial(store.write, batch),
            unit="rows",
            rows=len(batch),
        )


async def live(store: DuckDBStore, sensors: list[str], start: int, seconds: int) -> None:
    durations = []
    before = cpu()
    for k in range(seconds):
        batch = second(sensors, start + k * S)
        t = time.perf_counter()
        await store.write(batch)
        durations.append(time.perf_counter() - t)
    p50, p99, worst = (np.quantile(durations, q) * 1e3 for q in (0.5, 0.99, 1))
    cpu_spent = (cpu() - before) / seconds * 1e3
    print(
        f"live write of {len(sensors)} rows: p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {worst:.1f} ms, cpu {cpu_spent:.2f} ms"
    )


async def main(days: int, count: int, fast: int, hot_hours: float) -> None:
    sensors = [f"sensor-{k:03}" for k in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.duckdb"
        store = DuckDBStore(path)
        await store.open()
        await history(store, sensors, days, fast)
        now = T0 + days * DAY
        hot = second(sensors, now)
        steps = int(hot_hours * 3600)
        for first in range(0, steps, 100):  # in order of arrival, a hundred seconds per batch
            n = min(100, steps - first)
            at = now + np.repeat(np.arange(first, first + n, dtype=np.int64), count) * S
            await store.write(
                Readings(hot.names, np.tile(hot.codes, n), at, np.resize(hot.values, n * count))
            )
        print(f"hot tail of {steps * count:,} rows")
        end = now + steps * S
        await live(store, sensors, end, 200)
        one = [sensors[0]]
        await timed("86,400 raw points, one sensor, a sealed day", lambda: store.raw(one, T0, T0 + DAY), 15)
        await timed("the last hour of one sensor", lambda: store.raw(one, end - HOUR, end), 15)
        await timed("the last minute of all sensors", lambda: store.raw(sensors, end - 60 * S, end), 15)
        await timed("latest of all", store.latest, 15)
        await aggregates(store, sensors, end)
        await timed("first maintain (moves the hot tail)", lambda: store.maintain(end + HOUR))
        await timed("second maintain", lambda: store.maintain(end + HOUR))
        await timed("one sensor, hours moved by maintenance", lambda: store.raw(one, now, end), 15)
        await rollups(store, sensors)
        await timed("close", store.close)
        print(f"file: {path.stat().st_size / 1e6:.0f} MB")
        store = DuckDBStore(path)
        await timed("open", store.open)
        await store.close()


async def aggregates(store: DuckDBStore, sensors: list[str], end: int) -> None:
    groups = {name: [name] for name in sensors}
    types = {f"type-{k}": sensors[k::6] for k in range(6)}
    edge = Window.S30.floor(end)
    await timed(
        "30 s of all sensors, just completed",
        lambda: store.aggregate(groups, Window.S30, edge - 30 * S, edge),
        5,
    )
    before = cpu()
    for window in WINDOWS:
        await timed(
            f"a day of all sensors to {window}", partial(store.aggregate, groups, window, T0, T0 + DAY)
        )
        await timed(f"a day of all types to {window}", partial(store.aggregate, types, window, T0, T0 + DAY))
    print(f"  total: cpu {cpu() - before:.2f} s")
    before = cpu()
    await timed(
        "a day of all sensors to all windows at once",
        lambda: store.aggregate_many(groups, WINDOWS, T0, T0 + DAY),
    )
    await timed(
        "a day of all types to all windows at once",
        lambda: store.aggregate_many(types, WINDOWS, T0, T0 + DAY),
    )
    print(f"  total: cpu {cpu() - before:.2f} s")


async def rollups(store: DuckDBStore, names: list[str]) -> None:
    for window, days in ((Window.M1, 8), (Window.H1, 30)):
        for number in range(days):
            await store.write_buckets(SeriesKind.SENSOR, window, rolled_day(number, names, window))
        await timed(f"maintain after writing {window} roll-ups", lambda: store.maintain(T0 + 40 * DAY))
        for selection in (names[3:400:40], names[:1]):
            read = partial(store.buckets, SeriesKind.SENSOR, selection, window, T0, T0 + 7 * DAY)
            rows = len(await read())
            await timed(f"{len(selection)} series x 7 days of {window} ({rows:,} rows)", read, 15)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--sensors", type=int, default=400)
    parser.add_argument("--fast", type=int, default=20, help="sensors that report every second")
    parser.add_argument("--hot-hours", type=float, default=1.4)
    args = parser.parse_args()
    asyncio.run(main(args.days, args.sensors, args.fast, args.hot_hours))
