"""Computes one interval of one window for a set of series and keeps the result. Knows nothing of what is due when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import TimeSeriesStore
from backend.core.reading import Float64
from backend.core.tree import TreeMatrix
from backend.core.windows import Window
from backend.rollups.definitions import WINDOWS_OF, Definitions
from backend.rollups.grids import NodeGrid, as_buckets, dense, summarise


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
        self._leaves = tuple(dict.fromkeys(s for below in definitions.nodes.values() for s in below))
        self._matrix = TreeMatrix(definitions.nodes, self._leaves, definitions.weights)
        self._recent: list[NodeGrid] = []
        self.readings = 0
        """Readings that the finest windows rolled so far have summarised."""
        self.rows = 0
        """Buckets written."""

    def forget(self) -> None:
        self._recent.clear()

    async def roll(self, window: Window, start_ns: int, end_ns: int) -> None:
        """Compute and keep all series over [start_ns, end_ns), which are edges of `window`.

        Memory grows with the length of the interval: about 100 bytes a series and window.
        """
        alone = {name: (name,) for name in self._defs.sensors}
        types = self._defs.types if window in WINDOWS_OF[SeriesKind.TYPE] else {}
        # Side by side where the store can; both have ended, well or not, before anything else is written.
        both = await asyncio.gather(
            self._roll_groups(SeriesKind.SENSOR, alone, window, start_ns, end_ns),
            self._roll_groups(SeriesKind.TYPE, types, window, start_ns, end_ns),
            return_exceptions=True,
        )
        sensors, _ = map(_or_raise, both)
        if window is Window.S30:
            self.readings += int(sensors.count.sum())
        if not self._matrix.nodes:
            return
        if window is Window.S30:
            grid = await self._node_sums(sensors, start_ns, end_ns)
            self._recent.append(grid)
            await self._keep(SeriesKind.NODE, window, as_buckets(grid))
        else:
            grid = await self._node_values(start_ns, end_ns)
            await self._keep(SeriesKind.NODE, window, summarise(grid, window))

    async def _roll_groups(
        self,
        kind: SeriesKind,
        groups: Mapping[str, Sequence[str]],
        window: Window,
        start_ns: int,
        end_ns: int,
    ) -> Buckets:
        """Buckets of groups of sensors over their raw readings."""
        if not groups:
            return Buckets.empty()
        expected = self._defs.expected(groups, window)
        found = _expecting(await self._store.aggregate(groups, window, start_ns, end_ns), expected)
        if self._replacing:
            kept = await self._store.buckets(kind, tuple(groups), window, start_ns, end_ns)
            await self._keep(kind, window, _expecting(vanished(kept, found, window), expected))
        await self._keep(kind, window, found)
        return found

    async def _node_sums(self, sensors: Buckets, start_ns: int, end_ns: int) -> NodeGrid:
        """30 s sums of all nodes: of the sensors just rolled, and of the kept means of the other leaves."""
        means = dense(sensors, sensors.mean, self._leaves, start_ns, end_ns)
        rolled = set(self._defs.sensors)
        others = [i for i, name in enumerate(self._leaves) if name not in rolled]
        if others:
            names = tuple(self._leaves[i] for i in others)
            kept = await self._store.buckets(SeriesKind.SENSOR, names, Window.S30, start_ns, end_ns)
            means[:, others] = dense(kept, kept.mean, names, start_ns, end_ns)
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


def _or_raise(outcome: Buckets | BaseException) -> Buckets:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
