"""A roll-up engine over a store that a test can take down, and helpers that cut its readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backend.core.errors import TransientError
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Points
from backend.core.windows import WINDOWS, Window
from backend.rollups.engine import RollupEngine
from tests.support.manual_clock import ManualClock
from tests.support.memory_rollup_state import MemoryRollupState
from tests.support.rollup_day import (
    DEFINITIONS,
    END,
    readings_of,
    simulate,
)

DELAY_S = 5.0
DELAY = round(DELAY_S * 1e9)
POINTS = simulate()


class EngineBench:
    """An engine over a store that a test can take down, with its clock."""

    def __init__(self, store: TimeSeriesStore) -> None:
        self.store: Any = Fallible(store)
        self.clock = ManualClock(END)
        self.start_over(MemoryRollupState())

    def start_over(self, state: MemoryRollupState) -> None:
        """A new engine, as after a restart."""
        self.state = state
        self.engine = RollupEngine(self.store, state, DEFINITIONS, self.clock, DELAY_S)

    def ends(self) -> Mapping[Window, int]:
        return {w: w.floor(self.clock.now_ns() - DELAY) for w in WINDOWS}

    async def write(self, points: Mapping[str, Points]) -> None:
        """Write readings, then report late ones, as ingest does."""
        readings = readings_of(points)
        await self.store.write(readings)
        await self.engine.on_late(readings)


class Fallible:
    """Forwards calls to a store; fails like an unreachable one while `down`."""

    def __init__(self, store: TimeSeriesStore) -> None:
        self._store = store
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise TransientError("the store is down")
        return getattr(self._store, name)


def cut(points: Mapping[str, Points], start: int, end: int) -> dict[str, Points]:
    parts = {}
    for name, p in points.items():
        a, b = np.searchsorted(p.times, [start, end])
        if b > a:
            parts[name] = Points(p.times[a:b], p.values[a:b])
    return parts


def only(p: Points, rows: slice) -> Points:
    return Points(p.times[rows], p.values[rows])


def without(p: Points, rows: slice) -> Points:
    return Points(np.delete(p.times, rows), np.delete(p.values, rows))
