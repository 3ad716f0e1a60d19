"""How the continuous queries fare: what is described held against what the store holds and the state remembers."""

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
"""How long after a window may be rolled up its query is not late yet."""

LOOK_BACK_NS: Final = 31 * Window.D1.ns
"""A series with readings in so much of what is rolled up, and no roll-up at all, is missing."""

MAX_DIRTY: Final = 10_000


class QueryFault(StrEnum):
    LATE = "late"
    MISSING = "missing"  # described, with readings, and no roll-up of it is kept
    UNKNOWN = "unknown"  # kept, and not described
    WRONG = "wrong"  # kept by another definition than the one described
    DIRTY = "dirty"  # late readings are not in yet


@dataclass(frozen=True, slots=True)
class QueryHealth:
    """One continuous query. `missing`, `unknown` and `wrong` name its series that are; `stale` those of the wrong ones that
    healing knows of and computes again by itself.

    expected        whether it is described; one that is not has only `unknown` series
    watermark_ns    up to where it is rolled up; None before the first
    lag_s           seconds from there to now
    dirty_windows   its windows that wait to be computed again after late readings
    last_s, last_error   of the last run of the task that rolls up
    """

    query: ContinuousQuery
    expected: bool
    faults: tuple[QueryFault, ...]
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
class _Found:
    """What is odd about the series of each (kind, window)."""

    missing: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)
    unknown: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)
    wrong: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)
    stale: dict[tuple[SeriesKind, Window], frozenset[str]] = field(default_factory=dict)


class Diagnostic:
    """Raises `TransientError` where store or database cannot be reached."""

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

    async def read(self) -> Sequence[QueryHealth]:
        """Every query that is described, as they are listed, then what is kept beside them."""
        marks = {window: await self._state.watermark(window) for window in WINDOWS}
        found = await self._compare(marks)
        dirty = await self._state.dirty(MAX_DIRTY)
        record = (await self._log.records()).get("roll_up")
        now = self._clock.now_ns()
        healths = []
        for query, expected in self._queries(found):
            mark = marks[query.window]
            key = query.kind, query.window
            own = frozenset(query.series)
            missing = tuple(sorted(found.missing.get(key, frozenset()) & own))
            wrong = tuple(sorted(found.wrong.get(key, frozenset()) & own))
            odd = found.unknown.get(key, frozenset())
            unknown = tuple(sorted(odd & own if query.kind is SeriesKind.NODE else odd))
            waiting = self._dirty_windows(query, dirty) if expected else 0
            there = {
                QueryFault.LATE: expected and self._is_late(query.window, mark, now),
                QueryFault.MISSING: missing,
                QueryFault.UNKNOWN: unknown,
                QueryFault.WRONG: wrong,
                QueryFault.DIRTY: waiting,
            }
            healths.append(
                QueryHealth(
                    query=query,
                    expected=expected,
                    faults=tuple(fault for fault, is_there in there.items() if is_there),
                    watermark_ns=mark if expected else None,
                    lag_s=None if mark is None or not expected else (now - mark) / NS_PER_SECOND,
                    missing=missing,
                    unknown=unknown,
                    wrong=wrong,
                    stale=tuple(sorted(found.stale.get(key, frozenset()) & own)),
                    dirty_windows=waiting,
                    last_s=None if record is None else record.last_s,
                    last_error="" if record is None else record.last_error,
                )
            )
        return healths

    def _queries(self, found: _Found) -> Iterator[tuple[ContinuousQuery, bool]]:
        """The described ones, and one for each node and window that is kept and not described."""
        for query in self._defs.queries():
            yield query, True
        for window in WINDOWS:
            for node in sorted(found.unknown.get((SeriesKind.NODE, window), ())):
                name = measurement(SeriesKind.NODE, node, window)
                yield ContinuousQuery(name, SeriesKind.NODE, window, (node,)), False

    def _is_late(self, window: Window, mark: int | None, now_ns: int) -> bool:
        if mark is None:
            return False  # nothing was ever read
        return mark + window.ns + self._delay_ns + GRACE_NS <= now_ns

    async def _compare(self, marks: Mapping[Window, int | None]) -> _Found:
        found = _Found()
        stale = await self._stale()
        named: Mapping[SeriesKind, frozenset[str]] = {
            SeriesKind.SENSOR: frozenset(self._defs.sensors),
            SeriesKind.TYPE: frozenset(self._defs.types),
            SeriesKind.NODE: frozenset(self._defs.nodes),
        }
        for kind, described in named.items():
            for window in WINDOWS_OF[kind]:
                kept = await self._store.rollup_series(kind, window)
                found.unknown[kind, window] = kept - described
                mark = marks[window]
                if mark is not None:
                    absent = sorted(described - kept)
                    found.missing[kind, window] = await self._with_readings(kind, absent, window, mark)
                    other = await self._otherwise(kind, sorted(described & kept), window, mark)
                    found.wrong[kind, window] = other | stale[kind]
                    found.stale[kind, window] = stale[kind]
        return found

    async def _with_readings(
        self, kind: SeriesKind, names: Sequence[str], window: Window, mark: int
    ) -> frozenset[str]:
        """Those of the series that had something to be rolled up."""
        below = {name: self._members(kind, name) for name in names}
        sensors = sorted({sensor for members in below.values() for sensor in members})
        kept = max(await self._state.retained_from(None) or 0, await self._state.retained_from(window) or 0)
        read = await self._store.count(sensors, max(kept, mark - LOOK_BACK_NS), mark) if sensors else {}
        return frozenset(name for name, members in below.items() if any(read.get(s) for s in members))

    def _members(self, kind: SeriesKind, name: str) -> Sequence[str]:
        if kind is SeriesKind.SENSOR:
            return (name,)
        return self._defs.types[name] if kind is SeriesKind.TYPE else self._defs.nodes[name]

    async def _stale(self) -> Mapping[SeriesKind, frozenset[str]]:
        """Series whose history does not fit what is described now, as far as is remembered."""
        learned = {name: period.period_s for name, period in (await self._state.periods()).items()}
        self._defs = self._defs.with_learned_periods(learned)
        described = changes.described_series(self._defs)
        kept = await self._state.series()
        stale = {(s.kind, s.name) for s in kept if s.stale_ns is not None}
        for series in kept:
            now = described.get((series.kind, series.name))
            if now is not None and now.shape != series.shape:
                stale.add((series.kind, series.name))
        return {
            kind: frozenset(name for k, name in stale & described.keys() if k is kind) for kind in SeriesKind
        }

    async def _otherwise(
        self, kind: SeriesKind, names: Sequence[str], window: Window, mark: int
    ) -> frozenset[str]:
        """Series whose newest roll-up expects another number of reports than the description does.

        What rests on a learned period is left out: it held for the time that it was learned for.
        """
        sure = [n for n in names if not any(s in self._defs.learned for s in self._members(kind, n))]
        kept = await self._store.buckets(kind, sure, window, mark - window.ns, mark, ("expected",))
        if kind is SeriesKind.NODE:
            many = window.ns // Window.S30.ns
            due = {name: float(len(self._defs.nodes[name]) * many) for name in sure}
        else:
            due = self._defs.expected({name: self._members(kind, name) for name in sure}, window)
        wanted = np.array([due[name] for name in kept.names], np.float64)[kept.codes]
        # Rows of old deployments say nothing of what they expected.
        off = (
            ~np.isclose(kept.expected, wanted, rtol=1e-9, atol=0)
            & ~np.isnan(kept.expected)
            & ~np.isnan(wanted)
        )
        return frozenset(kept.names[code] for code in kept.codes[off].tolist())

    def _dirty_windows(self, query: ContinuousQuery, dirty: Iterable[DirtyWindow]) -> int:
        touched = {sensor for name in query.series for sensor in self._members(query.kind, name)}
        starts: set[int] = set()
        many = 0
        for span in dirty:
            if span.sensor in touched:
                windows = query.window.starts(span.start_ns, span.end_ns)
                if query.kind is SeriesKind.SENSOR:
                    many += len(windows)
                else:
                    starts.update(windows)
        return many + len(starts)
