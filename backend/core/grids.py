"""Regular grids of 30 s values, with a row per window and a column per series, and the buckets computed from them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.bucket import Buckets
from backend.core.reading import Float64, Int64
from backend.core.tree import NodeSums
from backend.core.windows import Window

STEP_NS = Window.S30.ns


@dataclass(frozen=True, slots=True, eq=False)
class NodeGrid:
    """30 s values of tree nodes over [start_ns, end_ns), with a row for every window.

    values      float64 (windows, nodes): NaN where no sensor below the node reported
    reporting   float64 (windows, nodes): number of sensors that reported
    sensors     float64 (nodes,): number of sensors at or below the node
    """

    start_ns: int
    nodes: tuple[str, ...]
    values: Float64
    reporting: Float64
    sensors: Float64

    @property
    def end_ns(self) -> int:
        """End of the last window."""
        return self.start_ns + len(self.values) * STEP_NS

    @classmethod
    def of_sums(cls, start_ns: int, sums: NodeSums, sensors: Float64) -> NodeGrid:
        """Build a grid from sums (windows, nodes)."""
        return cls(start_ns, sums.nodes, sums.values, sums.reporting, sensors)

    @classmethod
    def of_buckets(
        cls, buckets: Buckets, nodes: tuple[str, ...], sensors: Float64, start_ns: int, end_ns: int
    ) -> NodeGrid:
        """Build a grid from stored 30 s buckets of nodes. A window without a bucket is one without reports."""
        values = dense(buckets, buckets.mean, nodes, start_ns, end_ns)
        reporting = np.nan_to_num(dense(buckets, buckets.reported, nodes, start_ns, end_ns))
        return cls(start_ns, nodes, values, reporting, sensors)

    def without(self, nodes: Container[str]) -> NodeGrid:
        """Return the grid without these nodes."""
        columns = [i for i, node in enumerate(self.nodes) if node not in nodes]
        names = tuple(self.nodes[i] for i in columns)
        return NodeGrid(
            self.start_ns, names, self.values[:, columns], self.reporting[:, columns], self.sensors[columns]
        )

    def part(self, start_ns: int, end_ns: int) -> NodeGrid:
        """Return the windows of [start_ns, end_ns)."""
        rows = slice((start_ns - self.start_ns) // STEP_NS, (end_ns - self.start_ns) // STEP_NS)
        return NodeGrid(start_ns, self.nodes, self.values[rows], self.reporting[rows], self.sensors)

    @classmethod
    def join(cls, grids: Sequence[NodeGrid]) -> NodeGrid:
        """Join grids that follow each other without a gap."""
        first = grids[0]
        return cls(
            first.start_ns,
            first.nodes,
            np.concatenate([g.values for g in grids]),
            np.concatenate([g.reporting for g in grids]),
            first.sensors,
        )


def dense(
    buckets: Buckets,
    column: Float64,
    names: Sequence[str],
    start_ns: int,
    end_ns: int,
    step_ns: int = STEP_NS,
) -> Float64:
    """Return a column of `buckets` as (windows, names) over [start_ns, end_ns), NaN where there is no row.

    Series that are not in `names` are ignored.
    """
    grid = np.full(((end_ns - start_ns) // step_ns, len(names)), np.nan)
    fill(grid, buckets, column, names, start_ns, step_ns)
    return grid


def fill(
    grid: Float64,
    buckets: Buckets,
    column: Float64,
    names: Sequence[str],
    start_ns: int,
    step_ns: int = STEP_NS,
) -> None:
    """Copy a column of `buckets` into a grid (windows, names) that starts at `start_ns`. Other series are ignored."""
    position: Mapping[str, int] = {name: i for i, name in enumerate(names)}
    edges = np.searchsorted(buckets.codes, np.arange(len(buckets.names) + 1)).tolist()
    for name, a, b in zip(buckets.names, edges[:-1], edges[1:], strict=True):
        if name in position and b > a:
            first, last = ((buckets.starts[[a, b - 1]] - start_ns) // step_ns).tolist()
            # The rows are sorted and unique, so without gaps they form a slice.
            is_contiguous = last - first == b - a - 1
            rows = slice(first, last + 1) if is_contiguous else (buckets.starts[a:b] - start_ns) // step_ns
            grid[rows, position[name]] = column[a:b]


def as_buckets(grid: NodeGrid) -> Buckets:
    """Return the 30 s buckets of nodes, including a bucket for every window without reports."""
    values = _by_series(grid.values)
    is_filled = ~np.isnan(values)
    return Buckets(
        grid.nodes,
        *_identities(grid, len(grid.values), STEP_NS),
        count=is_filled.astype(np.float64),
        sum=values,
        m2=np.where(is_filled, 0.0, np.nan),
        min=values,
        max=values,
        median=values,
        expected=np.repeat(grid.sensors, len(grid.values)),
        reported=_by_series(grid.reporting),
    )


def summarise(grid: NodeGrid, window: Window) -> Buckets:
    """Return the buckets of a coarser window over the 30 s values. `grid` starts and ends at edges of the window."""
    size = window.ns // STEP_NS
    windows = len(grid.values) // size
    summarise_rows = _summarise_pairs if size == 2 else _summarise_rows
    count, total, m2, low, high, median = summarise_rows(_by_series(grid.values).reshape(-1, size))
    reported = _by_series(grid.reporting).reshape(-1, size)
    return Buckets(
        grid.nodes,
        *_identities(grid, windows, window.ns),
        count,
        total,
        m2,
        low,
        high,
        median,
        expected=np.repeat(grid.sensors * size, windows),
        reported=reported[:, 0] + reported[:, 1] if size == 2 else reported.sum(axis=1),
    )


def _summarise_rows(values: Float64) -> tuple[Float64, ...]:
    """Return count, sum, m2, min, max and median of each row."""
    has_gap = np.isnan(values).any(axis=1)
    if not has_gap.any():
        return _summarise_complete_rows(values)
    columns = np.empty((6, len(values)))
    columns[:, ~has_gap] = _summarise_complete_rows(values[~has_gap])
    columns[:, has_gap] = _summarise_rows_with_gaps(values[has_gap])
    return tuple(columns)


def _summarise_complete_rows(values: Float64) -> tuple[Float64, ...]:
    size = values.shape[1]
    total = values.sum(axis=1)
    deviation = values - (total / size)[:, None]
    m2 = np.einsum("ij,ij->i", deviation, deviation)
    ordered = np.sort(values, axis=1)
    median = (ordered[:, (size - 1) // 2] + ordered[:, size // 2]) / 2
    return np.full(len(values), float(size)), total, m2, ordered[:, 0], ordered[:, -1], median


def _summarise_rows_with_gaps(values: Float64) -> tuple[Float64, ...]:
    is_filled = ~np.isnan(values)
    count = is_filled.sum(axis=1).astype(np.float64)
    empty = count == 0
    total = np.where(is_filled, values, 0.0).sum(axis=1)
    mean = total / np.where(empty, 1.0, count)
    m2 = np.square(np.where(is_filled, values - mean[:, None], 0.0)).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN last
    rows, last = np.arange(len(ordered)), np.maximum(count.astype(np.intp) - 1, 0)
    median = (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2
    sums = np.where(empty, np.nan, total), np.where(empty, np.nan, m2)
    return count, *sums, ordered[:, 0], ordered[rows, last], median


def _summarise_pairs(values: Float64) -> tuple[Float64, ...]:
    """Return the same for rows of two values. Operations on two whole columns are faster than operations per row."""
    a, b = values[:, 0], values[:, 1]
    low, high = np.fmin(a, b), np.fmax(a, b)
    both = ~(np.isnan(a) | np.isnan(b))
    count = (~np.isnan(low)).astype(np.float64) + both
    mean = (low + high) / 2
    m2 = np.square(low - mean) + np.square(high - mean)
    return count, np.where(both, a + b, low), m2, low, high, mean


def _by_series(grid: Float64) -> Float64:
    """Return (windows, nodes) as rows sorted by (node, window)."""
    return np.ascontiguousarray(grid.T).ravel()


def _identities(grid: NodeGrid, windows: int, step_ns: int) -> tuple[np.ndarray, Int64]:
    codes = np.repeat(np.arange(len(grid.nodes), dtype=np.int32), windows)
    starts = grid.start_ns + np.arange(windows, dtype=np.int64) * step_ns
    return codes, np.tile(starts, len(grid.nodes))
