"""What windows of roll-ups say of energy. Pure; the definitions and their reasons: docs/decisions/0005.

A *cell* is a window of one series with the energy that was measured in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.core.bucket import Buckets
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND, Window
from backend.queries.ranges import Piece, dense

STEP_S: Final = Window.S30.seconds
PER_HOUR: Final = Window.H1.seconds // STEP_S
JOULES_PER_KWH: Final = 3.6e6
UNKNOWN_S: Final = 1.0
"""Period of a sensor of which neither the description nor the roll-ups know one: how often it is asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Windows of one length, all series on one grid: `starts` int64 (windows,) ns; the others float64 (series, windows).

    joules   energy, 0 where nothing is known
    covered  seconds that readings stand for; of a node, times the share of its sensors that reported
    held     seconds for which a value was held over a gap, likewise
    valued   seconds in which there was a value at all, measured or held
    """

    window: Window
    starts: Int64
    joules: Float64
    covered: Float64
    held: Float64
    valued: Float64

    def within(self, start_ns: int, end_ns: int) -> Cells:
        """Only what lies in the range: a window that reaches over its edge counts by its share."""
        low, high = np.searchsorted(self.starts, (start_ns - self.window.ns + 1, end_ns))
        starts = self.starts[low:high]
        lengths = np.minimum(starts + self.window.ns, end_ns) - np.maximum(starts, start_ns)
        share = lengths / self.window.ns
        columns = (self.joules, self.covered, self.held, self.valued)
        if np.all(share == 1.0):
            return Cells(self.window, starts, *(c[:, low:high] for c in columns))
        return Cells(self.window, starts, *(c[:, low:high] * share for c in columns))

    def weighted(self, weights: Float64) -> Cells:
        """Joules times `weights` (series,)."""
        return Cells(
            self.window, self.starts, self.joules * weights[:, None], self.covered, self.held, self.valued
        )

    def summed(self, members: Sequence[Sequence[int]]) -> Cells:
        """Sums of these series: one row a sum, `members` its rows."""

        def over(sums: Float64, divide: bool) -> Float64:
            found = [sums[rows].sum(axis=0) / (max(len(rows), 1) if divide else 1) for rows in members]
            return np.array(found).reshape(len(members), len(self.starts))

        most = [self.valued[rows].max(axis=0, initial=0.0) for rows in members]
        return Cells(
            self.window,
            self.starts,
            over(self.joules, False),
            over(self.covered, True),
            over(self.held, True),
            np.array(most).reshape(len(members), len(self.starts)),
        )


def of_nodes(buckets: Buckets, piece: Piece, sensors: Float64) -> Cells:
    """Each 30 s value of a node stands for its 30 s; a coarser window is the sum of those in it, exactly.

    `sensors` float64 (series,) are how many sensors are at or below the node.
    """
    count = dense(buckets, piece, "count", 0.0)
    total = np.where(count > 0, dense(buckets, piece, "sum", 0.0), 0.0)
    nominal = sensors * piece.window.seconds / STEP_S
    share = _share(dense(buckets, piece, "reported", 0.0), dense(buckets, piece, "expected", nominal))
    covered = share * piece.window.seconds
    return Cells(piece.window, piece.starts, total * STEP_S, covered, np.zeros_like(covered), count * STEP_S)


def of_sensors(buckets: Buckets, piece: Piece, periods: Float64, hold_s: float | None = None) -> Cells:
    """Each reading stands for one period; for less in an hour that has more readings than it should.

    `periods` float64 (series,) are seconds between two readings, NaN where the description does not say: the newest window
    that knows tells then. The piece is of whole hours, or of 30 s from the begin of an hour: what follows its end is not
    there yet. With `hold_s`, for which it must be of 30 s, gaps are bridged.
    """
    total, count, each = _readings(buckets, piece, periods)
    if hold_s is not None:
        return _held(piece, total, count, each, hold_s)
    covered = count * each
    energy = np.where(count > 0, total, 0.0) * each
    return Cells(piece.window, piece.starts, energy, covered, np.zeros_like(covered), covered)


def _held(piece: Piece, total: Float64, count: Float64, each: Float64, limit_s: float) -> Cells:
    """What is not covered takes the mean of the last window that has readings, for at most `limit_s` seconds a gap.

    What is not covered of a window that has readings counts as its end.
    """
    here = count > 0
    covered = np.minimum(count * each, STEP_S)
    mean = np.where(here, total, 0.0) / np.where(here, count, 1.0)
    at = np.arange(piece.size)
    last = np.maximum.accumulate(np.where(here, at, -1), axis=1)
    source = np.maximum(last, 0)
    since = STEP_S - np.take_along_axis(covered, source, axis=1) + (at - last - 1) * STEP_S
    room = np.where(here, STEP_S - covered, STEP_S)
    left = np.where(here, limit_s, limit_s - since)
    kept = np.where(last >= 0, np.clip(left, 0.0, room), 0.0)
    energy = mean * covered + np.take_along_axis(mean, source, axis=1) * kept
    return Cells(piece.window, piece.starts, energy, covered, kept, covered + kept)


def _readings(buckets: Buckets, piece: Piece, periods: Float64) -> tuple[Float64, Float64, Float64]:
    """Sum and number of the readings of each window, and the seconds that one reading stands for."""
    seconds = piece.window.seconds
    total, count = dense(buckets, piece, "sum", 0.0), dense(buckets, piece, "count", 0.0)
    expected = dense(buckets, piece, "expected", np.nan)
    known = expected > 0
    if not known.all():
        expected = np.where(known, expected, _nominal(expected, known, seconds, periods)[:, None])
    if piece.window is not Window.S30:
        return total, count, seconds / np.maximum(expected, count)
    firsts = np.arange(0, piece.size, PER_HOUR)
    lengths = np.diff(firsts, append=piece.size)
    due = np.maximum(np.add.reduceat(expected, firsts, axis=1), np.add.reduceat(count, firsts, axis=1))
    return total, count, np.repeat(lengths * seconds / due, lengths, axis=1)


def _nominal(expected: Float64, known: npt.NDArray[np.bool_], seconds: float, periods: Float64) -> Float64:
    """Readings a window should have, one value a series: by the description, else by the newest window that knows."""
    newest = expected.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    learned = np.where(known.any(axis=1), expected[np.arange(len(expected)), newest], seconds / UNKNOWN_S)
    return np.where(np.isnan(periods), learned, seconds / periods)


def _share(reported: Float64, expected: Float64) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        share = reported / expected
    return np.where(np.isfinite(share), np.minimum(share, 1.0), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Energy by windows, or of the whole range where there is one: `starts` int64 (bars,) ns; the others (series, bars).

    `lengths` float64 (bars,) are the seconds of each that lie in the range.
    """

    starts: Int64
    lengths: Float64
    joules: Float64
    covered: Float64
    held: Float64
    valued: Float64

    @classmethod
    def of(cls, series: int, start_ns: int, end_ns: int, window: Window | None) -> Bars:
        """Empty ones; one for the range where no window is given."""
        if window is None:
            starts, step = np.array([start_ns], np.int64), end_ns - start_ns
        else:
            edges = window.starts(start_ns, end_ns)
            starts, step = np.array(edges, np.int64), window.ns
        lengths = np.minimum(starts + step, end_ns) - np.maximum(starts, start_ns)
        return cls(starts, lengths / NS_PER_SECOND, *(np.zeros((series, len(starts))) for _ in range(4)))

    def add(self, cells: Cells) -> None:
        """Put cells into their bars; none reaches over the edge of one."""
        if not len(cells.starts):
            return
        bar = np.searchsorted(self.starts, cells.starts, side="right") - 1
        bar = np.maximum(bar, 0)  # the first may begin before the range
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(bar)) + 1))
        for name in ("joules", "covered", "held", "valued"):
            getattr(self, name)[:, bar[firsts]] += np.add.reduceat(getattr(cells, name), firsts, axis=1)

    def kwh(self, series: int) -> Float64:
        """NaN where nothing is known."""
        energy = self.joules[series] / JOULES_PER_KWH
        return np.where(self.valued[series] > 0, energy, np.nan)

    def coverage(self, series: int) -> Float64:
        """Share of each bar that is measured, 0 to 1; what was held is not."""
        covered = self.covered[series]
        share: Float64 = np.divide(covered, self.lengths, out=np.zeros_like(covered), where=self.lengths > 0)
        share[share > 1.0] = 1.0  # a reading stands for its whole period, also over the edge of a bar
        return share
