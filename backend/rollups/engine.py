"""When what is rolled up: onward from the watermarks, again where late readings came, and over any interval on request.

A window is complete when `delay_s` have passed since its end; only then is it computed, from all its raw readings. The
horizon is moved before a window is read and the watermark after it is kept, so that a reading either is in the roll-up
or marks it dirty, whatever happens in between. Absent buckets below a watermark: docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, TypeAlias

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.ports import DirtyWindow, RollupState, TimeSeriesStore
from backend.core.reading import Readings
from backend.core.tasks import LocalLock, Lock
from backend.core.windows import WINDOWS, Window, slices
from backend.rollups import changes, periods
from backend.rollups.definitions import Definitions
from backend.rollups.history import History
from backend.rollups.late import days, runs, spoiled
from backend.rollups.retention import LENGTHS, Keep, edge
from backend.rollups.roller import Roller

log = logging.getLogger(__name__)

DAY_NS: Final = Window.D1.ns
BEGINNING: Final = -(1 << 62)
SLICE_NS: Final = 6 * Window.H1.ns
"""How much is rolled up at once, which bounds memory; a day where an hour or a day is among the windows.

Slices end at their own multiples, which are edges of the windows.
"""

REVISE_DAYS: Final = 31
"""Days of history that one run of healing makes fit a changed description."""

PERIOD_STANDS_NS: Final = Window.H1.ns
"""How long a learned period is not looked at again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did: buckets written, and how far each window is rolled up (ns) if that changed."""

    rows: int = 0
    watermarks: Mapping[Window, int] = field(default_factory=dict)
    healed: int = 0


@dataclass(frozen=True, slots=True)
class Portion:
    """Series of one window to compute again: every window that begins in [start_ns, end_ns), edges of the window."""

    window: Window
    start_ns: int
    end_ns: int
    sensors: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()


_Spans: TypeAlias = Sequence[tuple[int, int]]


class RollupEngine:
    """Keeps the roll-ups true to the raw readings.

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
        self._known = frozenset(definitions.sensors)
        self._settled = False
        self._delay_ns = round(delay_s * 1e9)
        self._one_at_a_time = lock or LocalLock()
        self._learning = asyncio.Lock()
        self._alone = lock is None

    @property
    def definitions(self) -> Definitions:
        return self._defs

    def update_description(self, definitions: Definitions) -> None:
        """Take another description; what it changes is found at the next step or healing, and healed."""
        self._defs = definitions
        self._known = frozenset(definitions.sensors)
        self._settled = False

    async def preview(self, definitions: Definitions) -> changes.Changes:
        """Return what `update_description` would change. History is recomputed of the series whose `stale_ns` is not None."""
        learned = {name: found.period_s for name, found in (await self._state.periods()).items()}
        rolled = await self._state.watermark(Window.S30)
        return changes.compare(
            await self._state.series(), changes.described(definitions.knowing(learned)), rolled
        )

    async def step(self) -> Report:
        """Roll up every window that is complete by now and not yet kept, however long ago the last step was.

        Raises TransientError where store or state cannot be reached; what is done by then stays done.
        """
        async with self._one_at_a_time:
            limit = await self._ready()
            marks = await self._watermarks(limit)
            if marks is None or all(marks[w] >= w.floor(limit) for w in WINDOWS):
                return Report()
            await self._state.set_horizon(Window.S30.floor(limit))
            try:
                return await self._advance(marks, limit)
            except BaseException:
                await self._lower_horizon()
                raise

    async def on_late(self, readings: Readings) -> None:
        """Mark what readings spoil that came after their windows were rolled up. To be called after they were stored.

        Wants every batch that is stored, or all those that may hold a reading older than the roll-ups: one that is newer than
        all its sensor had can still be late.
        """
        if not len(readings):
            return
        horizon = await self._state.horizon()
        if horizon is None or int(readings.times.min()) >= horizon:
            return
        spans = [span for span in spoiled(readings, horizon) if span.sensor in self._known]
        if spans:
            await self._state.mark_dirty(spans)

    async def heal(self, limit: int = 10_000, revise_days: int = REVISE_DAYS) -> Report:
        """Recompute what the newest `limit` marks spoil, newest day first; a mark goes when its windows are kept anew.

        Then what a change of the description touched, up to `revise_days` days of it, newest first.
        """
        async with self._one_at_a_time:
            await self._ready()
        marked = await self._state.dirty(limit)
        rows = 0
        for day, spans, finished in days(marked):
            async with self._one_at_a_time:
                around = self._defs.around({span.sensor for span in spans})
                rows += await self._again(around, [(s.start_ns, s.end_ns) for s in spans], day)
                self._one_at_a_time.check()
                await self._state.clear_dirty(finished)
        for _ in range(revise_days):
            async with self._one_at_a_time:
                await self._ready()
                history = History(self._store, self._state, self._defs, self._again)
                written = await history.revise_a_day()
            if written is None:
                break
            rows += written
        return Report(rows=rows, healed=len(marked))

    async def learn(self) -> int:
        """Learn the periods of sensors whose description does not say them. Returns how many are new or another now."""
        # Who comes second finds what the first has learned, and what follows from it marked.
        async with self._learning:
            now = self._clock.now_ns()
            kept = await self._state.periods()
            found = await periods.learn(self._store, self._defs, kept, now, PERIOD_STANDS_NS)
            await self._state.set_periods(found)
            new = [n for n, p in found.items() if n not in kept or kept[n].period_s != p.period_s]
            if new:
                async with self._one_at_a_time:
                    self._settled = False
                    await self._ready()
            return len(new)

    async def recompute(self, start_ns: int, end_ns: int) -> Report:
        """Compute again every window that overlaps the interval and is rolled up, of all series."""
        rows = 0
        for day, stop in slices(Window.D1.floor(start_ns), Window.D1.ceil(end_ns), DAY_NS):
            async with self._one_at_a_time:
                await self._ready()
                if not await self._silent(day, stop):
                    rows += await self._again(self._defs, [(max(start_ns, day), min(end_ns, stop))], day)
        return Report(rows=rows)

    async def retain(self, keep: Keep) -> Mapping[Window | None, int]:
        """Delete raw readings (None) and roll-ups that were kept long enough.

        Returns from where on each is kept now, if not all is.

        What is deleted is noted first, and durably: from then on nothing before it is computed again, so that roll-ups
        outlive their readings. Days are deleted whole, and none that is not yet rolled up or is marked dirty.
        """
        found: dict[Window | None, int] = {}
        async with self._one_at_a_time:
            marks = [await self._state.watermark(w) for w in WINDOWS]
            rolled = [mark for mark in marks if mark is not None]
            if len(rolled) < len(marks):
                return found
            for length in LENGTHS:
                dirty = await self._state.oldest_dirty()
                due = edge(keep.of(length), self._clock.now_ns(), min(rolled), dirty)
                kept = await self._state.retained_from(length)
                if due is not None and (kept is None or due > kept):
                    await self._state.set_retained_from(length, due)
                    kept = due
                if kept is None or due is None:
                    continue
                found[length] = kept
                # Also where nothing new is due: what was sent late, for a time that is gone already, goes too.
                if length is None:
                    await self._store.delete(None, BEGINNING, kept)
                else:
                    await self._store.delete_buckets(length, kept)
        return found

    async def recompute_nodes(self, start_ns: int, end_ns: int, nodes: Sequence[str] | None = None) -> Report:
        """Compute tree nodes again, all or the named ones, from the kept 30 s means of their sensors."""
        rows = 0
        for day, stop in slices(Window.D1.floor(start_ns), Window.D1.ceil(end_ns), DAY_NS):
            async with self._one_at_a_time:
                await self._ready()
                part = self._defs.only(nodes=self._defs.nodes if nodes is None else nodes)
                rows += await self._again(part, [(max(start_ns, day), min(end_ns, stop))], day)
        return Report(rows=rows)

    async def redo(self, portions: Sequence[Portion]) -> Report:
        """Compute portions again, as far as they are rolled up: newest day first, the finest window first within a day.

        Windows that are to be computed of the same series share one reading of them.
        """
        start, end = min(p.start_ns for p in portions), max(p.end_ns for p in portions)
        rows = 0
        for day, stop in reversed(list(slices(start, end, DAY_NS))):
            async with self._one_at_a_time:
                await self._ready()
                if not await self._never_read(Window.D1.floor(day)):
                    rows += await self._compute(self._parts(portions, day, stop), Window.D1.floor(day))
        return Report(rows=rows)

    def _parts(
        self, portions: Sequence[Portion], start: int, stop: int
    ) -> Iterable[tuple[Window, Definitions, _Spans]]:
        """The portions of one day. What two windows want of the same series is one and the same object."""
        known: dict[tuple[frozenset[str], ...], Definitions] = {}
        for portion in sorted(portions, key=lambda p: p.window.ns):
            span = (max(portion.start_ns, start), min(portion.end_ns, stop))
            if span[0] < span[1]:
                wanted = (portion.sensors, portion.types, portion.nodes)
                yield portion.window, known.setdefault(wanted, self._defs.only(*wanted)), [span]

    async def _never_read(self, day: int) -> bool:
        """Whether nothing was read on a day, so that no windows are kept of it."""
        kept = await self._store.buckets(
            SeriesKind.SENSOR, self._defs.sensors, Window.D1, day, day + 1, ("count",)
        )
        return not kept.count.any() and await self._silent(day, day + DAY_NS)

    async def _ready(self) -> int:
        """Before anything is rolled up: the state as the clock and the description want it. Returns up to when is complete."""
        limit = self._clock.now_ns() - self._delay_ns
        await self._pull_back(limit)
        # Another process may have learned a period, or have another description, since.
        if not (self._settled and self._alone):
            learned = {name: found.period_s for name, found in (await self._state.periods()).items()}
            self._defs = self._defs.knowing(learned)
            rolled = await self._state.watermark(Window.S30)
            found = changes.compare(await self._state.series(), changes.described(self._defs), rolled)
            if found.changed or found.removed:
                await self._state.set_series(found.changed, found.removed)
            self._settled = True
        return limit

    async def _pull_back(self, limit: int) -> None:
        """After the clock was set back: windows that are not over (any more) are none that were rolled up.

        Left where it is, a watermark ahead of the clock would have half windows computed as if they were late, and shown.
        The horizon follows: what comes for these windows is in time.
        """
        ahead = [w for w in WINDOWS if (await self._state.watermark(w) or 0) > max(limit, 0)]
        if ahead:
            log.warning("the clock was set back: the newest windows will be rolled up again")
            for window in ahead:
                await self._state.set_watermark(window, window.floor(limit))
            await self._state.set_horizon(Window.S30.floor(limit))

    async def _again(self, definitions: Definitions, spans: _Spans, day: int) -> int:
        """Recompute all windows of one day that hold the spans. Returns how many buckets were written."""
        return await self._compute([(window, definitions, spans) for window in WINDOWS], day)

    async def _compute(self, parts: Iterable[tuple[Window, Definitions, _Spans]], day: int) -> int:
        """Recompute windows of one day that hold spans, finest first. Returns how many buckets were written.

        What ends after its watermark is left out: the step will read it, late readings and all. So is what can no longer be
        computed: without the raw readings, or without the nodes' 30 s values, it would come out empty.
        """
        kept = {length: await self._state.retained_from(length) or BEGINNING for length in LENGTHS}
        tops = {w: min(await self._state.watermark(w) or 0, day + DAY_NS) for w in WINDOWS}
        rollers: dict[int, Roller] = {}
        plan = []
        for window, part, spans in parts:
            from_raw = bool(part.sensors or part.types)
            if day >= max(kept[None] if from_raw else BEGINNING, kept[Window.S30]):
                roller = rollers.setdefault(id(part), Roller(self._store, part, replacing=True))
                plan.append(
                    (window, roller, tuple(runs(spans, window, max(day, kept[window]), tops[window])))
                )
        for (roller, intervals), group in groupby(plan, key=lambda part: part[1:]):
            windows = [window for window, *_ in group]
            for start, end in intervals:
                await self._roll(roller, windows, start, end)
        return sum(roller.rows for roller in rollers.values())

    async def _watermarks(self, limit: int) -> dict[Window, int] | None:
        """Where each window goes on; None while there is nothing to roll up."""
        marks = {w: await self._state.watermark(w) for w in WINDOWS}
        if any(mark is None for mark in marks.values()):
            first = await self._store.first_time()
            if first is None or first >= limit:
                return None
            return {w: w.floor(first) if mark is None else mark for w, mark in marks.items()}
        return {w: mark for w, mark in marks.items() if mark is not None}

    async def _advance(self, marks: dict[Window, int], limit: int) -> Report:
        before = dict(marks)
        roller = Roller(self._store, self._defs)
        day = Window.D1.floor(min(marks.values()))
        while day < limit:
            seen = roller.readings
            whole = marks[Window.S30] <= day and day + DAY_NS <= limit
            spans = [(w, (max(marks[w], day), min(w.floor(limit), day + DAY_NS))) for w in WINDOWS]
            for (start, stop), group in groupby(spans, key=lambda part: part[1]):
                await self._roll(roller, [window for window, _ in group], start, stop, marks)
            roller.forget()
            day += DAY_NS
            if whole and roller.readings == seen:
                day = await self._skip_silence(day, limit, marks)
        moved = {w: mark for w, mark in marks.items() if mark != before[w]}
        return Report(rows=roller.rows, watermarks=moved)

    async def _roll(
        self,
        roller: Roller,
        windows: Sequence[Window],
        start_ns: int,
        end_ns: int,
        marks: dict[Window, int] | None = None,
    ) -> None:
        """Windows that are wanted over the same interval, from one reading of it."""
        step = DAY_NS if windows[-1].ns > Window.M1.ns else SLICE_NS
        for start, end in slices(start_ns, end_ns, step):
            await roller.roll(windows, start, end)
            await self._still_ours(start, end)
            for window in windows if marks is not None else ():
                await self._state.set_watermark(window, end)
            if marks is not None:
                marks.update(dict.fromkeys(windows, end))

    async def _still_ours(self, start_ns: int, end_ns: int) -> None:
        """What was written without the lock may be older than what another has written since: it is to be computed again."""
        try:
            self._one_at_a_time.check()
        except TransientError:
            await self._state.mark_dirty([DirtyWindow(name, start_ns, end_ns) for name in self._defs.sensors])
            raise

    async def _skip_silence(self, day: int, limit: int, marks: dict[Window, int]) -> int:
        """The next day on which anything was read, or the current one; watermarks follow.

        Found by doubling and halving, so that years of silence cost a few dozen counts.
        """
        last, span, found = Window.D1.floor(limit), DAY_NS, day
        while found < last:
            end = min(found + span, last)
            if not await self._store.count(self._defs.sensors, found, end):
                found, span = end, span * 2
            elif span == DAY_NS:
                break
            else:
                span = max(DAY_NS, Window.D1.ceil(span // 2))
        if found > day:
            log.info("nothing was read for %d days; no roll-ups are kept of them", (found - day) // DAY_NS)
            for window in WINDOWS:
                await self._state.set_watermark(window, found)
                marks[window] = found
        return found

    async def _silent(self, start_ns: int, end_ns: int) -> bool:
        """Whether the interval has no readings, and no roll-ups of any that it once had."""
        if await self._store.count(self._defs.sensors, start_ns, end_ns):
            return False
        kept = await self._store.buckets(SeriesKind.SENSOR, self._defs.sensors, Window.S30, start_ns, end_ns)
        return not len(kept)

    async def _lower_horizon(self) -> None:
        """What was not rolled up after all will be read later: arrivals for it are not late."""
        try:
            mark = await self._state.watermark(Window.S30)
            if mark is not None:
                await self._state.set_horizon(mark)
        except TransientError:
            log.debug("the horizon stays ahead of the roll-ups; arrivals there will be rolled up twice")
