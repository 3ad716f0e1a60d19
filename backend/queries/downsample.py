"""Fewer points for the eye: MinMaxLTTB for raw readings, exact merging for roll-ups. A gap stays a gap in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tsdownsample import MinMaxLTTBDownsampler

from backend.core.reading import Float64, Int64, Points

_MIN_OUT = 3  # MinMaxLTTB's own least
_MIN_PLANNED = 16


def thin(points: Points, max_points: int, gap_ns: int) -> Points:
    """At most `max_points` of the readings, with a NaN inside every silence longer than `gap_ns`.

    Where there are so many silences that marking each would use up a quarter of the points, the longest are marked.
    """
    if not len(points):
        return points
    times, values = np.ascontiguousarray(points.times), np.ascontiguousarray(points.values)
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > gap_ns)
    if len(times) + len(gaps) <= max_points:
        return _with_gaps(times, values, gaps)
    if max_points < _MIN_PLANNED:
        return _few(times, values, max_points)
    most = max_points // 8
    if len(gaps) > most:
        gaps = np.sort(gaps[np.argpartition(steps[gaps], -most)[-most:]])
    edges = np.concatenate((gaps, gaps + 1))
    room = max_points - len(gaps) - len(edges) - 2
    # By row, not by time: bins of equal time would starve the data on both sides of a long silence.
    chosen = _shape(values, room) if len(times) > room else np.arange(len(times))
    rows = np.unique(np.concatenate((chosen, edges, (0, len(times) - 1))))
    return _with_gaps(times[rows], values[rows], np.searchsorted(rows, gaps))


def _shape(values: Float64, size: int) -> npt.NDArray[np.intp]:
    """Rows of at most `size` values (3 or more) that keep the curve's shape and extremes."""
    found = MinMaxLTTBDownsampler().downsample(values, n_out=size)  # type: ignore[no-untyped-call]
    return np.unique(found).astype(np.intp)


def _few(times: Int64, values: Float64, max_points: int) -> Points:
    """Too few points to plan gaps with: the shape alone, or the newest readings."""
    if max_points < _MIN_OUT:
        return Points(times[-max_points:], values[-max_points:])
    if len(times) <= max_points:
        return Points(times, values)
    rows = _shape(values, max_points)
    return Points(times[rows], values[rows])


def _with_gaps(times: Int64, values: Float64, gaps: npt.NDArray[np.intp]) -> Points:
    """A NaN half-way between row g and row g + 1, for each g."""
    if not len(gaps):
        return Points(times, values)
    middle = times[gaps] + (times[gaps + 1] - times[gaps]) // 2
    return Points(np.insert(times, gaps + 1, middle), np.insert(values, gaps + 1, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Buckets of one series on a regular grid: `starts` int64 (n,) ns; the others float64 (n,), NaN where nothing was read.

    `coverage` is 0 to 1. `median` is None where several windows were merged into one: medians do not merge.
    """

    starts: Int64
    step_ns: int
    mean: Float64
    min: Float64
    max: Float64
    sum: Float64
    count: Float64
    stddev: Float64
    median: Float64 | None
    coverage: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The stored columns of many series on one grid: float64 (series, windows), NaN where nothing was read."""

    count: Float64
    sum: Float64
    m2: Float64
    min: Float64
    max: Float64
    median: Float64
    expected: Float64
    reported: Float64


def merge(columns: Columns, factor: int) -> Columns:
    """Every `factor` neighbouring windows as one, exactly. The windows divide by `factor`; `median` turns NaN."""
    if factor == 1:
        return columns

    def fold(a: Float64) -> Float64:
        return a.reshape(len(a), -1, factor)

    count = fold(columns.count)
    here = count > 0
    total = np.where(here, fold(columns.sum), 0.0)
    n, s = count.sum(-1), total.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(here, total / count - (s / n)[..., None], 0.0)
    m2 = (np.where(here, fold(columns.m2), 0.0) + count * shift**2).sum(-1)
    least = np.where(here, fold(columns.min), np.inf).min(-1)
    most = np.where(here, fold(columns.max), -np.inf).max(-1)

    def known(a: Float64) -> Float64:
        return np.where(n > 0, a, np.nan)

    return Columns(
        count=n,
        sum=known(s),
        m2=known(m2),
        min=known(least),
        max=known(most),
        median=np.full_like(n, np.nan),
        expected=fold(columns.expected).sum(-1),
        reported=fold(columns.reported).sum(-1),
    )


def grid(columns: Columns, row: int, starts: Int64, step_ns: int, merged: bool) -> Grid:
    """One series of the columns with its derived statistics."""
    count, total = columns.count[row], columns.sum[row]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / np.where(count > 0, count, np.nan)
        stddev = np.sqrt(columns.m2[row] / np.where(count > 1, count - 1, np.nan))
        expected = columns.expected[row]
        coverage = np.minimum(columns.reported[row] / np.where(expected > 0, expected, np.nan), 1.0)
    return Grid(
        starts,
        step_ns,
        mean,
        columns.min[row],
        columns.max[row],
        np.where(count > 0, total, np.nan),
        count,
        stddev,
        None if merged else columns.median[row],
        coverage,
    )
