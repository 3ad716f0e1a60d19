"""Engines of several processes over one store take turns. An engine that lost the lock marks what it wrote as dirty."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.core.errors import TransientError
from backend.core.tasks import LocalLock
from backend.core.windows import WINDOWS, Window
from backend.db.engine import Database
from backend.db.leases import SqlLeases
from backend.db.migrate import migrate
from backend.db.rollup_state import SqlRollupState
from backend.rollups.engine import RollupEngine
from backend.rollups.recompute import Portion
from backend.store.duckdb.store import DuckDBStore
from tests.support.manual_clock import ManualClock
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.rollup_day import DEFINITIONS, END, START, compare, readings_of, simulate

POINTS = simulate()
ENDS = {window: window.floor(END) for window in WINDOWS}


class LosingLock(LocalLock):
    """A lock whose check fails while `lost` is set."""

    lost = False

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def check(self) -> None:
        if self.lost:
            raise TransientError("the lock was lost")


async def test_many_engines_at_once_give_the_result_of_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    await migrate(url)
    store = DuckDBStore(":memory:", readers=2)
    await store.open()
    await store.write(readings_of(POINTS))
    databases = [Database(url) for _ in range(3)]
    engines = [
        RollupEngine(
            store,
            SqlRollupState(database),
            DEFINITIONS,
            ManualClock(END),
            0.0,
            SqlLeases(database, poll_s=0.02).lock("rollups"),
        )
        for database in databases
    ]
    everything = frozenset(DEFINITIONS.sensors), frozenset(DEFINITIONS.types), frozenset(DEFINITIONS.nodes)
    portion = Portion(Window.M1, Window.D1.floor(START), Window.M1.floor(END), *everything)
    await asyncio.gather(*(engine.step() for engine in engines))
    await asyncio.gather(
        engines[0].recompute_series([portion]),
        engines[1].heal(),
        engines[2].step(),
        engines[1].recompute_series([portion]),
    )
    assert await compare(store, POINTS, ENDS)
    for database in databases:
        await database.close()
    await store.close()


@pytest.mark.parametrize("what", ["step", "recompute_series"])
async def test_windows_written_without_the_lock_are_recomputed(what: str) -> None:
    store, state, lock = DuckDBStore(":memory:", readers=2), MemoryRollupState(), LosingLock()
    await store.open()
    await store.write(readings_of(POINTS))
    engine = RollupEngine(store, state, DEFINITIONS, ManualClock(END), 0.0, lock)
    if what == "recompute_series":
        await engine.step()
    lock.lost = True
    portion = Portion(Window.H1, Window.H1.floor(START), Window.H1.floor(END), frozenset(DEFINITIONS.sensors))
    with pytest.raises(TransientError, match="the lock was lost"):
        await (engine.step() if what == "step" else engine.recompute_series([portion]))
    dirty = await state.dirty(99)
    assert {span.sensor for span in dirty} == set(DEFINITIONS.sensors)
    assert await state.watermark(Window.S30) == (None if what == "step" else Window.S30.floor(END))
    lock.lost = False
    await engine.step()
    await engine.heal()
    assert await compare(store, POINTS, ENDS)
    await store.close()
