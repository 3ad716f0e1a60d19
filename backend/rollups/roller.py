"""Compute one interval of some windows for a set of series, and write the buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.grids import STEP_NS, NodeGrid, as_buckets, fill, summarise
from backend.core.ports import SeriesAlias, TimeSeriesStore
from backend.core.reading import Float64
from backend.core.tree import TreeMatrix
from backend.core.windows import Window
from backend.rollups.definitions import WINDOWS_OF, Definitions

SENSORS_AT_ONCE: Final = 200
WHOLE_NS: Final = Window.H1.ns
"""Longest interval that is read for all sensors at once."""


class Roller:
    """Computes and writes the buckets of all series of `definitions`, from the finest window to the coarsest, oldest first.

    The 30 s values of nodes stay in memory until `release_recent`, so that their coarser windows need no read.
    With `overwrite_existing`, buckets may exist for the interval. Those that no longer have a reading are then overwritten
    by explicit empty ones.
    A node with a single sensor below it is an alias: the store reads the sensor's buckets instead of storing copies.
    """

    def __init__(
        self, store: TimeSeriesStore, definitions: Definitions, *, overwrite_existing: bool = False
    ) -> None:
        self._store = store
        self._defs = definitions
        self._overwrite_existing = overwrite_existing
        self._batches = tuple(_batches(definitions))
        self._whole = _Batch(definitions.sensors, definitions.types)
        self._leaves = tuple(dict.fromkeys(s for below in definitions.nodes.values() for s in below))
        self._matrix = TreeMatrix(definitions.nodes, self._leaves, definitions.weights)
        self._aliases = {
            node: SeriesAlias(SeriesKind.SENSOR, below[0], definitions.weights.get(below[0], 1.0))
            for node, below in definitions.nodes.items()
            if len(below) == 1
        }
        self._recent_grids: list[NodeGrid] = []  # 30 s values of nodes that this run has just computed
        self.readings = 0
        """Readings summarised so far, counted in the finest window."""
        self.rows = 0
        """Buckets written."""

    def release_recent(self) -> None:
        """Drop the 30 s values of nodes from memory."""
        self._recent_grids.clear()

    async def roll(self, windows: Sequence[Window], start_ns: int, end_ns: int) -> None:
        """Compute and write all series over [start_ns, end_ns), which are edges of each of the windows, finest first.

        Memory grows with the length of the interval: about 200 bytes per window of each sensor of a batch.
        """
        # Contiguous per series, which is how the columns are filled and summed.
        steps = (end_ns - start_ns) // STEP_NS if Window.S30 in windows else 0
        means = np.full((len(self._leaves), steps), np.nan).T
        for batch in self._batches if end_ns - start_ns > WHOLE_NS else (self._whole,):
            sensors = await self._roll_batch(batch, windows, start_ns, end_ns)
            if Window.S30 in windows:
                self.readings += int(sensors.count.sum())
                fill(means, sensors, sensors.mean, self._leaves, start_ns)
        if not self._matrix.nodes:
            return
        if Window.S30 in windows:
            grid = await self._node_sums(means, start_ns, end_ns)
            self._recent_grids.append(grid)
            aliased = await self._write_aliases(Window.S30, self._aliases, start_ns, end_ns)
            await self._write(SeriesKind.NODE, Window.S30, as_buckets(grid.without(aliased)))
        for window in windows:
            if window is Window.M1:
                self_aliases = {node: SeriesAlias(SeriesKind.NODE, node) for node in self._matrix.nodes}
                if await self._write_aliases(window, self_aliases | self._aliases, start_ns, end_ns):
                    continue
            if window is not Window.S30:
                grid = await self._node_values(start_ns, end_ns)
                await self._write(SeriesKind.NODE, window, summarise(grid, window))

    async def _roll_batch(
        self, batch: _Batch, windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Buckets:
        """Write the buckets of some sensors and types from their raw readings.

        Return the buckets of the sensors in the finest window.
        """
        sensor_count = len(batch.sensors)
        # One read serves both. A sensor and a type may share a name, so groups are numbered.
        has_types = any(window in WINDOWS_OF[SeriesKind.TYPE] for window in windows)
        members = [(name,) for name in batch.sensors] + (list(batch.types.values()) if has_types else [])
        groups = {str(at): group for at, group in enumerate(members)}
        if not groups:
            return Buckets.empty()
        buckets = await self._store.aggregate_many(groups, windows, start_ns, end_ns)
        for window in windows:
            boundary = int(np.searchsorted(buckets[window].codes, sensor_count))
            sensors = _select_rows(buckets[window], batch.sensors, slice(0, boundary), 0)
            await self._write_groups(SeriesKind.SENSOR, window, sensors, batch.singles, start_ns, end_ns)
            if window in WINDOWS_OF[SeriesKind.TYPE]:
                types = _select_rows(buckets[window], tuple(batch.types), slice(boundary, None), sensor_count)
                await self._write_groups(SeriesKind.TYPE, window, types, batch.types, start_ns, end_ns)
        boundary = int(np.searchsorted(buckets[windows[0]].codes, sensor_count))
        return _select_rows(buckets[windows[0]], batch.sensors, slice(0, boundary), 0)

    async def _write_groups(
        self,
        kind: SeriesKind,
        window: Window,
        computed: Buckets,
        groups: Mapping[str, Sequence[str]],
        start_ns: int,
        end_ns: int,
    ) -> None:
        if not groups:
            return
        expected = self._defs.expected(groups, window)
        computed = _with_expected(computed, expected)
        if self._overwrite_existing:
            stored = await self._store.buckets(kind, tuple(groups), window, start_ns, end_ns, ("count",))
            await self._write(kind, window, _with_expected(emptied(stored, computed, window), expected))
        await self._write(kind, window, computed)

    async def _node_sums(self, means: Float64, start_ns: int, end_ns: int) -> NodeGrid:
        """Return the 30 s sums of all nodes.

        They are computed from the sensors just rolled up, and from the stored means of the other leaves.
        """
        rolled = set(self._defs.sensors)
        other_leaves = tuple(name for name in self._leaves if name not in rolled)
        if other_leaves:
            stored = await self._store.buckets(
                SeriesKind.SENSOR, other_leaves, Window.S30, start_ns, end_ns, ("count", "sum")
            )
            fill(means, stored, stored.mean, self._leaves, start_ns)
        return NodeGrid.of_sums(start_ns, self._matrix.sums(means), self._matrix.expected)

    async def _node_values(self, start_ns: int, end_ns: int) -> NodeGrid:
        """Return the 30 s values of all nodes over the interval, from memory or from the store."""
        grids = [grid for grid in self._recent_grids if grid.end_ns > start_ns and grid.start_ns < end_ns]
        is_covered = bool(grids) and grids[0].start_ns <= start_ns and grids[-1].end_ns >= end_ns
        if is_covered and all(a.end_ns == b.start_ns for a, b in pairwise(grids)):
            return NodeGrid.join(grids).part(start_ns, end_ns)
        nodes = self._matrix.nodes
        stored = await self._store.buckets(SeriesKind.NODE, nodes, Window.S30, start_ns, end_ns)
        return NodeGrid.of_buckets(stored, nodes, self._matrix.expected, start_ns, end_ns)

    async def _write_aliases(
        self, window: Window, aliases: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> Mapping[str, SeriesAlias]:
        """Store nodes as aliases instead of buckets. Return the aliases that the store accepted: all or none."""
        if not aliases or not await self._store.set_aliases(window, aliases, start_ns, end_ns):
            return {}
        self.rows += len(aliases) * ((end_ns - start_ns) // window.ns)
        return aliases

    async def _write(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        if len(buckets):
            await self._store.write_buckets(kind, window, buckets)
            self.rows += len(buckets)


def emptied(stored: Buckets, computed: Buckets, window: Window) -> Buckets:
    """Return empty buckets for the windows that held something in `stored` and are not in `computed`.

    Their `expected` is NaN.
    """
    code_of = {name: i for i, name in enumerate(stored.names)}
    codes = np.array([code_of.get(name, -1) for name in computed.names], np.int64)[computed.codes]
    # One integer per (series, window): window numbers since the epoch stay below 2**31.
    computed_keys = (codes << 32) + computed.starts // window.ns
    stored_keys = (stored.codes.astype(np.int64) << 32) + stored.starts // window.ns
    is_gone = (stored.count > 0) & ~np.isin(stored_keys, computed_keys)
    nan = np.full(int(is_gone.sum()), np.nan)
    zero = np.zeros(len(nan))
    return Buckets(
        stored.names, stored.codes[is_gone], stored.starts[is_gone], zero, nan, nan, nan, nan, nan, nan, zero
    )


def _with_expected(buckets: Buckets, expected: Mapping[str, float]) -> Buckets:
    by_code: Float64 = np.array([expected[name] for name in buckets.names], np.float64)
    return buckets.with_expected(by_code[buckets.codes])


def _select_rows(buckets: Buckets, names: Sequence[str], rows: slice, first: int) -> Buckets:
    """Return some rows of buckets; `first` is the code of the first of `names`."""
    columns = [getattr(buckets, f.name)[rows] for f in fields(Buckets)[1:]]
    return Buckets(names, columns[0] - np.int32(first), *columns[1:])


@dataclass(frozen=True, slots=True)
class _Batch:
    """Sensors that are read together, and the types that consist of them."""

    sensors: tuple[str, ...]
    types: Mapping[str, tuple[str, ...]]

    @property
    def singles(self) -> Mapping[str, Sequence[str]]:
        return {name: (name,) for name in self.sensors}


def _batches(definitions: Definitions) -> Iterator[_Batch]:
    """Yield every sensor and type once: each type with its sensors, then sensors without a type in groups."""
    remaining = dict.fromkeys(definitions.sensors)
    for name, members in definitions.types.items():
        present = tuple(member for member in members if member in remaining)
        for member in present:
            del remaining[member]
        yield _Batch(present, {name: members})
    untyped = tuple(remaining)
    for first in range(0, len(untyped), SENSORS_AT_ONCE):
        yield _Batch(untyped[first : first + SENSORS_AT_ONCE], {})
