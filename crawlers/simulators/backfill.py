"""Simulated history: the readings that crawlers would have made, computed with numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backend.core.reading import Int64, Readings
from backend.core.windows import NS_PER_SECOND, slices
from backend.inventory.model import Inventory
from crawlers.simulators.model import DataCentreModel

CHUNK_NS = 3_600 * NS_PER_SECOND
VALUES_PER_STEP = 24_000  # values computed at once, so that they fit the processor's cache


def history(
    inventory: Inventory,
    model: DataCentreModel,
    start_ns: int,
    end_ns: int,
    chunk_ns: int = CHUNK_NS,
    sensors: Sequence[str] | None = None,
) -> Iterator[Readings]:
    """Yield the readings of [start_ns, end_ns) in chunks of `chunk_ns`, each sorted by (sensor, time).

    Times are the multiples of each sensor's period, as with polling. All chunks have the same sorted `names`, so that
    `codes` can be mapped once.
    """
    names = tuple(sorted(sensors if sensors is not None else inventory.sensors))
    for start, stop in slices(start_ns, end_ns, chunk_ns):
        yield _chunk(model, names, start, stop)


def _chunk(model: DataCentreModel, names: Sequence[str], start: int, stop: int) -> Readings:
    grids = {period: _grid(start, stop, period) for period in {model.period_ns(n) for n in names}}
    lengths = np.array([len(grids[model.period_ns(n)]) for n in names], np.int64)
    edges = np.concatenate(([0], np.cumsum(lengths)))
    times = np.empty(edges[-1], np.int64)
    values = np.empty(edges[-1], np.float64)
    for period, grid in grids.items():
        rows = [i for i, name in enumerate(names) if model.period_ns(name) == period]
        step = max(1, VALUES_PER_STEP // max(1, len(grid)))
        for first in range(0, len(rows), step):
            block = rows[first : first + step]
            matrix = model.value([names[i] for i in block], grid)
            for row, i in enumerate(block):
                values[edges[i] : edges[i + 1]] = matrix[row]
                times[edges[i] : edges[i + 1]] = grid
    codes = np.repeat(np.arange(len(names), dtype=np.int32), lengths)
    readings = Readings(names, codes, times, values)
    return _remove_unreported(model, readings, names, edges)


def _grid(start: int, stop: int, period: int) -> Int64:
    return np.arange(-(-start // period) * period, stop, period, dtype=np.int64)


def _remove_unreported(
    model: DataCentreModel, readings: Readings, names: Sequence[str], edges: Int64
) -> Readings:
    faulty = [i for i, name in enumerate(names) if name in model.faults.silent or name in model.faults.nan]
    if not faulty:
        return readings
    is_reported = np.ones(len(readings), bool)
    for i in faulty:
        rows = slice(int(edges[i]), int(edges[i + 1]))
        is_reported[rows] = model.is_reporting(names[i], readings.times[rows])
    return readings if is_reported.all() else readings.take(is_reported)
