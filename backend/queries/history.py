"""The recent past of many series on one grid, for sparklines and for PUE; read again when a window completes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND, Window
from backend.queries.marks import Marks
from backend.queries.ranges import COUNTED


@dataclass(frozen=True, slots=True)
class Span:
    """The last `size` complete windows."""

    window: Window
    size: int


HOUR_OF_MINUTES: Final = Span(Window.M1, 60)
_FRESH_NS: Final = 60 * NS_PER_SECOND  # late readings change windows that were complete

WEEK_OF_HOURS: Final = Span(Window.H1, 7 * 24)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A sparkline: `times` int64 (n,) ns, `values` float64 (n,), NaN in a gap."""

    times: Int64
    values: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Means, reports expected and reports that came, float64 (series, windows); NaN where there is no bucket.

    `reachable` is False where the store did not answer: all is NaN then.
    """

    names: tuple[str, ...]
    starts: Int64
    means: Float64
    expected: Float64
    reported: Float64
    reachable: bool = True

    def values(self, name: str) -> Float64:
        row: Float64 = self.means[self.names.index(name)]
        return row

    def line(self, name: str) -> Line:
        return Line(self.starts, self.values(name))

    def mean(self, names: Sequence[str]) -> Line:
        """Mean over the named series of those that have a value in a window."""
        rows = self.means[[self.names.index(n) for n in names]]
        known = ~np.isnan(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            return Line(self.starts, np.where(known, rows, 0.0).sum(0) / np.where(known, 1.0, 0.0).sum(0))

    def shares(self, name: str) -> Float64:
        """Share of the expected reports that came, a window; 0 where there is no bucket."""
        row = self.names.index(name)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.reported[row] / self.expected[row]
        return np.where(np.isfinite(share), np.minimum(share, 1.0), 0.0)

    def coverage(self, name: str) -> float:
        """Share over the whole span; a window without a bucket is not covered."""
        return float(self.shares(name).mean()) if len(self.starts) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    end: int
    mark: int | None
    read_ns: int
    past: Past


log = logging.getLogger("seduce.queries")


class History:
    """Reads spans of roll-ups up to their watermark."""

    def __init__(self, store: TimeSeriesStore, marks: Marks, clock: Clock) -> None:
        self._store = store
        self._marks = marks
        self._clock = clock
        self._outage = Outage(log, "history_reads", level=logging.WARNING)
        self._kept: dict[tuple[SeriesKind, tuple[str, ...], Span], _Kept] = {}

    async def nodes(self, names: tuple[str, ...], span: Span) -> Past:
        return await self._past(SeriesKind.NODE, names, span)

    async def sensors(self, names: tuple[str, ...], span: Span) -> Past:
        return await self._past(SeriesKind.SENSOR, names, span)

    async def _past(self, kind: SeriesKind, names: tuple[str, ...], span: Span) -> Past:
        """The span ends where the clock stands, at the newest edge: what is not rolled up yet is a gap there.

        What is live is worth showing without its past, so a store that is down is no failure here.
        """
        distinct = tuple(dict.fromkeys(names))
        try:
            return await self._fresh(kind, distinct, span)
        except TransientError as error:
            self._outage.failed(error)
            end = span.window.floor(self._clock.now_ns())
            starts, none = _grid(span, end), np.full((len(distinct), span.size), np.nan)
            return Past(distinct, starts, none, none, none, reachable=False)

    async def _fresh(self, kind: SeriesKind, distinct: tuple[str, ...], span: Span) -> Past:
        mark = await self._marks.end(span.window)
        now_edge = span.window.floor(self._clock.now_ns())
        # One window of grace for the roll-up; beyond it the missing windows are shown as missing.
        end = now_edge if mark is None else min(now_edge, max(mark, now_edge - span.window.ns))
        kept = self._kept.get((kind, distinct, span))
        now_ns = self._clock.now_ns()
        if kept is not None and kept.end == end and kept.mark == mark and now_ns - kept.read_ns < _FRESH_NS:
            return kept.past
        past = await self._read(kind, distinct, span, end)
        self._outage.recovered()
        self._kept[kind, distinct, span] = _Kept(end, mark, now_ns, past)
        return past

    async def _read(self, kind: SeriesKind, names: tuple[str, ...], span: Span, end: int) -> Past:
        first = end - span.size * span.window.ns
        columns = np.full((3, len(names), span.size), np.nan)
        if names:
            found = await self._store.buckets(kind, names, span.window, first, end, COUNTED)
            place = (found.codes, (found.starts - first) // span.window.ns)
            for column, source in zip(columns, (found.mean, found.expected, found.reported), strict=True):
                column[place] = source
        return Past(names, _grid(span, end), *columns)


def _grid(span: Span, end: int) -> Int64:
    return np.arange(-span.size, 0, dtype=np.int64) * span.window.ns + end
