"""History: what the crawlers would have read, made as fast as numpy can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backend.core.reading import Int64, Readings
from backend.core.windows import NS_PER_SECOND, slices
from backend.inventory.model import Inventory
from crawlers.simulators.model import DataCentreModel

CHUNK_NS = 3_600 * NS_PER_SECOND
TOGETHER = 24_000  # values made at once: the work stays in the processor's cache


def history(
    inventory: Inventory,
    model: DataCentreModel,
    start_ns: int,
    end_ns: int,
    chunk_ns: int = CHUNK_NS,
    sensors: Sequence[str] | None = None,
) -> Iterator[Readings]:
    """Readings of [start_ns, end_ns) in chunks of time, each sorted by (sensor, time).

    Times are the multiples of each sensor's period, as polling gives them. `names` are the same sorted list in every
    chunk, so that `codes` can be mapped once.
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
        mine = [i for i, name in enumerate(names) if model.period_ns(name) == period]
        step = max(1, TOGETHER // max(1, len(grid)))
        for first in range(0, len(mine), step):
            block = mine[first : first + step]
            matrix = model.value([names[i] for i in block], grid)
            for row, i in enumerate(block):
                values[edges[i] : edges[i + 1]] = matrix[row]
                times[edges[i] : edges[i + 1]] = grid
    codes = np.repeat(np.arange(len(names), dtype=np.int32), lengths)
    made = Readings(names, codes, times, values)
    return _without_faults(model, made, names, edges)


def _grid(start: int, stop: int, period: int) -> Int64:
    return np.arange(-(-start // period) * period, stop, period, dtype=np.int64)


def _without_faults(model: DataCentreModel, made: Readings, names: Sequence[str], edges: Int64) -> Readings:
    faulty = [i for i, name in enumerate(names) if name in model.faults.silent or name in model.faults.nan]
    if not faulty:
        return made
    said = np.ones(len(made), bool)
    for i in faulty:
        rows = slice(int(edges[i]), int(edges[i + 1]))
        said[rows] = model.reports(names[i], made.times[rows])
    return made if said.all() else made.take(said)
