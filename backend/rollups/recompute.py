"""Recomputation of roll-ups that were written before, one UTC day at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from backend.core.bucket import SeriesKind
from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.windows import WINDOWS, Window
from backend.rollups.definitions import Definitions
from backend.rollups.guard import DAY_NS, LockGuard, roll_slices
from backend.rollups.late import merge_spans
from backend.rollups.retention import BEGINNING, RETAINED
from backend.rollups.roller import Roller

Spans: TypeAlias = Sequence[tuple[int, int]]
"""Intervals [start, end) in ns."""

_Part: TypeAlias = tuple[Window, Definitions, Spans]


@dataclass(frozen=True, slots=True)
class Portion:
    """Series of one window to recompute: every window that begins in [start_ns, end_ns), edges of the window."""

    window: Window
    start_ns: int
    end_ns: int
    sensors: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()


class RollupRecompute:
    """Recomputes windows of a day from what is stored now. Run it with the guard entered."""

    def __init__(self, store: TimeSeriesStore, state: RollupState, guard: LockGuard) -> None:
        self._store = store
        self._state = state
        self._guard = guard

    async def recompute_day(
        self, definitions: Definitions, spans: Spans, day: int, all_sensors: Sequence[str]
    ) -> int:
        """Recompute all windows of one day that hold the spans, of the defined series.

        Return the number of buckets written. `all_sensors` are marked dirty if the lock is lost.
        """
        return await self._recompute([(window, definitions, spans) for window in WINDOWS], day, all_sensors)

    async def recompute_portions(
        self, definitions: Definitions, portions: Iterable[Portion], start_ns: int, end_ns: int
    ) -> int:
        """Recompute the part of each portion in [start_ns, end_ns), within one day.

        Return the number of buckets written. Windows to recompute of the same series share one read of them. A day
        that never had readings is left out.
        """
        day = Window.D1.floor(start_ns)
        if await self._never_had_readings(definitions, day):
            return 0
        parts = _parts(definitions, portions, start_ns, end_ns)
        return await self._recompute(parts, day, definitions.sensors)

    async def _recompute(self, parts: Iterable[_Part], day: int, all_sensors: Sequence[str]) -> int:
        """Recompute windows of one day that hold spans, finest first. Return the number of buckets written.

        Windows that end after their watermark are left out: the next step reads them, late readings included. Windows whose
        raw readings, or whose nodes' 30 s values, were deleted are left out too: they would come out empty.
        """
        retained = {length: await self._state.retained_from(length) or BEGINNING for length in RETAINED}
        ends = {w: min(await self._state.watermark(w) or 0, day + DAY_NS) for w in WINDOWS}
        rollers: dict[int, Roller] = {}
        plan = []
        for window, part, spans in parts:
            needs_raw = bool(part.sensors or part.types)
            if day >= max(retained[None] if needs_raw else BEGINNING, retained[Window.S30]):
                roller = rollers.setdefault(id(part), Roller(self._store, part, overwrite_existing=True))
                start = max(day, retained[window])
                plan.append((window, roller, tuple(merge_spans(spans, window, start, ends[window]))))
        for (roller, intervals), group in groupby(plan, key=lambda item: item[1:]):
            windows = [window for window, *_ in group]
            for interval in intervals:
                for start, end in roll_slices(windows, *interval):
                    await self._guard.roll(roller, windows, start, end, all_sensors)
        return sum(roller.rows for roller in rollers.values())

    async def _never_had_readings(self, definitions: Definitions, day: int) -> bool:
        """Return whether a day has neither readings nor roll-ups, so that there is nothing to recompute."""
        sensors, end = definitions.sensors, day + DAY_NS
        coarse = await self._store.buckets(SeriesKind.SENSOR, sensors, Window.D1, day, day + 1, ("count",))
        if coarse.count.any() or await self._store.count(sensors, day, end):
            return False
        fine = await self._store.buckets(SeriesKind.SENSOR, sensors, Window.S30, day, end, ("count",))
        return not len(fine)


def _parts(
    definitions: Definitions, portions: Iterable[Portion], start_ns: int, end_ns: int
) -> Iterator[_Part]:
    """Cut the portions to an interval, finest window first. Equal sets of series become one `Definitions` object."""
    selections: dict[tuple[frozenset[str], ...], Definitions] = {}
    for portion in sorted(portions, key=lambda p: p.window.ns):
        span = (max(portion.start_ns, start_ns), min(portion.end_ns, end_ns))
        if span[0] < span[1]:
            names = (portion.sensors, portion.types, portion.nodes)
            yield portion.window, selections.setdefault(names, definitions.only(*names)), [span]
