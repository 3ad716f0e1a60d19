"""Exact statistics of readings, a row a window, from columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from backend.core.bucket import Buckets
from backend.core.reading import Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Statistics of one group: `starts` int64 ns ascending, the others float64, all (n,)."""

    starts: Int64
    count: Float64
    sum: Float64
    m2: Float64
    min: Float64
    max: Float64
    median: Float64


def summarise(values: Float64, starts: Int64) -> Summary:
    """A row for each window that at least one value is in; `starts` int64 (n,) says which, in any order."""
    order = np.lexsort((values, starts))
    starts, values = starts[order], values[order]
    first = np.flatnonzero(np.append(True, starts[1:] != starts[:-1]))
    count = np.diff(np.append(first, len(values)))
    total = np.add.reduceat(values, first)
    deviation = values - np.repeat(total / count, count)
    # The mean is rounded; what that adds to every deviation is taken out again.
    m2 = np.add.reduceat(deviation**2, first) - np.add.reduceat(deviation, first) ** 2 / count
    middle = (values[first + (count - 1) // 2] + values[first + count // 2]) / 2
    return Summary(
        starts[first],
        count.astype(np.float64),
        total,
        np.maximum(m2, 0.0),
        values[first],
        values[first + count - 1],
        middle,
    )


def summarise_one(values: Float64, start_ns: int) -> Summary:
    """One row, of at least one value, all in the window at `start_ns`. A day of all sensors of a type: `values` is used up."""
    n = len(values)
    values.sort()
    low, high, middle = values[0], values[-1], (values[(n - 1) // 2] + values[n // 2]) / 2
    total = values.sum()
    values -= total / n
    m2 = max(float(np.dot(values, values)) - float(values.sum()) ** 2 / n, 0.0)
    row = [np.array([number], np.float64) for number in (n, total, m2, low, high, middle)]
    return Summary(np.array([start_ns], np.int64), *row)


def joined(names: Sequence[str], parts: Sequence[tuple[int, Summary]]) -> Buckets:
    """Buckets of (code, summary) pieces; the pieces of one code follow each other in time."""
    if not parts:
        return Buckets.empty(names)
    parts = sorted(parts, key=lambda part: part[0])
    columns = {
        field.name: np.concatenate([getattr(summary, field.name) for _, summary in parts])
        for field in fields(Summary)
    }
    codes = np.repeat([code for code, _ in parts], [len(summary.starts) for _, summary in parts])
    return Buckets(
        names,
        codes.astype(np.int32),
        expected=np.full(len(codes), np.nan),
        reported=columns["count"],
        **columns,
    )
