"""Fewer points for the eye: MinMaxLTTB for raw readings, exact merging for roll-ups. A gap stays a gap in both."""

from __future__ import annotations

from collections.abc import Callable
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

    `coverage` is 0 to 1. A statistic is None where it was not asked for; `median` too where several windows were merged
    into one: medians do not merge.
    """

    starts: Int64
    step_ns: int
    mean: Float64
    min: Float64 | None
    max: Float64 | None
    sum: Float64
    count: Float64
    stddev: Float64 | None
    median: Float64 | None
    coverage: Float64 | None


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The stored columns of many series on one grid: float64 (series, windows), NaN where nothing was read.

    `count` and `sum` are always there, the others where they are wanted; `expected` and `reported` only together.
    """

    count: Float64
    sum: Float64
    expected: Float64 | None = None
    reported: Float64 | None = None
    m2: Float64 | None = None
    min: Float64 | None = None
    max: Float64 | None = None
    median: Float64 | None = None


def merge(columns: Columns, factor: int) -> Columns:
    """Every `factor` neighbouring windows as one, exactly. The windows divide by `factor`; `median` is lost."""
    if factor == 1:
        return columns

    def fold(a: Float64) -> Float64:
        return a.reshape(len(a), -1, factor)

    count = fold(columns.count)
    here = count > 0
    whole = bool(here.all())
    n = count.sum(-1)

    def known(column: Float64, reduce: Callable[..., Float64], instead: float) -> Float64:
        """Reduced over the windows that have readings; NaN where none has."""
        values = fold(column)
        if whole:
            return reduce(values, -1)
        return np.where(n > 0, reduce(np.where(here, values, instead), -1), np.nan)

    total = known(columns.sum, np.sum, 0.0)
    m2 = None
    if columns.m2 is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.where(here, fold(columns.sum) / count - (total / n)[..., None], 0.0)
        within = np.where(here, fold(columns.m2), 0.0)
        m2 = np.where(n > 0, (within + count * shift**2).sum(-1), np.nan)
    return Columns(
        count=n,
        sum=total,
        expected=None if columns.expected is None else fold(columns.expected).sum(-1),
        reported=None if columns.reported is None else fold(columns.reported).sum(-1),
        m2=m2,
        min=None if columns.min is None else known(columns.min, np.min, np.inf),
        max=None if columns.max is None else known(columns.max, np.max, -np.inf),
    )


def grid(columns: Columns, row: int, starts: Int64, step_ns: int) -> Grid:
    """One series of the columns with its derived statistics."""
    count, total = columns.count[row], columns.sum[row]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / np.where(count > 0, count, np.nan)
        coverage, stddev = None, None
        if columns.expected is not None and columns.reported is not None:
            expected = columns.expected[row]
            coverage = np.minimum(columns.reported[row] / np.where(expected > 0, expected, np.nan), 1.0)
        if columns.m2 is not None:
            stddev = np.sqrt(columns.m2[row] / np.where(count > 1, count - 1, np.nan))
    return Grid(
        starts,
        step_ns,
        mean,
        None if columns.min is None else columns.min[row],
        None if columns.max is None else columns.max[row],
        np.where(count > 0, total, np.nan),
        count,
        stddev,
        None if columns.median is None else columns.median[row],
        coverage,
    )
