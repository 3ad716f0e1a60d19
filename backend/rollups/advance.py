"""Roll-ups from their watermarks up to the present."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.windows import WINDOWS, Window
from backend.rollups.definitions import Definitions
from backend.rollups.guard import DAY_NS, LockGuard, roll_slices
from backend.rollups.roller import Roller

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Progress:
    """One run: `watermarks` by window (ns, moved as windows are written), up to `limit_ns`."""

    definitions: Definitions
    roller: Roller
    watermarks: dict[Window, int]
    limit_ns: int
    initial: dict[Window, int] = field(init=False)

    def __post_init__(self) -> None:
        self.initial = dict(self.watermarks)

    @property
    def moved(self) -> dict[Window, int]:
        return {w: mark for w, mark in self.watermarks.items() if mark != self.initial[w]}


class RollupAdvance:
    """Computes every complete window after the watermarks, and moves the watermarks. Run it with the guard entered."""

    def __init__(self, store: TimeSeriesStore, state: RollupState, guard: LockGuard) -> None:
        self._store = store
        self._state = state
        self._guard = guard

    async def watermarks(self, limit_ns: int) -> dict[Window, int] | None:
        """Return the watermark of each window; None while there is no reading before `limit_ns`.

        A window that was never rolled up starts at the oldest reading.
        """
        marks = {w: await self._state.watermark(w) for w in WINDOWS}
        if any(mark is None for mark in marks.values()):
            first = await self._store.first_time()
            if first is None or first >= limit_ns:
                return None
            return {w: w.floor(first) if mark is None else mark for w, mark in marks.items()}
        return {w: mark for w, mark in marks.items() if mark is not None}

    async def advance(
        self, definitions: Definitions, watermarks: dict[Window, int], limit_ns: int
    ) -> tuple[int, dict[Window, int]]:
        """Roll up from the watermarks to `limit_ns`. Return the number of buckets and the watermarks that moved."""
        run = _Progress(definitions, Roller(self._store, definitions), watermarks, limit_ns)
        day = Window.D1.floor(min(run.watermarks.values()))
        while day < limit_ns:
            readings_before = run.roller.readings
            is_whole_day = run.watermarks[Window.S30] <= day and day + DAY_NS <= limit_ns
            await self._advance_day(run, day)
            run.roller.release_recent()
            day += DAY_NS
            if is_whole_day and run.roller.readings == readings_before:
                day = await self._skip_silence(run, day)
        return run.roller.rows, run.moved

    async def _advance_day(self, run: _Progress, day: int) -> None:
        spans = [
            (w, (max(run.watermarks[w], day), min(w.floor(run.limit_ns), day + DAY_NS))) for w in WINDOWS
        ]
        # Windows that share an interval are computed from one read of it.
        for (start, end), group in groupby(spans, key=lambda item: item[1]):
            await self._advance_windows(run, [window for window, _ in group], start, end)

    async def _advance_windows(
        self, run: _Progress, windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> None:
        for start, end in roll_slices(windows, start_ns, end_ns):
            await self._guard.roll(run.roller, windows, start, end, run.definitions.sensors)
            for window in windows:
                await self._state.set_watermark(window, end)
                run.watermarks[window] = end

    async def _skip_silence(self, run: _Progress, day: int) -> int:
        """Return the next day with readings, or the current day, and move the watermarks there.

        The search doubles and halves its step, so that years of silence cost a few dozen counts.
        """
        last, step, reached = Window.D1.floor(run.limit_ns), DAY_NS, day
        while reached < last:
            end = min(reached + step, last)
            if not await self._store.count(run.definitions.sensors, reached, end):
                reached, step = end, step * 2
            elif step == DAY_NS:
                break
            else:
                step = max(DAY_NS, Window.D1.ceil(step // 2))
        if reached > day:
            log.info("roll-ups skipped days without readings days=%d", (reached - day) // DAY_NS)
            for window in WINDOWS:
                await self._state.set_watermark(window, reached)
                run.watermarks[window] = reached
        return reached
