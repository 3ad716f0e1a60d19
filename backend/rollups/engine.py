"""Decides which windows to compute and when: onward from the watermarks, dirty windows, and intervals on request.

The watermark of a window is the end of its newest stored window. The horizon is the end of the newest window that a run
has begun to compute; an older reading is late.

A window is complete when `delay_s` have passed since its end. Only then is it computed, from all its raw readings. The
horizon is moved before a window is read, and its watermark is stored after it is written. So a reading either is in the
roll-up or marks it dirty, whatever happens in between. Absent buckets below a watermark: docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.reading import Readings
from backend.core.tasks import LocalLock, Lock
from backend.core.windows import WINDOWS, Window, slices
from backend.rollups import changes, periods
from backend.rollups.advance import RollupAdvance
from backend.rollups.definitions import Definitions
from backend.rollups.guard import DAY_NS, LockGuard
from backend.rollups.history import HistoryRevision
from backend.rollups.late import days, dirty_spans
from backend.rollups.recompute import Portion, RollupRecompute
from backend.rollups.retention import Retention, RetentionPeriods

log = logging.getLogger(__name__)

REVISE_DAYS: Final = 31
"""Days of history that one run of healing adapts to a changed description."""

PERIOD_VALID_NS: Final = Window.H1.ns
"""Time for which a learned period is not learned again."""


@dataclass(frozen=True, slots=True)
class RollupReport:
    """Result of one run.

    rows        buckets written
    watermarks  new watermark (ns) of each window that moved
    healed      dirty windows that were recomputed
    """

    rows: int = 0
    watermarks: Mapping[Window, int] = field(default_factory=dict)
    healed: int = 0


class RollupEngine:
    """Keeps the roll-ups equal to what their raw readings give.

    A step, and a day of healing or recomputing, exclude each other: within one engine, or with a `lock` that processes share
    between all engines over one store. Without such a lock run one engine at a time.
    `on_late` may be called at any time and from another process, through an engine over the same state.
    """

    def __init__(
        self,
        store: TimeSeriesStore,
        state: RollupState,
        definitions: Definitions,
        clock: Clock,
        delay_s: float,
        lock: Lock | None = None,
    ) -> None:
        self._store = store
        self._state = state
        self._defs = definitions
        self._clock = clock
        self._sensors = frozenset(definitions.sensors)
        self._changes_are_stored = False
        self._delay_ns = round(delay_s * 1e9)
        self._guard = LockGuard(lock or LocalLock(), state)
        self._has_local_lock = lock is None
        self._learn_lock = asyncio.Lock()
        self._advance = RollupAdvance(store, state, self._guard)
        self._recompute = RollupRecompute(store, state, self._guard)
        self._retention = Retention(store, state)

    @property
    def definitions(self) -> Definitions:
        return self._defs

    def update_description(self, definitions: Definitions) -> None:
        """Use other definitions. The next step or healing finds what they change, and healing recomputes it."""
        self._defs = definitions
        self._sensors = frozenset(definitions.sensors)
        self._changes_are_stored = False

    async def preview(self, definitions: Definitions) -> changes.Changes:
        """Return the changes that `update_description` would cause.

        History is recomputed of the changed series whose `stale_ns` is not None.
        """
        return await self._changes(await self._with_learned_periods(definitions))

    async def step(self) -> RollupReport:
        """Roll up every window that is complete and not yet stored, however long ago the last step was.

        Raises TransientError if store or state cannot be reached; what was written by then stays written.
        """
        async with self._guard:
            limit = await self._prepare()
            marks = await self._advance.watermarks(limit)
            if marks is None or all(marks[w] >= w.floor(limit) for w in WINDOWS):
                return RollupReport()
            await self._state.set_horizon(Window.S30.floor(limit))
            try:
                return RollupReport(*await self._advance.advance(self._defs, marks, limit))
            except BaseException:
                await self._lower_horizon()
                raise

    async def on_late(self, readings: Readings) -> None:
        """Mark the rolled-up windows of late readings dirty. Call it after storing the readings.

        Pass every stored batch, or at least those that may hold a reading older than the roll-ups. A reading that is
        newer than all others of its sensor can still be late.
        """
        if not len(readings):
            return
        horizon = await self._state.horizon()
        if horizon is None or int(readings.times.min()) >= horizon:
            return
        spans = [span for span in dirty_spans(readings, horizon) if span.sensor in self._sensors]
        if spans:
            await self._state.mark_dirty(spans)

    async def heal(self, limit: int = 10_000, revise_days: int = REVISE_DAYS) -> RollupReport:
        """Recompute the windows of the newest `limit` dirty marks, newest day first.

        A mark is cleared after its windows were written. Afterwards the history that a changed description concerns is
        adapted, up to `revise_days` days of it, newest first.
        """
        async with self._guard:
            await self._prepare()
        marks = await self._state.dirty(limit)
        rows = 0
        for day, spans, finished in days(marks):
            async with self._guard:
                affected = self._defs.affected_by({span.sensor for span in spans})
                rows += await self._recompute_day(affected, [(s.start_ns, s.end_ns) for s in spans], day)
                self._guard.check()
                await self._state.clear_dirty(finished)
        return RollupReport(rows=rows + await self._revise_history(revise_days), healed=len(marks))

    async def learn(self) -> int:
        """Learn the periods of sensors whose description states none. Return how many are new or changed."""
        # One at a time: a second call then sees the periods of the first, and the changes they cause.
        async with self._learn_lock:
            now = self._clock.now_ns()
            known = await self._state.periods()
            learned = await periods.learn(self._store, self._defs, known, now, PERIOD_VALID_NS)
            await self._state.set_periods(learned)
            new = [n for n, p in learned.items() if n not in known or known[n].period_s != p.period_s]
            if new:
                async with self._guard:
                    self._changes_are_stored = False
                    await self._prepare()
            return len(new)

    async def recompute_series(self, portions: Sequence[Portion]) -> RollupReport:
        """Recompute portions as far as they are rolled up, newest day first, the finest window first within a day."""
        start, end = min(p.start_ns for p in portions), max(p.end_ns for p in portions)
        rows = 0
        for day_start, day_end in reversed(list(slices(start, end, DAY_NS))):
            async with self._guard:
                await self._prepare()
                rows += await self._recompute.recompute_portions(self._defs, portions, day_start, day_end)
        return RollupReport(rows=rows)

    async def delete_expired(self, retention: RetentionPeriods) -> Mapping[Window | None, int]:
        """Delete what was kept long enough; see `Retention.delete_expired`."""
        async with self._guard:
            return await self._retention.delete_expired(retention, self._clock.now_ns())

    async def _revise_history(self, max_days: int) -> int:
        """Adapt up to `max_days` days of history to the description. Return the number of buckets written."""
        rows = 0
        for _ in range(max_days):
            async with self._guard:
                await self._prepare()
                history = HistoryRevision(self._store, self._state, self._defs, self._recompute_day)
                written = await history.revise_a_day()
            if written is None:
                break
            rows += written
        return rows

    async def _recompute_day(
        self, definitions: Definitions, spans: Sequence[tuple[int, int]], day: int
    ) -> int:
        return await self._recompute.recompute_day(definitions, spans, day, self._defs.sensors)

    async def _prepare(self) -> int:
        """Bring the state in line with the clock and the description.

        Return the time up to which windows are complete.
        """
        limit = self._clock.now_ns() - self._delay_ns
        await self._rewind_watermarks(limit)
        # With a shared lock another process may have learned a period, or have another description, since.
        if not (self._changes_are_stored and self._has_local_lock):
            self._defs = await self._with_learned_periods(self._defs)
            description_changes = await self._changes(self._defs)
            if description_changes.changed or description_changes.removed:
                await self._state.set_series(description_changes.changed, description_changes.removed)
            self._changes_are_stored = True
        return limit

    async def _with_learned_periods(self, definitions: Definitions) -> Definitions:
        learned = await self._state.periods()
        return definitions.with_learned_periods({name: period.period_s for name, period in learned.items()})

    async def _changes(self, definitions: Definitions) -> changes.Changes:
        rolled = await self._state.watermark(Window.S30)
        return changes.compare(await self._state.series(), changes.described_series(definitions), rolled)

    async def _rewind_watermarks(self, limit: int) -> None:
        """Move watermarks back after the clock was set back, since windows after `limit` are not over.

        A watermark ahead of the clock would have half a window computed as late, and shown. The horizon follows: readings for
        these windows are in time.
        """
        ahead = [w for w in WINDOWS if (await self._state.watermark(w) or 0) > max(limit, 0)]
        if ahead:
            log.warning("system clock moved back; recomputing newest windows windows=%s", ",".join(ahead))
            for window in ahead:
                await self._state.set_watermark(window, window.floor(limit))
            await self._state.set_horizon(Window.S30.floor(limit))

    async def _lower_horizon(self) -> None:
        """Move the horizon back to the watermark after a failed step: readings that arrive after it are not late."""
        try:
            mark = await self._state.watermark(Window.S30)
            if mark is not None:
                await self._state.set_horizon(mark)
        except TransientError:
            log.debug("roll-up horizon not reset; some windows are computed twice")
