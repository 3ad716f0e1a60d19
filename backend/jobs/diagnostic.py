"""Health of the continuous queries: the description against the store and the roll-up state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from backend.core.bucket import SeriesKind, measurement
from backend.core.clock import Clock
from backend.core.ports import DirtyWindow, RollupState, TimeSeriesStore
from backend.core.tasks import TaskLog
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.rollups import changes
from backend.rollups.definitions import WINDOWS_OF, ContinuousQuery, Definitions

GRACE_NS: Final = 60 * NS_PER_SECOND
"""Time after a window may be rolled up during which its query does not count as late."""

LOOK_BACK_NS: Final = 31 * Window.D1.ns
"""A series with readings in this much rolled-up history, and without any roll-up, counts as missing."""

MAX_DIRTY: Final = 10_000


class RollupFault(StrEnum):
    LATE = "late"
    MISSING = "missing"  # described, with readings, but without roll-ups
    UNKNOWN = "unknown"  # stored, but not described
    WRONG = "wrong"  # computed by another definition than the described one
    DIRTY = "dirty"  # late readings are not yet included


@dataclass(frozen=True, slots=True)
class RollupHealth:
    """Health of one continuous query.

    expected         whether it is described; one that is not has only `unknown` series
    watermark_ns     end of what is rolled up; None before the first roll-up
    lag_s            seconds from there to now
    missing, unknown, wrong   names of the series with that fault
    stale            those of the wrong series that healing recomputes by itself
    dirty_windows    its windows to recompute after late readings
    last_s, last_error   of the last run of the roll-up task
    """

    query: ContinuousQuery
    expected: bool
    faults: tuple[RollupFault, ...]
    watermark_ns: int | None
    lag_s: float | None
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    dirty_windows: int = 0
    last_s: float | None = None
    last_error: str = ""


@dataclass(slots=True)
class _SeriesFaults:
    """Faulty series by (kind, window)."""

    missing: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)
    unknown: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)
    wrong: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)
    stale: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)


class Diagnostic:
    """Compares description, store and state. Raises `TransientError` if store or database cannot be reached."""

    def __init__(
        self,
        store: TimeSeriesStore,
        state: RollupState,
        definitions: Definitions,
        clock: Clock,
        delay_s: float,
        log: TaskLog,
    ) -> None:
        self._store = store
        self._state = state
        self._defs = definitions
        self._clock = clock
        self._delay_ns = round(delay_s * NS_PER_SECOND)
        self._log = log

    async def read(self) -> Sequence[RollupHealth]:
        """Return the health of every described query, in order, then of stored but undescribed ones."""
        marks = {window: await self._state.watermark(window) for window in WINDOWS}
        faults = await self._compare(marks)
        dirty = await self._state.dirty(MAX_DIRTY)
        record = (await self._log.records()).get("roll_up")
        now = self._clock.now_ns()
        healths = []
        for query, expected in self._queries(faults):
            mark = marks[query.window]
            key = query.kind, query.window
            own = frozenset(query.series)
            missing = tuple(sorted(faults.missing.get(key, frozenset()) & own))
            wrong = tuple(sorted(faults.wrong.get(key, frozenset()) & own))
            all_unknown = faults.unknown.get(key, frozenset())
            unknown = tuple(sorted(all_unknown & own if query.kind is SeriesKind.NODE else all_unknown))
            dirty_count = self._dirty_windows(query, dirty) if expected else 0
            has_fault = {
                RollupFault.LATE: expected and self._is_late(query.window, mark, now),
                RollupFault.MISSING: missing,
                RollupFault.UNKNOWN: unknown,
                RollupFault.WRONG: wrong,
                RollupFault.DIRTY: dirty_count,
            }
            healths.append(
                RollupHealth(
                    query=query,
                    expected=expected,
                    faults=tuple(fault for fault, is_present in has_fault.items() if is_present),
                    watermark_ns=mark if expected else None,
                    lag_s=None if mark is None or not expected else (now - mark) / NS_PER_SECOND,
                    missing=missing,
                    unknown=unknown,
                    wrong=wrong,
                    stale=tuple(sorted(faults.stale.get(key, frozenset()) & own)),
                    dirty_windows=dirty_count,
                    last_s=None if record is None else record.last_s,
                    last_error="" if record is None else record.last_error,
                )
            )
        return healths

    def _queries(self, faults: _SeriesFaults) -> Iterator[tuple[ContinuousQuery, bool]]:
        """Yield the described queries, and one for each node and window that is stored but not described."""
        for query in self._defs.queries():
            yield query, True
        for window in WINDOWS:
            for node in sorted(faults.unknown.get((SeriesKind.NODE, window), ())):
                name = measurement(SeriesKind.NODE, node, window)
                yield ContinuousQuery(name, SeriesKind.NODE, window, (node,)), False

    def _is_late(self, window: Window, mark: int | None, now_ns: int) -> bool:
        if mark is None:
            return False  # there never was a reading
        return mark + window.ns + self._delay_ns + GRACE_NS <= now_ns

    async def _compare(self, marks: Mapping[Window, int | None]) -> _SeriesFaults:
        faults = _SeriesFaults()
        stale = await self._stale()
        described_names: Mapping[SeriesKind, frozenset[str]] = {
            SeriesKind.SENSOR: frozenset(self._defs.sensors),
            SeriesKind.TYPE: frozenset(self._defs.types),
            SeriesKind.NODE: frozenset(self._defs.nodes),
        }
        for kind, described in described_names.items():
            for window in WINDOWS_OF[kind]:
                stored = await self._store.rollup_series(kind, window)
                faults.unknown[kind, window] = stored - described
                mark = marks[window]
                if mark is not None:
                    without_rollups = sorted(described - stored)
                    faults.missing[kind, window] = await self._with_readings(
                        kind, without_rollups, window, mark
                    )
                    wrong = await self._with_other_expectation(kind, sorted(described & stored), window, mark)
                    faults.wrong[kind, window] = wrong | stale[kind]
                    faults.stale[kind, window] = stale[kind]
        return faults

    async def _with_readings(
        self, kind: SeriesKind, names: Sequence[str], window: Window, mark: int
    ) -> frozenset[str]:
        """Return those of the series that had readings to roll up."""
        members_of = {name: self._members(kind, name) for name in names}
        sensors = sorted({sensor for members in members_of.values() for sensor in members})
        retained_from = max(
            await self._state.retained_from(None) or 0, await self._state.retained_from(window) or 0
        )
        counts = (
            await self._store.count(sensors, max(retained_from, mark - LOOK_BACK_NS), mark) if sensors else {}
        )
        return frozenset(name for name, members in members_of.items() if any(counts.get(s) for s in members))

    def _members(self, kind: SeriesKind, name: str) -> Sequence[str]:
        if kind is SeriesKind.SENSOR:
            return (name,)
        return self._defs.types[name] if kind is SeriesKind.TYPE else self._defs.nodes[name]

    async def _stale(self) -> Mapping[SeriesKind, frozenset[str]]:
        """Return the series whose history does not match the description, as the state records it."""
        learned = {name: period.period_s for name, period in (await self._state.periods()).items()}
        self._defs = self._defs.with_learned_periods(learned)
        described = changes.described_series(self._defs)
        records = await self._state.series()
        stale = {(s.kind, s.name) for s in records if s.stale_ns is not None}
        for series in records:
            current = described.get((series.kind, series.name))
            if current is not None and current.shape != series.shape:
                stale.add((series.kind, series.name))
        return {
            kind: frozenset(name for k, name in stale & described.keys() if k is kind) for kind in SeriesKind
        }

    async def _with_other_expectation(
        self, kind: SeriesKind, names: Sequence[str], window: Window, mark: int
    ) -> frozenset[str]:
        """Return the series whose newest roll-up expects another number of reports than the description.

        Series with a learned period are left out: their roll-ups were right for the period of their time.
        """
        names_to_check = [
            n for n in names if not any(s in self._defs.learned for s in self._members(kind, n))
        ]
        newest = await self._store.buckets(
            kind, names_to_check, window, mark - window.ns, mark, ("expected",)
        )
        if kind is SeriesKind.NODE:
            windows = window.ns // Window.S30.ns
            expected = {name: float(len(self._defs.nodes[name]) * windows) for name in names_to_check}
        else:
            expected = self._defs.expected(
                {name: self._members(kind, name) for name in names_to_check}, window
            )
        expected_rows = np.array([expected[name] for name in newest.names], np.float64)[newest.codes]
        # Rows of old deployments do not state what they expected.
        differs = (
            ~np.isclose(newest.expected, expected_rows, rtol=1e-9, atol=0)
            & ~np.isnan(newest.expected)
            & ~np.isnan(expected_rows)
        )
        return frozenset(newest.names[code] for code in newest.codes[differs].tolist())

    def _dirty_windows(self, query: ContinuousQuery, dirty: Iterable[DirtyWindow]) -> int:
        sensors = {sensor for name in query.series for sensor in self._members(query.kind, name)}
        starts: set[int] = set()
        count = 0
        for span in dirty:
            if span.sensor in sensors:
                windows = query.window.starts(span.start_ns, span.end_ns)
                if query.kind is SeriesKind.SENSOR:
                    count += len(windows)
                else:
                    starts.update(windows)
        return count + len(starts)
