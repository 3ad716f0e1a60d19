"""Any range of time as whole windows of roll-ups: coarse ones inside, 30 s ones at the edges, none that is not rolled up."""

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
from backend.queries.marks import Marks

MAX_READ_ROWS: Final = 5_000_000
"""Rows one query may read from the store; above it a shorter range or a coarser window is needed."""
MAX_POINTS: Final = 200_000
COUNTED: Final = ("count", "sum", "expected", "reported")
"""Columns of roll-ups that means, energy and coverage need."""
_BARS: Final = 24


@dataclass(frozen=True, slots=True)
class Range:
    """[start_ns, end_ns), and how far of it is rolled up in windows of 30 s: `until_ns`, at least `start_ns`."""

    start_ns: int
    end_ns: int
    until_ns: int

    @property
    def seconds(self) -> float:
        return (self.until_ns - self.start_ns) / NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring windows of one length: [start_ns, end_ns), edges of the window."""

    window: Window
    start_ns: int
    end_ns: int

    @property
    def size(self) -> int:
        return (self.end_ns - self.start_ns) // self.window.ns

    @property
    def starts(self) -> Int64:
        return np.arange(self.size, dtype=np.int64) * self.window.ns + self.start_ns


def ordered(what: str, start_ns: int, end_ns: int | None, now_ns: int) -> int:
    """The end; None is now. Raises `UserError`, which names the query, where the range is empty."""
    end = now_ns if end_ns is None else end_ns
    if start_ns >= end:
        raise UserError(
            f"{what}(from:, to:): `from` {iso(start_ns)} is not before `to` {iso(end)}: "
            "give an earlier `from` or a later `to`."
        )
    return end


async def known(what: str, start_ns: int, end_ns: int | None, now_ns: int, marks: Marks) -> Range:
    """The range that a query names. Raises `UserError` where it is empty."""
    end = ordered(what, start_ns, end_ns, now_ns)
    mark = await marks.end(Window.S30)
    return Range(start_ns, end, start_ns if mark is None else max(start_ns, min(end, mark)))


async def cut(
    start_ns: int, end_ns: int, tiers: Sequence[Window], marks: Marks, widen: Window = Window.S30
) -> list[Piece]:
    """The windows that [start_ns, end_ns) touches, oldest first and without overlap, none beyond its watermark.

    `tiers` are windows from coarse to fine: of each, those that lie in the range as a whole are taken, and the finest one fills
    up the edges. Where the finest was deleted on purpose, the next one does. S30 reaches to the next edges of the window `widen`.
    """
    ends = {window: await marks.end(window) or 0 for window in tiers}
    begins = {window: await marks.begin(window) for window in tiers}
    edges = sorted({start_ns, end_ns, *(b for b in begins.values() if start_ns < b < end_ns)})
    pieces = []
    for first, last in pairwise(edges):
        for piece in _cut(first, last, [w for w in tiers if begins[w] <= first], ends):
            edge = widen if piece.window is Window.S30 else piece.window
            stop = min(edge.ceil(piece.end_ns), ends[piece.window])
            whole = Piece(piece.window, edge.floor(piece.start_ns), stop)
            if whole.size > 0:
                pieces.append(whole)
    return pieces


def _cut(start: int, end: int, tiers: Sequence[Window], ends: Mapping[Window, int]) -> list[Piece]:
    if start >= end or not tiers:
        return []
    window, *finer = tiers
    if not finer:
        return [Piece(window, window.floor(start), window.ceil(end))]
    first, last = window.ceil(start), window.floor(min(end, ends[window]))
    if first >= last:
        return _cut(start, end, finer, ends)
    return [
        *_cut(start, first, finer, ends),
        Piece(window, first, last),
        *_cut(last, end, finer, ends),
    ]


def check_rows(what: str, series: int, pieces: Sequence[Piece]) -> None:
    """Raises `UserError` for a query that would read too much."""
    rows = series * sum(piece.size for piece in pieces)
    if rows > MAX_READ_ROWS:
        raise UserError(
            f"{what}: {rows:,} windows lie in the range; the limit is {MAX_READ_ROWS:,}: "
            "shorten it, name fewer series, or ask for a coarser window."
        )


def bars(what: str, window: str, span_ns: int) -> Window:
    """The window of a bar chart: AUTO is the coarsest that gives 24 bars. Raises `UserError` for RAW."""
    if window == "raw":
        raise UserError(f"{what}(window: RAW): readings by themselves have no length: ask for S30 or more.")
    if window == "auto":
        return windows.coarsest(span_ns, _BARS) or Window.S30
    return Window(window)


def check_points(what: str, series: int, start_ns: int, end_ns: int, window: Window) -> None:
    """Raises `UserError` for more bars than an answer holds."""
    points = series * len(window.starts(start_ns, end_ns))
    if points > MAX_POINTS:
        raise UserError(
            f"{what}(window: {window.name}): {points:,} windows would be answered; the limit is {MAX_POINTS:,}: "
            "shorten the range, name fewer series, or ask for a coarser window."
        )


def dense(buckets: Buckets, piece: Piece, column: str, absent: Float64 | float) -> Float64:
    """A column as float64 (series, windows of the piece); `absent`, one value or one a series, where there is no bucket."""
    values: Float64 = getattr(buckets, column)
    shape = (len(buckets.names), piece.size)
    if len(values) == shape[0] * shape[1]:  # nothing is absent: sorted as they come, they are the grid
        return values.reshape(shape)
    grid = np.empty(shape)
    grid[:] = np.asarray(absent)[..., None]
    grid[buckets.codes, (buckets.starts - piece.start_ns) // piece.window.ns] = values
    return grid


def iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC).isoformat()
