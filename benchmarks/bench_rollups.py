"""A day of 400 sensors (20 at 1 Hz, 380 every 10 s) into all roll-ups: sensors, types, both trees, four windows.

    python -m benchmarks.bench_rollups [folder]

Prints wall and CPU seconds of writing, of rolling up, and of healing a late hour of one sensor.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from backend.core.ports import TimeSeriesStore
from backend.core.reading import Readings
from backend.core.tree import Tree, TreeNode
from backend.core.windows import NS_PER_SECOND, Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.store.duckdb.store import DuckDBStore
from tests.support.manual_clock import ManualClock
from tests.support.rollup_day import Info
from tests.support.rollup_portions import all_portions

DAY = Window.D1.ns
START = 20_000 * DAY
SECOND = NS_PER_SECOND


def sensors() -> dict[str, Info]:
    fast = {f"plug_{i}": Info("wattmeter", 1.0) for i in range(20)}
    slow = {f"plug_{i}": Info("wattmeter", 10.0) for i in range(20, 250)}
    probes = {f"probe_{i}": Info("temperature", 10.0) for i in range(100)}
    suns = {f"sun_{i}": Info("production", 10.0) for i in range(50)}
    return fast | slow | probes | suns


def tree(name: str, targets: list[str], width: int) -> Tree:
    """Root, groups of `width` leaves, leaves."""
    groups = [f"{name}_{i}" for i in range(-(-len(targets) // width))]
    nodes = [TreeNode(name, name, None, tuple(groups), None)]
    for i, group in enumerate(groups):
        below = targets[i * width : (i + 1) * width]
        nodes.append(TreeNode(group, group, name, tuple(f"n_{t}" for t in below), None))
        nodes += [TreeNode(f"n_{t}", t, group, (), t) for t in below]
    return Tree(name, name, tuple(nodes))


def day(names: dict[str, Info], start: int) -> Readings:
    rng = np.random.default_rng(0)
    codes, times = [], []
    for code, info in enumerate(names.values()):
        at = np.arange(start, start + DAY, round((info.period_s or 1.0) * SECOND), dtype=np.int64)
        times.append(at)
        codes.append(np.full(len(at), code, np.int32))
    every, series = np.concatenate(times), np.concatenate(codes)
    order = np.argsort(every, kind="stable")
    values = np.round(rng.normal(120, 20, len(every)), 1)
    return Readings(tuple(names), series[order], every[order], values)


@contextmanager
def timed(label: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"{label:42s} {time.perf_counter() - wall:6.2f} s wall {time.process_time() - cpu:6.2f} s CPU")


async def write(store: TimeSeriesStore, readings: Readings, batch: int) -> None:
    for first in range(0, len(readings), batch):
        await store.write(readings.take(np.arange(first, min(first + batch, len(readings)))))


async def report(work: Awaitable[object], label: str) -> None:
    with timed(label):
        result = await work
    print(" " * 42, f"{getattr(result, 'rows', '')} buckets")


async def bench(folder: Path) -> None:
    names = sensors()
    watts = [n for n, i in names.items() if i.sensor_type == "wattmeter"][:100]
    suns = [n for n, i in names.items() if i.sensor_type == "production"][:20]
    definitions = Definitions.of(names, (tree("consumption", watts, 3), tree("production", suns, 3)))
    print(len(names), "sensors,", len(definitions.nodes), "nodes")
    url = f"sqlite:///{folder / 'state.db'}"
    await migrate(url)
    database = Database(url)
    store = DuckDBStore(folder / "series.duckdb")
    await store.open()
    readings = day(names, START)
    with timed(f"writing {len(readings):,} readings"):
        await write(store, readings, 500_000)
    clock = ManualClock(START + DAY + 10 * SECOND)
    engine = RollupEngine(store, SqlRollupState(database), definitions, clock, 5.0)
    with timed("store maintenance"):
        await store.maintain(clock.now_ns())
    await report(engine.step(), "rolling up a day at once")
    clock.set(START + DAY + 5 * SECOND)
    here = (readings.codes == 3) & (readings.times >= START + 7 * Window.H1.ns)
    late = readings.take(here & (readings.times < START + 8 * Window.H1.ns))
    await store.write(late)
    await engine.on_late(late)
    await report(engine.heal(), "healing a late hour of one sensor")
    await report(
        engine.recompute_series(all_portions(definitions, START, START + DAY)), "recomputing the day"
    )
    minute = day(names, START + DAY)
    minute = minute.take(minute.times < START + DAY + 65 * SECOND)
    await store.write(minute)
    clock.set(START + DAY + 36 * SECOND)
    await report(engine.step(), "one live step (30 s)")
    clock.set(START + DAY + 66 * SECOND)
    await report(engine.step(), "one live step (30 s and 1 m)")
    await store.close()
    await database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(bench(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)))
