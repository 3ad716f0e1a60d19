"""Splits any time range into whole roll-up windows: coarse ones inside, 30 s ones at the edges, all of them rolled up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np

from backend.core import windows
from backend.core.bucket import Buckets
from backend.core.errors import UserError
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND, Window
from backend.queries.watermarks import Watermarks

MAX_READ_ROWS: Final = 5_000_000
"""Rows that one query may read from the store."""
MAX_POINTS: Final = 200_000
"""Points that one answer may hold."""
COUNTED: Final = ("count", "sum", "expected", "reported")
"""Columns of roll-ups that means, energy and coverage need."""
_AUTO_BARS: Final = 24


@dataclass(frozen=True, slots=True)
class Range:
    """[start_ns, end_ns). It is rolled up in windows of 30 s up to `until_ns`, which is at least `start_ns`."""

    start_ns: int
    end_ns: int
    until_ns: int

    @property
    def seconds(self) -> float:
        """Length of the part that is rolled up."""
        return (self.until_ns - self.start_ns) / NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Piece:
    """Adjacent windows of one length over [start_ns, end_ns), which are window edges."""

    window: Window
    start_ns: int
    end_ns: int

    @property
    def size(self) -> int:
        """Number of windows."""
        return (self.end_ns - self.start_ns) // self.window.ns

    @property
    def starts(self) -> Int64:
        """Starts of the windows, int64 (size,) ns."""
        return np.arange(self.size, dtype=np.int64) * self.window.ns + self.start_ns


def resolve_end(query: str, start_ns: int, end_ns: int | None, now_ns: int) -> int:
    """Return the end of the range; None is now. Raises `UserError`, which names the query, for an empty range."""
    end = now_ns if end_ns is None else end_ns
    if start_ns >= end:
        raise UserError(
            f"{query}(from:, to:): `from` {iso(start_ns)} is not before `to` {iso(end)}: "
            "give an earlier `from` or a later `to`."
        )
    return end


async def resolve_range(
    query: str, start_ns: int, end_ns: int | None, now_ns: int, watermarks: Watermarks
) -> Range:
    """Return the range of a query with its rolled-up part. Raises `UserError` for an empty range."""
    end = resolve_end(query, start_ns, end_ns, now_ns)
    watermark = await watermarks.end(Window.S30)
    until = start_ns if watermark is None else max(start_ns, min(end, watermark))
    return Range(start_ns, end, until)


async def split(
    start_ns: int, end_ns: int, tiers: Sequence[Window], watermarks: Watermarks, widen: Window = Window.S30
) -> list[Piece]:
    """Return the windows that overlap [start_ns, end_ns), oldest first, disjoint, none beyond its watermark.

    `tiers` lists windows from coarse to fine. Each tier covers what its whole windows can; the finest one covers the edges.
    Where retention deleted the finest tier, the next coarser one covers the edges. Pieces of 30 s windows extend to the next
    edges of the window `widen`.
    """
    ends = {window: await watermarks.end(window) or 0 for window in tiers}
    starts = {window: await watermarks.start(window) for window in tiers}
    edges = sorted({start_ns, end_ns, *(s for s in starts.values() if start_ns < s < end_ns)})
    pieces = []
    for first, last in pairwise(edges):
        for piece in _split(first, last, [w for w in tiers if starts[w] <= first], ends):
            edge = widen if piece.window is Window.S30 else piece.window
            stop = min(edge.ceil(piece.end_ns), ends[piece.window])
            widened = Piece(piece.window, edge.floor(piece.start_ns), stop)
            if widened.size > 0:
                pieces.append(widened)
    return pieces


def _split(start: int, end: int, tiers: Sequence[Window], ends: Mapping[Window, int]) -> list[Piece]:
    if start >= end or not tiers:
        return []
    window, *finer = tiers
    if not finer:
        return [Piece(window, window.floor(start), window.ceil(end))]
    first, last = window.ceil(start), window.floor(min(end, ends[window]))
    if first >= last:
        return _split(start, end, finer, ends)
    return [
        *_split(start, first, finer, ends),
        Piece(window, first, last),
        *_split(last, end, finer, ends),
    ]


def check_rows(query: str, series: int, pieces: Sequence[Piece]) -> None:
    """Raise `UserError` if the query would read more than `MAX_READ_ROWS`."""
    rows = series * sum(piece.size for piece in pieces)
    if rows > MAX_READ_ROWS:
        raise UserError(
            f"{query}: the range has {rows:,} windows; the limit is {MAX_READ_ROWS:,}: "
            "shorten the range, name fewer series, or use a coarser window."
        )


def bar_window(query: str, choice: str, span_ns: int) -> Window:
    """Return the window of a bar chart; AUTO is the coarsest with at least 24 bars. Raises `UserError` for RAW."""
    if choice == "raw":
        raise UserError(f"{query}(window: RAW): a single reading has no duration: use S30 or coarser.")
    if choice == "auto":
        return windows.coarsest(span_ns, _AUTO_BARS) or Window.S30
    return Window(choice)


def check_points(query: str, series: int, start_ns: int, end_ns: int, window: Window) -> None:
    """Raise `UserError` if the answer would hold more than `MAX_POINTS`."""
    points = series * len(window.starts(start_ns, end_ns))
    if points > MAX_POINTS:
        raise UserError(
            f"{query}(window: {window.name}): the answer would have {points:,} windows; the limit is {MAX_POINTS:,}: "
            "shorten the range, name fewer series, or use a coarser window."
        )


def to_grid(buckets: Buckets, piece: Piece, column: str, absent: Float64 | float) -> Float64:
    """Return a column as float64 (series, windows of the piece).

    `absent` fills the cells without a bucket: one value, or one value per series.
    """
    values: Float64 = getattr(buckets, column)
    shape = (len(buckets.names), piece.size)
    if len(values) == shape[0] * shape[1]:  # no bucket is absent, and buckets are sorted: they are the grid
        return values.reshape(shape)
    grid = np.empty(shape)
    grid[:] = np.asarray(absent)[..., None]
    grid[buckets.codes, (buckets.starts - piece.start_ns) // piece.window.ns] = values
    return grid


def iso(time_ns: int) -> str:
    """Return the time in ISO 8601, UTC."""
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC).isoformat()
