"""Reduces the number of points for a chart: MinMaxLTTB for raw readings, exact merging for roll-ups. Gaps are preserved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tsdownsample import MinMaxLTTBDownsampler

from backend.core.reading import Float64, Int64, Points

_MIN_LTTB_POINTS: Final = 3
"""The smallest number of points that MinMaxLTTB returns."""
_MIN_POINTS_WITH_GAPS: Final = 16


def thin(points: Points, max_points: int, gap_ns: int) -> Points:
    """Return at most `max_points` of the readings, with a NaN inside every gap longer than `gap_ns`.

    At most an eighth of the points mark gaps; if there are more gaps, the longest are marked.
    """
    if not len(points):
        return points
    times, values = np.ascontiguousarray(points.times), np.ascontiguousarray(points.values)
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > gap_ns)
    if len(times) + len(gaps) <= max_points:
        return _insert_gaps(times, values, gaps)
    if max_points < _MIN_POINTS_WITH_GAPS:
        return _thin_without_gaps(times, values, max_points)
    max_gaps = max_points // 8
    if len(gaps) > max_gaps:
        gaps = np.sort(gaps[np.argpartition(steps[gaps], -max_gaps)[-max_gaps:]])
    edges = np.concatenate((gaps, gaps + 1))
    remaining = max_points - len(gaps) - len(edges) - 2
    # Bins hold equal numbers of rows. Bins of equal time would leave few points on both sides of a long gap.
    rows = _shape_rows(values, remaining) if len(times) > remaining else np.arange(len(times))
    rows = np.unique(np.concatenate((rows, edges, (0, len(times) - 1))))
    return _insert_gaps(times[rows], values[rows], np.searchsorted(rows, gaps))


def _shape_rows(values: Float64, size: int) -> npt.NDArray[np.intp]:
    """Return the rows of at most `size` values (3 or more) that keep the curve's shape and extremes."""
    rows = MinMaxLTTBDownsampler().downsample(values, n_out=size)  # type: ignore[no-untyped-call]
    return np.unique(rows).astype(np.intp)


def _thin_without_gaps(times: Int64, values: Float64, max_points: int) -> Points:
    """Return the shape alone, or the newest readings if `max_points` is too small for a shape."""
    if max_points < _MIN_LTTB_POINTS:
        return Points(times[-max_points:], values[-max_points:])
    if len(times) <= max_points:
        return Points(times, values)
    rows = _shape_rows(values, max_points)
    return Points(times[rows], values[rows])


def _insert_gaps(times: Int64, values: Float64, gaps: npt.NDArray[np.intp]) -> Points:
    """Insert a NaN half-way between row g and row g + 1, for each g of `gaps`."""
    if not len(gaps):
        return Points(times, values)
    middle = times[gaps] + (times[gaps + 1] - times[gaps]) // 2
    return Points(np.insert(times, gaps + 1, middle), np.insert(values, gaps + 1, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Buckets of one series on a regular grid: `starts` int64 (n,) ns; the others float64 (n,), NaN without readings.

    `coverage` is 0 to 1. A statistic is None if it was not requested. `median` is also None if several windows were merged
    into one, because medians do not merge.
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
    """The stored columns of many series on one grid: float64 (series, windows), NaN without readings.

    `count` and `sum` are always present, the others if requested. `expected` and `reported` only occur together.
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
    """Merge every `factor` adjacent windows exactly. The number of windows divides by `factor`; `median` is lost."""
    if factor == 1:
        return columns

    def fold(a: Float64) -> Float64:
        return a.reshape(len(a), -1, factor)

    counts = fold(columns.count)
    filled = counts > 0
    all_filled = bool(filled.all())
    count = counts.sum(-1)

    def reduce_filled(column: Float64, reduce: Callable[..., Float64], neutral: float) -> Float64:
        """Reduce over the windows with readings; NaN if none has any."""
        values = fold(column)
        if all_filled:
            return reduce(values, -1)
        return np.where(count > 0, reduce(np.where(filled, values, neutral), -1), np.nan)

    total = reduce_filled(columns.sum, np.sum, 0.0)
    m2 = None
    if columns.m2 is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.where(filled, fold(columns.sum) / counts - (total / count)[..., None], 0.0)
        deviations = np.where(filled, fold(columns.m2), 0.0)
        m2 = np.where(count > 0, (deviations + counts * shift**2).sum(-1), np.nan)
    return Columns(
        count=count,
        sum=total,
        expected=None if columns.expected is None else fold(columns.expected).sum(-1),
        reported=None if columns.reported is None else fold(columns.reported).sum(-1),
        m2=m2,
        min=None if columns.min is None else reduce_filled(columns.min, np.min, np.inf),
        max=None if columns.max is None else reduce_filled(columns.max, np.max, -np.inf),
    )


def build_grid(columns: Columns, row: int, starts: Int64, step_ns: int) -> Grid:
    """Return one series of the columns with its derived statistics."""
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
        starts=starts,
        step_ns=step_ns,
        mean=mean,
        min=None if columns.min is None else columns.min[row],
        max=None if columns.max is None else columns.max[row],
        sum=np.where(count > 0, total, np.nan),
        count=count,
        stddev=stddev,
        median=None if columns.median is None else columns.median[row],
        coverage=coverage,
    )
