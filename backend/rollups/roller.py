"""Computes one interval of one window for a set of series and keeps the result. Knows nothing of what is due when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64
from backend.core.tree import TreeMatrix
from backend.core.windows import Window
from backend.rollups.definitions import WINDOWS_OF, Definitions
from backend.rollups.grids import STEP_NS, NodeGrid, as_buckets, fill, summarise

SENSORS_AT_ONCE: Final = 200
WHOLE_NS: Final = Window.H1.ns
"""Up to this long an interval is read of all sensors at once."""


class Roller:
    """One run over the series of `definitions`, from the finest window to the coarsest, oldest first.

    It remembers the 30 s values of nodes that it has just computed, so that their coarser windows need no reading back;
    `forget` drops them. `replacing` says that buckets may have been kept for the interval before: those that no longer have
    a reading are overwritten by explicit empty ones.
    """

    def __init__(self, store: TimeSeriesStore, definitions: Definitions, *, replacing: bool = False) -> None:
        self._store = store
        self._defs = definitions
        self._replacing = replacing
        self._batches = tuple(_batches(definitions))
        self._whole = _Batch(definitions.sensors, definitions.types)
        self._leaves = tuple(dict.fromkeys(s for below in definitions.nodes.values() for s in below))
        self._matrix = TreeMatrix(definitions.nodes, self._leaves, definitions.weights)
        self._recent: list[NodeGrid] = []
        self.readings = 0
        """Readings that the finest windows rolled so far have summarised."""
        self.rows = 0
        """Buckets written."""

    def forget(self) -> None:
        self._recent.clear()

    async def roll(self, windows: Sequence[Window], start_ns: int, end_ns: int) -> None:
        """Compute and keep all series over [start_ns, end_ns), which are edges of each of the windows, finest first.

        Memory grows with the length of the interval: about 200 bytes a window of each sensor of a batch.
        """
        means = np.full(
            ((end_ns - start_ns) // STEP_NS if Window.S30 in windows else 0, len(self._leaves)), np.nan
        )
        for batch in self._batches if end_ns - start_ns > WHOLE_NS else (self._whole,):
            sensors = await self._roll_batch(batch, windows, start_ns, end_ns)
            if Window.S30 in windows:
                self.readings += int(sensors.count.sum())
                fill(means, sensors, sensors.mean, self._leaves, start_ns)
        if not self._matrix.nodes:
            return
        if Window.S30 in windows:
            grid = await self._node_sums(means, start_ns, end_ns)
            self._recent.append(grid)
            await self._keep(SeriesKind.NODE, Window.S30, as_buckets(grid))
        for window in windows:
            if window is not Window.S30:
                grid = await self._node_values(start_ns, end_ns)
                await self._keep(SeriesKind.NODE, window, summarise(grid, window))

    async def _roll_batch(
        self, batch: _Batch, windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Buckets:
        """Keep the buckets of some sensors and types over their raw readings; answers the sensors' finest ones."""
        split = len(batch.sensors)
        # One reading serves both; a sensor and a type may have one name, so groups go by number.
        typed = any(window in WINDOWS_OF[SeriesKind.TYPE] for window in windows)
        members = [(name,) for name in batch.sensors] + (list(batch.types.values()) if typed else [])
        groups = {str(at): group for at, group in enumerate(members)}
        if not groups:
            return Buckets.empty()
        many = await self._store.aggregate_many(groups, windows, start_ns, end_ns)
        for window in windows:
            edge = int(np.searchsorted(many[window].codes, split))
            sensors = _part(many[window], batch.sensors, slice(0, edge), 0)
            await self._keep_groups(SeriesKind.SENSOR, window, sensors, batch.alone, start_ns, end_ns)
            if window in WINDOWS_OF[SeriesKind.TYPE]:
                types = _part(many[window], tuple(batch.types), slice(edge, None), split)
                await self._keep_groups(SeriesKind.TYPE, window, types, batch.types, start_ns, end_ns)
        edge = int(np.searchsorted(many[windows[0]].codes, split))
        return _part(many[windows[0]], batch.sensors, slice(0, edge), 0)

    async def _keep_groups(
        self,
        kind: SeriesKind,
        window: Window,
        found: Buckets,
        groups: Mapping[str, Sequence[str]],
        start_ns: int,
        end_ns: int,
    ) -> None:
        if not groups:
            return
        expected = self._defs.expected(groups, window)
        found = _expecting(found, expected)
        if self._replacing:
            kept = await self._store.buckets(kind, tuple(groups), window, start_ns, end_ns, ("count",))
            await self._keep(kind, window, _expecting(vanished(kept, found, window), expected))
        await self._keep(kind, window, found)

    async def _node_sums(self, means: Float64, start_ns: int, end_ns: int) -> NodeGrid:
        """30 s sums of all nodes: of the sensors just rolled, and of the kept means of the other leaves."""
        rolled = set(self._defs.sensors)
        others = tuple(name for name in self._leaves if name not in rolled)
        if others:
            kept = await self._store.buckets(SeriesKind.SENSOR, others, Window.S30, start_ns, end_ns)
            fill(means, kept, kept.mean, self._leaves, start_ns)
        return NodeGrid.of_sums(start_ns, self._matrix.sums(means), self._matrix.expected)

    async def _node_values(self, start_ns: int, end_ns: int) -> NodeGrid:
        """30 s values of all nodes over the interval, remembered or read back."""
        run = [grid for grid in self._recent if grid.end_ns > start_ns and grid.start_ns < end_ns]
        whole = bool(run) and run[0].start_ns <= start_ns and run[-1].end_ns >= end_ns
        if whole and all(a.end_ns == b.start_ns for a, b in pairwise(run)):
            return NodeGrid.join(run).part(start_ns, end_ns)
        nodes = self._matrix.nodes
        kept = await self._store.buckets(SeriesKind.NODE, nodes, Window.S30, start_ns, end_ns)
        return NodeGrid.of_buckets(kept, nodes, self._matrix.expected, start_ns, end_ns)

    async def _keep(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        if len(buckets):
            await self._store.write_buckets(kind, window, buckets)
            self.rows += len(buckets)


def vanished(kept: Buckets, found: Buckets, window: Window) -> Buckets:
    """Empty buckets for the windows of `kept` that held something and are not among `found`. `expected` is NaN."""
    position = {name: i for i, name in enumerate(kept.names)}
    codes = np.array([position.get(name, -1) for name in found.names], np.int64)[found.codes]
    # One whole number an identity: window numbers since the epoch stay below 2**31.
    new = (codes << 32) + found.starts // window.ns
    old = (kept.codes.astype(np.int64) << 32) + kept.starts // window.ns
    gone = (kept.count > 0) & ~np.isin(old, new)
    nan = np.full(int(gone.sum()), np.nan)
    zero = np.zeros(len(nan))
    return Buckets(kept.names, kept.codes[gone], kept.starts[gone], zero, nan, nan, nan, nan, nan, nan, zero)


def _expecting(buckets: Buckets, expected: Mapping[str, float]) -> Buckets:
    each: Float64 = np.array([expected[name] for name in buckets.names], np.float64)
    return buckets.with_expected(each[buckets.codes])


def _part(buckets: Buckets, names: Sequence[str], rows: slice, first: int) -> Buckets:
    """Some rows of buckets, whose series `first` is the first of `names`."""
    columns = [getattr(buckets, f.name)[rows] for f in fields(Buckets)[1:]]
    return Buckets(names, columns[0] - np.int32(first), *columns[1:])


@dataclass(frozen=True, slots=True)
class _Batch:
    """Sensors that are read together, and the types that they make up."""

    sensors: tuple[str, ...]
    types: Mapping[str, tuple[str, ...]]

    @property
    def alone(self) -> Mapping[str, Sequence[str]]:
        return {name: (name,) for name in self.sensors}


def _batches(definitions: Definitions) -> Iterator[_Batch]:
    """Every sensor and type once: each type with its sensors, and the sensors of no type some at a time."""
    wanted = dict.fromkeys(definitions.sensors)
    for name, members in definitions.types.items():
        here = tuple(member for member in members if member in wanted)
        for member in here:
            del wanted[member]
        yield _Batch(here, {name: members})
    rest = tuple(wanted)
    for first in range(0, len(rest), SENSORS_AT_ONCE):
        yield _Batch(rest[first : first + SENSORS_AT_ONCE], {})
