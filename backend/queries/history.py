"""The recent history of many series on one grid, for sparklines and PUE. It is read again when a window completes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from cachetools import LRUCache

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND, Window
from backend.queries.ranges import COUNTED
from backend.queries.watermarks import Watermarks

log = logging.getLogger("seduce.queries")


@dataclass(frozen=True, slots=True)
class Span:
    """The last `size` complete windows."""

    window: Window
    size: int


HOUR_OF_MINUTES: Final = Span(Window.M1, 60)
WEEK_OF_HOURS: Final = Span(Window.H1, 7 * 24)

_MAX_AGE_NS: Final = 60 * NS_PER_SECOND
"""Late readings change complete windows, so a history is read again after this time."""
_MAX_CACHED: Final = 64
"""Cached histories; the overview needs about four."""


@dataclass(frozen=True, slots=True, eq=False)
class TrendLine:
    """The points of a sparkline: `times` int64 (n,) ns, `values` float64 (n,), NaN in a gap."""

    times: Int64
    values: Float64


@dataclass(frozen=True, slots=True, eq=False)
class RecentHistory:
    """Means, expected and received reports, float64 (series, windows); NaN where there is no bucket.

    `reachable` is False if the store was unreachable; then all columns are NaN.
    """

    names: tuple[str, ...]
    starts: Int64
    means: Float64
    expected: Float64
    reported: Float64
    reachable: bool = True

    def values(self, name: str) -> Float64:
        """Return the means of one series."""
        row: Float64 = self.means[self.names.index(name)]
        return row

    def line(self, name: str) -> TrendLine:
        """Return the means of one series as a sparkline."""
        return TrendLine(self.starts, self.values(name))

    def mean(self, names: Sequence[str]) -> TrendLine:
        """Return the mean over the named series, per window, of those that have a value."""
        rows = self.means[[self.names.index(n) for n in names]]
        filled = ~np.isnan(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(filled, rows, 0.0).sum(0) / filled.sum(0)
        return TrendLine(self.starts, means)

    def shares(self, name: str) -> Float64:
        """Return the share of the expected reports that arrived, per window; 0 where there is no bucket."""
        row = self.names.index(name)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.reported[row] / self.expected[row]
        return np.where(np.isfinite(share), np.minimum(share, 1.0), 0.0)

    def coverage(self, name: str) -> float:
        """Return the share over the whole span; a window without a bucket is not covered."""
        return float(self.shares(name).mean()) if len(self.starts) else 0.0


_Key: TypeAlias = tuple[SeriesKind, tuple[str, ...], Span]


@dataclass(frozen=True, slots=True, eq=False)
class _Cached:
    end: int
    watermark: int | None
    read_ns: int
    history: RecentHistory


class HistoryReader:
    """Reads spans of roll-ups up to their watermark."""

    def __init__(self, store: TimeSeriesStore, watermarks: Watermarks, clock: Clock) -> None:
        self._store = store
        self._watermarks = watermarks
        self._clock = clock
        self._outage = Outage(log, "history_reads", level=logging.WARNING)
        self._cache: LRUCache[_Key, _Cached] = LRUCache(_MAX_CACHED)

    async def nodes(self, names: tuple[str, ...], span: Span) -> RecentHistory:
        """Return the history of tree nodes."""
        return await self._read_or_empty(SeriesKind.NODE, names, span)

    async def sensors(self, names: tuple[str, ...], span: Span) -> RecentHistory:
        """Return the history of sensors."""
        return await self._read_or_empty(SeriesKind.SENSOR, names, span)

    async def _read_or_empty(self, kind: SeriesKind, names: tuple[str, ...], span: Span) -> RecentHistory:
        """Return the history, or an empty one if the store is unreachable: live values are useful without it.

        The span ends at the newest edge before now; a window that is not rolled up yet is a gap.
        """
        distinct = tuple(dict.fromkeys(names))
        try:
            return await self._read_cached(kind, distinct, span)
        except TransientError as error:
            self._outage.failed(error)
            end = span.window.floor(self._clock.now_ns())
            empty = np.full((len(distinct), span.size), np.nan)
            return RecentHistory(distinct, _starts(span, end), empty, empty, empty, reachable=False)

    async def _read_cached(self, kind: SeriesKind, names: tuple[str, ...], span: Span) -> RecentHistory:
        watermark = await self._watermarks.end(span.window)
        now_ns = self._clock.now_ns()
        now_edge = span.window.floor(now_ns)
        # The roll-up may be one window behind; beyond that the missing windows show as gaps.
        end = now_edge if watermark is None else min(now_edge, max(watermark, now_edge - span.window.ns))
        cached = self._cache.get((kind, names, span))
        is_same = cached is not None and (cached.end, cached.watermark) == (end, watermark)
        if cached is not None and is_same and now_ns - cached.read_ns < _MAX_AGE_NS:
            return cached.history
        history = await self._read(kind, names, span, end)
        self._outage.recovered()
        self._cache[kind, names, span] = _Cached(end, watermark, now_ns, history)
        return history

    async def _read(self, kind: SeriesKind, names: tuple[str, ...], span: Span, end: int) -> RecentHistory:
        first = end - span.size * span.window.ns
        columns = np.full((3, len(names), span.size), np.nan)
        if names:
            buckets = await self._store.buckets(kind, names, span.window, first, end, COUNTED)
            cells = (buckets.codes, (buckets.starts - first) // span.window.ns)
            for column, source in zip(
                columns, (buckets.mean, buckets.expected, buckets.reported), strict=True
            ):
                column[cells] = source
        return RecentHistory(names, _starts(span, end), *columns)


def _starts(span: Span, end: int) -> Int64:
    return np.arange(-span.size, 0, dtype=np.int64) * span.window.ns + end
