"""Adapt stored history to a changed description: a day at a time, newest first, only the series the change concerns.

The progress is stored after each day, so that a restart resumes there. See docs/decisions/0006.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from typing import Final, TypeAlias

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import RollupState, SeriesRecord, TimeSeriesStore
from backend.core.windows import Window
from backend.rollups.changes import LEARNED
from backend.rollups.definitions import WINDOWS_OF, Definitions

DAY_NS: Final = Window.D1.ns
LOOK_BACK_NS: Final = 32 * DAY_NS

RecomputeDay: TypeAlias = Callable[[Definitions, Sequence[tuple[int, int]], int], Awaitable[int]]
"""Recompute the windows of a day that hold the spans; return the number of buckets written."""


class HistoryRevision:
    """Adapts one day per call. The caller makes sure that nothing else is rolled up meanwhile."""

    def __init__(
        self,
        store: TimeSeriesStore,
        state: RollupState,
        definitions: Definitions,
        recompute_day: RecomputeDay,
    ) -> None:
        self._store = store
        self._state = state
        self._defs = definitions
        self._recompute_day = recompute_day

    async def revise_a_day(self) -> int | None:
        """Adapt the newest day that does not match. Return the number of buckets written, None if all history matches."""
        stale = [series for series in await self._state.series() if series.stale_ns]
        if not stale:
            return None
        stale_end = max(series.stale_ns or 0 for series in stale)
        day = Window.D1.floor(stale_end - 1)
        affected = [series for series in stale if (series.stale_ns or 0) > day]
        rows = await self._recompute([s for s in affected if s.recompute], day, stale_end)
        rows += await self._rewrite_expected([s for s in affected if not s.recompute], day, stale_end)
        next_stale = await self._next_stale_day(day, affected)
        await self._state.set_series([replace(series, stale_ns=next_stale) for series in affected])
        return rows

    async def _recompute(self, series: Sequence[SeriesRecord], day: int, end: int) -> int:
        """Recompute sensors and types from raw readings, then nodes from the 30 s means.

        If the source of a series was deleted since, its stored roll-ups stay as they are.
        """
        rows = 0
        names = {kind: [s.name for s in series if s.kind is kind] for kind in SeriesKind}
        part = self._defs.only(names[SeriesKind.SENSOR], names[SeriesKind.TYPE])
        members = {*part.sensors, *(name for sensors in part.types.values() for name in sensors)}
        if members and await self._store.count(sorted(members), day, day + DAY_NS):
            rows += await self._recompute_day(part, [(day, end)], day)
        nodes = self._defs.only(nodes=names[SeriesKind.NODE])
        if nodes.nodes and not await self._are_means_deleted(day):
            rows += await self._recompute_day(nodes, [(day, end)], day)
        return rows

    async def _are_means_deleted(self, day: int) -> bool:
        """Return whether the day had readings, as its coarse windows show, but its 30 s means are deleted."""
        coarse = await self._sensor_buckets(Window.D1, day, day + DAY_NS)
        return bool(coarse.count.any()) and not len(await self._sensor_buckets(Window.S30, day, day + DAY_NS))

    async def _rewrite_expected(self, series: Sequence[SeriesRecord], day: int, stop: int) -> int:
        """Rewrite `expected` in the stored buckets of sensors and types, where it differs."""
        rows = 0
        for kind in (SeriesKind.SENSOR, SeriesKind.TYPE):
            learned = {s.name for s in series if s.kind is kind and s.expects == LEARNED}
            names = [s.name for s in series if s.kind is kind]
            groups = (
                {name: (name,) for name in names}
                if kind is SeriesKind.SENSOR
                else self._defs.only(types=names).types
            )
            for window in WINDOWS_OF[kind] if groups else ():
                stored = await self._store.buckets(kind, tuple(groups), window, day, window.ceil(stop))
                changed = _with_new_expected(stored, self._defs.expected(groups, window), learned)
                if len(changed):
                    await self._store.write_buckets(kind, window, changed)
                    rows += len(changed)
        return rows

    async def _next_stale_day(self, day: int, series: Sequence[SeriesRecord]) -> int | None:
        """Return the end of the next older day to adapt, None if there is none.

        That is the next older day with data, or the silent day after it.
        """
        recomputed_sensors = sorted(s.name for s in series if s.recompute and s.kind is SeriesKind.SENSOR)
        end, step = day, LOOK_BACK_NS
        while end > 0:
            start = max(0, end - step)
            coarse = await self._sensor_buckets(Window.D1, start, end)
            if recomputed_sensors and await self._store.count(recomputed_sensors, start, end):
                return end  # readings of new sensors alone left no trace in the roll-ups of others
            if coarse.count.any():
                # The day after the last day with readings has explicit empty windows of nodes.
                return min(day, int(coarse.starts[coarse.count > 0].max()) + 2 * DAY_NS)
            end, step = start, step * 2
        return None

    async def _sensor_buckets(self, window: Window, start_ns: int, end_ns: int) -> Buckets:
        return await self._store.buckets(SeriesKind.SENSOR, self._defs.sensors, window, start_ns, end_ns)


def _with_new_expected(stored: Buckets, expected: dict[str, float], learned: set[str]) -> Buckets:
    """Return the buckets whose `expected` changes, with the new value.

    Buckets of the series in `learned` change only if they have none yet.
    """
    new = np.array([expected[name] for name in stored.names], np.float64)[stored.codes]
    is_learned = np.array([name in learned for name in stored.names], bool)[stored.codes]
    differs = ~((stored.expected == new) | (np.isnan(stored.expected) & np.isnan(new)))
    rows = differs & (~is_learned | np.isnan(stored.expected))
    columns = [getattr(stored, f.name)[rows] for f in fields(stored)[1:]]
    return Buckets(stored.names, *columns).with_expected(new[rows])
