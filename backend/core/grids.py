"""Regular grids of 30 s values, one row a window and one column a series, and buckets made of them. Pure numpy."""

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
    """30 s values of tree nodes over [start_ns, end_ns), without holes.

    values      float64 (windows, nodes): NaN where no sensor below the node reported
    reporting   float64 (windows, nodes): sensors that reported
    sensors     float64 (nodes,): sensors at or below the node
    """

    start_ns: int
    nodes: tuple[str, ...]
    values: Float64
    reporting: Float64
    sensors: Float64

    @property
    def end_ns(self) -> int:
        return self.start_ns + len(self.values) * STEP_NS

    @classmethod
    def of_sums(cls, start_ns: int, sums: NodeSums, sensors: Float64) -> NodeGrid:
        return cls(start_ns, sums.nodes, sums.values, sums.reporting, sensors)

    @classmethod
    def of_buckets(
        cls, buckets: Buckets, nodes: tuple[str, ...], sensors: Float64, start_ns: int, end_ns: int
    ) -> NodeGrid:
        """From kept 30 s buckets of nodes; a window without one is a window in which nothing reported."""
        values = dense(buckets, buckets.mean, nodes, start_ns, end_ns)
        reporting = np.nan_to_num(dense(buckets, buckets.reported, nodes, start_ns, end_ns))
        return cls(start_ns, nodes, values, reporting, sensors)

    def without(self, nodes: Container[str]) -> NodeGrid:
        """The other nodes."""
        stay = [at for at, node in enumerate(self.nodes) if node not in nodes]
        names = tuple(self.nodes[at] for at in stay)
        return NodeGrid(
            self.start_ns, names, self.values[:, stay], self.reporting[:, stay], self.sensors[stay]
        )

    def part(self, start_ns: int, end_ns: int) -> NodeGrid:
        rows = slice((start_ns - self.start_ns) // STEP_NS, (end_ns - self.start_ns) // STEP_NS)
        return NodeGrid(start_ns, self.nodes, self.values[rows], self.reporting[rows], self.sensors)

    @classmethod
    def join(cls, grids: Sequence[NodeGrid]) -> NodeGrid:
        """Of grids that follow each other without a hole."""
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
    """A column of `buckets` as (windows, names) over [start_ns, end_ns), NaN where there is no row.

    Rows of series that are not asked for are left out.
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
    """Put a column of `buckets` into a grid (windows, names) that begins at `start_ns`; other series are left out."""
    position: Mapping[str, int] = {name: i for i, name in enumerate(names)}
    edges = np.searchsorted(buckets.codes, np.arange(len(buckets.names) + 1)).tolist()
    for name, a, b in zip(buckets.names, edges[:-1], edges[1:], strict=True):
        if name in position and b > a:
            first, last = ((buckets.starts[[a, b - 1]] - start_ns) // step_ns).tolist()
            # Sorted and each once: without holes it is a stretch.
            whole = last - first == b - a - 1
            rows = slice(first, last + 1) if whole else (buckets.starts[a:b] - start_ns) // step_ns
            grid[rows, position[name]] = column[a:b]


def as_buckets(grid: NodeGrid) -> Buckets:
    """The 30 s buckets of nodes, explicit ones for windows in which nothing reported included."""
    values = _by_series(grid.values)
    there = ~np.isnan(values)
    return Buckets(
        grid.nodes,
        *_identities(grid, len(grid.values), STEP_NS),
        count=there.astype(np.float64),
        sum=values,
        m2=np.where(there, 0.0, np.nan),
        min=values,
        max=values,
        median=values,
        expected=np.repeat(grid.sensors, len(grid.values)),
        reported=_by_series(grid.reporting),
    )


def summarise(grid: NodeGrid, window: Window) -> Buckets:
    """Buckets of a coarser window over the 30 s values; `grid` begins and ends at edges of the window."""
    per = window.ns // STEP_NS
    many = len(grid.values) // per
    count, total, m2, low, high, median = (_of_pairs if per == 2 else _of_runs)(
        _by_series(grid.values).reshape(-1, per)
    )
    reported = _by_series(grid.reporting).reshape(-1, per)
    return Buckets(
        grid.nodes,
        *_identities(grid, many, window.ns),
        count,
        total,
        m2,
        low,
        high,
        median,
        expected=np.repeat(grid.sensors * per, many),
        reported=reported[:, 0] + reported[:, 1] if per == 2 else reported.sum(axis=1),
    )


def _of_runs(values: Float64) -> tuple[Float64, ...]:
    """count, sum, m2, min, max, median of each row."""
    gaps = np.isnan(values).any(axis=1)
    if not gaps.any():
        return _of_whole(values)
    found = np.empty((6, len(values)))
    found[:, ~gaps] = _of_whole(values[~gaps])
    found[:, gaps] = _of_gappy(values[gaps])
    return tuple(found)


def _of_whole(values: Float64) -> tuple[Float64, ...]:
    per = values.shape[1]
    total = values.sum(axis=1)
    deviation = values - (total / per)[:, None]
    m2 = np.einsum("ij,ij->i", deviation, deviation)
    ordered = np.sort(values, axis=1)
    median = (ordered[:, (per - 1) // 2] + ordered[:, per // 2]) / 2
    return np.full(len(values), float(per)), total, m2, ordered[:, 0], ordered[:, -1], median


def _of_gappy(values: Float64) -> tuple[Float64, ...]:
    here = ~np.isnan(values)
    count = here.sum(axis=1).astype(np.float64)
    empty = count == 0
    total = np.where(here, values, 0.0).sum(axis=1)
    mean = total / np.where(empty, 1.0, count)
    m2 = np.square(np.where(here, values - mean[:, None], 0.0)).sum(axis=1)
    ordered = np.sort(values, axis=1)  # NaN last
    rows, last = np.arange(len(ordered)), np.maximum(count.astype(np.intp) - 1, 0)
    median = (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2
    sums = np.where(empty, np.nan, total), np.where(empty, np.nan, m2)
    return count, *sums, ordered[:, 0], ordered[rows, last], median


def _of_pairs(values: Float64) -> tuple[Float64, ...]:
    """The same for rows of two: everything along a row has a price a row, and two columns say it all."""
    a, b = values[:, 0], values[:, 1]
    low, high = np.fmin(a, b), np.fmax(a, b)
    both = ~(np.isnan(a) | np.isnan(b))
    count = (~np.isnan(low)).astype(np.float64) + both
    mean = (low + high) / 2
    m2 = np.square(low - mean) + np.square(high - mean)
    return count, np.where(both, a + b, low), m2, low, high, mean


def _by_series(grid: Float64) -> Float64:
    """(windows, nodes) as rows sorted by (node, window)."""
    return np.ascontiguousarray(grid.T).ravel()


def _identities(grid: NodeGrid, many: int, step_ns: int) -> tuple[np.ndarray, Int64]:
    codes = np.repeat(np.arange(len(grid.nodes), dtype=np.int32), many)
    starts = grid.start_ns + np.arange(many, dtype=np.int64) * step_ns
    return codes, np.tile(starts, len(grid.nodes))
