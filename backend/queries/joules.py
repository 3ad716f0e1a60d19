"""Computes energy from roll-up windows. Pure; docs/decisions/0005 gives the definitions and their reasons.

A *cell* is one window of one series with the energy measured in it.
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
from backend.queries.ranges import Piece, to_grid

STEP_S: Final = Window.S30.seconds
STEPS_PER_HOUR: Final = Window.H1.seconds // STEP_S
JOULES_PER_KWH: Final = 3.6e6
DEFAULT_PERIOD_S: Final = 1.0
"""Period of a sensor if neither the description nor the roll-ups give one: the default poll period."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Windows of one length, all series on one grid: `starts` int64 (windows,) ns; the others float64 (series, windows).

    joules   energy; 0 without a value
    covered  seconds that readings represent; of a node, times the share of its sensors that reported
    held     seconds for which a value was held over a gap; of a node, likewise
    valued   seconds with a value, measured or held
    """

    window: Window
    starts: Int64
    joules: Float64
    covered: Float64
    held: Float64
    valued: Float64

    def clip(self, start_ns: int, end_ns: int) -> Cells:
        """Return the part inside the range. A window that crosses its edge counts in proportion."""
        low, high = np.searchsorted(self.starts, (start_ns - self.window.ns + 1, end_ns))
        starts = self.starts[low:high]
        lengths = np.minimum(starts + self.window.ns, end_ns) - np.maximum(starts, start_ns)
        share = lengths / self.window.ns
        columns = (self.joules, self.covered, self.held, self.valued)
        if np.all(share == 1.0):
            return Cells(self.window, starts, *(c[:, low:high] for c in columns))
        return Cells(self.window, starts, *(c[:, low:high] * share for c in columns))

    def scale(self, factors: Float64) -> Cells:
        """Return the cells with the joules times `factors` (series,)."""
        joules = self.joules * factors[:, None]
        return Cells(self.window, self.starts, joules, self.covered, self.held, self.valued)

    def sum_members(self, members: Sequence[Sequence[int]]) -> Cells:
        """Return one row per entry of `members`, which lists the rows to combine.

        Joules are added. Covered and held seconds are averaged. A combined cell has a value if any of its rows has one.
        """
        shape = (len(members), len(self.starts))

        def add(column: Float64) -> Float64:
            return np.array([column[rows].sum(axis=0) for rows in members]).reshape(shape)

        def average(column: Float64) -> Float64:
            means = [column[rows].sum(axis=0) / max(len(rows), 1) for rows in members]
            return np.array(means).reshape(shape)

        valued = [self.valued[rows].max(axis=0, initial=0.0) for rows in members]
        return Cells(
            window=self.window,
            starts=self.starts,
            joules=add(self.joules),
            covered=average(self.covered),
            held=average(self.held),
            valued=np.array(valued).reshape(shape),
        )


def cells_of_nodes(buckets: Buckets, piece: Piece, sensors: Float64) -> Cells:
    """Return the cells of nodes. Each 30 s value represents its 30 s; a coarser window is the exact sum of those in it.

    `sensors` float64 (series,) is the number of sensors at or below each node.
    """
    count = to_grid(buckets, piece, "count", 0.0)
    total = np.where(count > 0, to_grid(buckets, piece, "sum", 0.0), 0.0)
    nominal = sensors * piece.window.seconds / STEP_S
    share = _share(to_grid(buckets, piece, "reported", 0.0), to_grid(buckets, piece, "expected", nominal))
    covered = share * piece.window.seconds
    return Cells(piece.window, piece.starts, total * STEP_S, covered, np.zeros_like(covered), count * STEP_S)


def cells_of_sensors(buckets: Buckets, piece: Piece, periods: Float64, hold_s: float | None = None) -> Cells:
    """Return the cells of sensors. Each reading represents one period, or less in an hour with too many readings.

    `periods` float64 (series,) are the described seconds between two readings. NaN means unknown: then the newest window with
    an expected count decides. The piece consists of whole hours, or of 30 s windows from the start of an hour; the windows
    after its end do not exist yet. `hold_s` bridges gaps; it needs a piece of 30 s windows.
    """
    total, count, reading_s = _readings(buckets, piece, periods)
    if hold_s is not None:
        return _hold(piece, total, count, reading_s, hold_s)
    covered = count * reading_s
    energy = np.where(count > 0, total, 0.0) * reading_s
    return Cells(piece.window, piece.starts, energy, covered, np.zeros_like(covered), covered)


def _hold(piece: Piece, total: Float64, count: Float64, reading_s: Float64, limit_s: float) -> Cells:
    """Bridge gaps with the mean of the last window with readings, for at most `limit_s` seconds per gap.

    The uncovered part of a window with readings counts as the end of that window.
    """
    filled = count > 0
    covered = np.minimum(count * reading_s, STEP_S)
    mean = np.where(filled, total, 0.0) / np.where(filled, count, 1.0)
    index = np.arange(piece.size)
    last = np.maximum.accumulate(np.where(filled, index, -1), axis=1)
    source = np.maximum(last, 0)
    gap_s = STEP_S - np.take_along_axis(covered, source, axis=1) + (index - last - 1) * STEP_S
    uncovered_s = np.where(filled, STEP_S - covered, STEP_S)
    remaining_s = np.where(filled, limit_s, limit_s - gap_s)
    held = np.where(last >= 0, np.clip(remaining_s, 0.0, uncovered_s), 0.0)
    energy = mean * covered + np.take_along_axis(mean, source, axis=1) * held
    return Cells(piece.window, piece.starts, energy, covered, held, covered + held)


def _readings(buckets: Buckets, piece: Piece, periods: Float64) -> tuple[Float64, Float64, Float64]:
    """Return the sum and the count of the readings per window, and the seconds that one reading represents."""
    seconds = piece.window.seconds
    total, count = to_grid(buckets, piece, "sum", 0.0), to_grid(buckets, piece, "count", 0.0)
    expected = to_grid(buckets, piece, "expected", np.nan)
    is_known = expected > 0
    if not is_known.all():
        expected = np.where(is_known, expected, _nominal(expected, is_known, seconds, periods)[:, None])
    if piece.window is not Window.S30:
        return total, count, seconds / np.maximum(expected, count)
    hours = np.arange(0, piece.size, STEPS_PER_HOUR)
    lengths = np.diff(hours, append=piece.size)
    readings = np.maximum(np.add.reduceat(expected, hours, axis=1), np.add.reduceat(count, hours, axis=1))
    return total, count, np.repeat(lengths * seconds / readings, lengths, axis=1)


def _nominal(expected: Float64, is_known: npt.NDArray[np.bool_], seconds: float, periods: Float64) -> Float64:
    """Return the expected readings per window, one value per series.

    They follow from the described period, else from the newest window with an expected count.
    """
    newest = expected.shape[1] - 1 - np.argmax(is_known[:, ::-1], axis=1)
    learned = np.where(
        is_known.any(axis=1), expected[np.arange(len(expected)), newest], seconds / DEFAULT_PERIOD_S
    )
    return np.where(np.isnan(periods), learned, seconds / periods)


def _share(reported: Float64, expected: Float64) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        share = reported / expected
    return np.where(np.isfinite(share), np.minimum(share, 1.0), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Energy per window, or one bar for the whole range: `starts` int64 (bars,) ns; the others (series, bars).

    `lengths` float64 (bars,) are the seconds of each bar that lie in the range.
    """

    starts: Int64
    lengths: Float64
    joules: Float64
    covered: Float64
    held: Float64
    valued: Float64

    @classmethod
    def zeros(cls, series: int, start_ns: int, end_ns: int, window: Window | None) -> Bars:
        """Return empty bars over the range; one bar if `window` is None."""
        if window is None:
            starts, step = np.array([start_ns], np.int64), end_ns - start_ns
        else:
            starts, step = np.array(window.starts(start_ns, end_ns), np.int64), window.ns
        lengths = np.minimum(starts + step, end_ns) - np.maximum(starts, start_ns)
        return cls(starts, lengths / NS_PER_SECOND, *(np.zeros((series, len(starts))) for _ in range(4)))

    def add(self, cells: Cells) -> None:
        """Add cells to their bars. No cell crosses the edge of a bar."""
        if not len(cells.starts):
            return
        bar = np.searchsorted(self.starts, cells.starts, side="right") - 1
        bar = np.maximum(bar, 0)  # the first cell may start before the range
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(bar)) + 1))
        for name in ("joules", "covered", "held", "valued"):
            getattr(self, name)[:, bar[firsts]] += np.add.reduceat(getattr(cells, name), firsts, axis=1)

    def kwh(self, series: int) -> Float64:
        """Return the energy of one series per bar; NaN without a value."""
        energy = self.joules[series] / JOULES_PER_KWH
        return np.where(self.valued[series] > 0, energy, np.nan)

    def coverage(self, series: int) -> Float64:
        """Return the measured share of each bar, 0 to 1. Held values do not count."""
        covered = self.covered[series]
        share: Float64 = np.divide(covered, self.lengths, out=np.zeros_like(covered), where=self.lengths > 0)
        share[share > 1.0] = 1.0  # a reading represents its whole period, which may cross the edge of a bar
        return share
