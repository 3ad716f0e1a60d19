"""Recomputation of a year of tree nodes from stored 30 s means: 184 nodes over 250 sensors, as after a change of every
node.

    python -m benchmarks.bench_tree_year [days]

Writes means of that many days, and recomputes the nodes twice: first where no buckets exist, then over those. Both
times are printed for the days and for a year at that rate. A full year needs some 15 GB of disk.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.windows import WINDOWS, Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.store.duckdb.store import DuckDBStore
from benchmarks.bench_rollups import tree
from tests.support.manual_clock import ManualClock
from tests.support.rollup_day import Info
from tests.support.rollup_portions import node_portions

DAY = Window.D1.ns
START = 20_000 * DAY
PER_DAY = DAY // Window.S30.ns
SENSORS = tuple(f"plug_{i}" for i in range(250))


def definitions() -> Definitions:
    """Return a tree of about 184 nodes over 250 sensors: leaves are in groups, most of them below several nodes."""
    all_definitions = Definitions.of({n: Info() for n in SENSORS}, (tree("consumption", list(SENSORS), 10),))
    inner = {n: below for n, below in all_definitions.nodes.items() if len(below) > 1}
    leaves = {n: below for n, below in all_definitions.nodes.items() if len(below) == 1}
    nodes = inner | dict(list(leaves.items())[: 184 - len(inner)])
    return Definitions(all_definitions.sensors, all_definitions.periods, all_definitions.types, nodes)


def means(day: int) -> Buckets:
    many = len(SENSORS) * PER_DAY
    value = np.round(np.random.default_rng(day).normal(120, 20, many), 1)
    codes = np.repeat(np.arange(len(SENSORS), dtype=np.int32), PER_DAY)
    starts = np.tile(START + day * DAY + np.arange(PER_DAY) * Window.S30.ns, len(SENSORS))
    three = np.full(many, 3.0)
    return Buckets(SENSORS, codes, starts, three, value * 3, value, value, value, value, three, three)


def daily_means(day: int) -> Buckets:
    """Return the day's bucket of each sensor, which shows that the day had readings."""
    value = np.full(len(SENSORS), 120.0)
    codes, starts = np.arange(len(SENSORS), dtype=np.int32), np.full(len(SENSORS), START + day * DAY)
    count = np.full(len(SENSORS), 3.0 * PER_DAY)
    return Buckets(SENSORS, codes, starts, count, value * count, value, value, value, value, count, count)


async def bench(folder: Path, days: int) -> None:
    url = f"sqlite:///{folder / 'state.db'}"
    await migrate(url)
    database, store = Database(url), DuckDBStore(folder / "series.duckdb")
    await store.open()
    for day in range(days):
        await store.write_buckets(SeriesKind.SENSOR, Window.S30, means(day))
        await store.write_buckets(SeriesKind.SENSOR, Window.D1, daily_means(day))
    state = SqlRollupState(database)
    for window in WINDOWS:
        await state.set_watermark(window, START + days * DAY)
    clock = ManualClock(START + days * DAY + 60 * 10**9)
    described = definitions()
    engine = RollupEngine(store, state, described, clock, 5.0)
    portions = node_portions(described, START, START + days * DAY)
    await store.maintain(clock.now_ns())
    for label in ("without existing buckets", "over existing buckets"):
        wall, cpu = time.perf_counter(), time.process_time()
        result = await engine.recompute_series(portions)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        year = 365 / days
        print(f"{label}: {days} days {wall:.2f} s wall {cpu:.2f} s CPU, {result.rows:,} buckets;", end=" ")
        print(f"a year at that rate {wall * year:.0f} s wall {cpu * year:.0f} s CPU")
    await store.close()
    await database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(bench(Path(temporary), int(sys.argv[1]) if len(sys.argv) > 1 else 10))
