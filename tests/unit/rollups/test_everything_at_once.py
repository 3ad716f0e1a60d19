"""A day of downtime, late readings, another tree and another sensor together: in the end every window is right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.core.reading import Points
from backend.core.tree import Tree
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.db.engine import Database
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.rollups.definitions import Definitions
from backend.rollups.engine import RollupEngine
from backend.store.duckdb.store import DuckDBStore
from tests.support.manual_clock import ManualClock
from tests.support.rollup_day import (
    CONSUMPTION,
    END,
    HOUR,
    PRODUCTION,
    SENSORS,
    START,
    STEADY,
    Info,
    compare,
    readings_of,
    simulate,
    tree,
)

DELAY_S = 5.0
POINTS = simulate()

AFTER = tree(
    "consumption",
    {
        "datacenter": ["servers", "cooling", "new"],
        "servers": ["server_1"],
        "server_1": ["plug_a"],
        "cooling": ["fan", "plug_b"],
        "new": ["leaf"],
    },
    {"plug_a": "plug_1", "plug_b": "plug_2", "fan": "plug_silent", "leaf": "plug_steady"},
)
LEARNING = replace(SENSORS["plug_2"], period_s=None)
BEFORE_SENSORS = {n: i for n, i in SENSORS.items() if n != "probe"} | {"plug_2": LEARNING}
AFTER_SENSORS = {**SENSORS, "plug_2": LEARNING, "sun": replace(SENSORS["sun"], period_s=150.0)}


class Process:
    """The in-memory objects of a process over the files of a folder."""

    def __init__(
        self, store: DuckDBStore, database: Database, definitions: Definitions, clock: ManualClock
    ) -> None:
        self.store = store
        self.state = SqlRollupState(database)
        self.engine = RollupEngine(store, self.state, definitions, clock, DELAY_S)

    async def take(self, points: Mapping[str, Points]) -> None:
        readings = readings_of(points)
        await self.store.write(readings)
        await self.engine.on_late(readings)

    async def settle(self) -> None:
        """Run the periodic tasks until there is nothing left to do."""
        while True:
            stepped, learned = await self.engine.step(), await self.engine.learn()
            healed = await self.engine.heal(limit=200, revise_days=1)
            if not (stepped.rows or learned or healed.rows or healed.healed):
                return


@asynccontextmanager
async def process(
    folder: Path, sensors: Mapping[str, Info], trees: Sequence[Tree], clock: ManualClock
) -> AsyncIterator[Process]:
    url = f"sqlite:///{folder / 'state.db'}"
    await migrate(url)
    database, store = Database(url), DuckDBStore(folder / "series.duckdb", readers=2)
    await store.open()
    yield Process(store, database, Definitions.of(sensors, trees), clock)
    await store.close()
    await database.close()


def share(points: Mapping[str, Points], masks: Mapping[str, np.ndarray]) -> dict[str, Points]:
    parts = {n: Points(p.times[masks[n]], p.values[masks[n]]) for n, p in points.items()}
    return {n: p for n, p in parts.items() if len(p)}


async def test_every_window_is_right_in_the_end(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    stop = START + 2 * HOUR + 100 * NS_PER_SECOND
    before = {n: p.times < stop for n, p in POINTS.items()}
    late = {n: rng.random(len(p)) < 0.02 for n, p in POINTS.items()}
    clock = ManualClock(START)

    async with process(tmp_path, BEFORE_SENSORS, (CONSUMPTION, PRODUCTION, STEADY), clock) as here:
        clock.set(stop)
        await here.take(share(POINTS, {n: before[n] & ~late[n] for n in POINTS}))
        await here.engine.step()

    # A day passes. The spool's readings arrive at once; late ones arrive after the roll-up.
    clock.set(END)
    async with process(tmp_path, AFTER_SENSORS, (AFTER, PRODUCTION, STEADY), clock) as here:
        await here.engine.step()  # no readings yet: a day of empty windows
        await here.take(share(POINTS, {n: ~before[n] & ~late[n] for n in POINTS}))
        await here.engine.heal(limit=5, revise_days=1)  # ended in the middle of it

    async with process(tmp_path, AFTER_SENSORS, (AFTER, PRODUCTION, STEADY), clock) as here:
        await here.take(share(POINTS, late))
        await here.settle()
        assert not await here.state.dirty(1)
        assert not [s for s in await here.state.series() if s.stale_ns]
        ends = {w: w.floor(END - round(DELAY_S * 1e9)) for w in WINDOWS}
        assert {w: await here.state.watermark(w) for w in WINDOWS} == ends
        truth = here.engine.definitions
        assert truth.learned == {"plug_2": 10.0}
        assert set(truth.nodes["cooling"]) == {"plug_silent", "plug_2"}
        assert await compare(here.store, POINTS, ends, definitions=truth) > 3 * (END - START) // Window.S30.ns
