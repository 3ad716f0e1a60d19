"""Makes the kept history fit a changed description: a day at a time, newest first, and only the series it touched.

How far it came is kept after each day, so that it goes on there after a restart. Docs: docs/decisions/0006.
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

Again: TypeAlias = Callable[[Definitions, Sequence[tuple[int, int]], int], Awaitable[int]]
"""Recomputes the windows of a day that hold the spans; answers how many buckets were written."""


class History:
    """One look at what does not fit yet. Whoever calls sees to it that nothing else is rolled up meanwhile."""

    def __init__(
        self, store: TimeSeriesStore, state: RollupState, definitions: Definitions, again: Again
    ) -> None:
        self._store = store
        self._state = state
        self._defs = definitions
        self._again = again

    async def revise_a_day(self) -> int | None:
        """Make the newest day fit that does not. Returns how many buckets were written, None where all fits."""
        stale = [series for series in await self._state.series() if series.stale_ns]
        if not stale:
            return None
        top = max(series.stale_ns or 0 for series in stale)
        day = Window.D1.floor(top - 1)
        chosen = [series for series in stale if (series.stale_ns or 0) > day]
        rows = await self._recompute([s for s in chosen if s.recompute], day, top)
        rows += await self._expect([s for s in chosen if not s.recompute], day, top)
        before = await self._before(day, chosen)
        await self._state.set_series([replace(series, stale_ns=before) for series in chosen])
        return rows

    async def _recompute(self, series: Sequence[SeriesRecord], day: int, top: int) -> int:
        """Sensors and types from raw readings, then nodes from the 30 s means.

        What a series was computed from may have been deleted since: what is kept of it then stays as it is.
        """
        rows = 0
        named = {kind: [s.name for s in series if s.kind is kind] for kind in SeriesKind}
        part = self._defs.only(named[SeriesKind.SENSOR], named[SeriesKind.TYPE])
        members = {*part.sensors, *(name for below in part.types.values() for name in below)}
        if members and await self._store.count(sorted(members), day, day + DAY_NS):
            rows += await self._again(part, [(day, top)], day)
        nodes = self._defs.only(nodes=named[SeriesKind.NODE])
        if nodes.nodes and not await self._means_are_gone(day):
            rows += await self._again(nodes, [(day, top)], day)
        return rows

    async def _means_are_gone(self, day: int) -> bool:
        """Whether the day had readings, as its coarse windows say, but its 30 s means are no longer kept."""
        coarse = await self._kept(Window.D1, day, day + DAY_NS)
        return bool(coarse.count.any()) and not len(await self._kept(Window.S30, day, day + DAY_NS))

    async def _expect(self, series: Sequence[SeriesRecord], day: int, top: int) -> int:
        """Another `expected` in the kept buckets of sensors and types; only those where it differs are written."""
        rows = 0
        for kind in (SeriesKind.SENSOR, SeriesKind.TYPE):
            blank = {s.name for s in series if s.kind is kind and s.expects == LEARNED}
            names = [s.name for s in series if s.kind is kind]
            groups = (
                {n: (n,) for n in names} if kind is SeriesKind.SENSOR else self._defs.only(types=names).types
            )
            for window in WINDOWS_OF[kind] if groups else ():
                kept = await self._store.buckets(kind, tuple(groups), window, day, window.ceil(top))
                found = _expecting(kept, self._defs.expected(groups, window), blank)
                if len(found):
                    await self._store.write_buckets(kind, window, found)
                    rows += len(found)
        return rows

    async def _before(self, day: int, series: Sequence[SeriesRecord]) -> int | None:
        """Where to go on: the end of the next older day with anything in it, or of the silent day after it; None if none is."""
        fresh = sorted(s.name for s in series if s.recompute and s.kind is SeriesKind.SENSOR)
        end, span = day, LOOK_BACK_NS
        while end > 0:
            start = max(0, end - span)
            kept = await self._kept(Window.D1, start, end)
            if fresh and await self._store.count(fresh, start, end):
                return end  # what only the new sensors read has left no trace in other roll-ups
            if kept.count.any():
                # The day after the last one with readings has explicit empty windows of nodes.
                return min(day, int(kept.starts[kept.count > 0].max()) + 2 * DAY_NS)
            end, span = start, span * 2
        return None

    async def _kept(self, window: Window, start_ns: int, end_ns: int) -> Buckets:
        return await self._store.buckets(SeriesKind.SENSOR, self._defs.sensors, window, start_ns, end_ns)


def _expecting(kept: Buckets, expected: dict[str, float], blank: set[str]) -> Buckets:
    """The buckets whose `expected` is to change, with the new one. Of the `blank` series only those that have none."""
    each = np.array([expected[name] for name in kept.names], np.float64)[kept.codes]
    only_blank = np.array([name in blank for name in kept.names], bool)[kept.codes]
    differs = ~((kept.expected == each) | (np.isnan(kept.expected) & np.isnan(each)))
    rows = differs & (~only_blank | np.isnan(kept.expected))
    columns = [getattr(kept, f.name)[rows] for f in fields(kept)[1:]]
    return Buckets(kept.names, *columns).with_expected(each[rows])
