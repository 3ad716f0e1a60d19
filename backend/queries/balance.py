"""Compares a node's own meter with the sum of its children: the same watts, measured twice.

A node has its own meter if the description lists other nodes under `simplified_children`, and these measure with other
sensors than the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.core import windows
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.tree import Tree
from backend.core.windows import Window
from backend.inventory.model import Inventory
from backend.queries.energy import EnergyService, TreeState
from backend.queries.joules import JOULES_PER_KWH, Bars
from backend.queries.ranges import resolve_range
from backend.queries.usage import UsageService
from backend.queries.watermarks import Watermarks

_MIN_BARS: Final = 100
"""Windows of a range in which meters and children are compared, at least."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one node over [start_ns, until_ns), or at the time `start_ns` if `until_ns` is None.

    meter_w, children_w       means over the time in which meters and children both have a value; None if there is none
    meter_kwh, children_kwh   energy of the range; None for a single time
    meter_coverage, children_coverage   0 to 1
    missing                   silent sensors of meters and children. Of a range: those without any reading, if requested
    """

    tree: str
    node: str
    name: str
    meters: tuple[str, ...]
    start_ns: int
    until_ns: int | None
    meter_w: float | None
    children_w: float | None
    meter_kwh: float | None
    children_kwh: float | None
    meter_coverage: float
    children_coverage: float
    missing: tuple[str, ...]

    @property
    def difference_w(self) -> float | None:
        """Meter minus children."""
        if self.meter_w is None or self.children_w is None:
            return None
        return self.meter_w - self.children_w

    @property
    def difference_percent(self) -> float | None:
        """Difference in percent of the meter; None if the meter reads 0."""
        difference = self.difference_w
        if difference is None or not self.meter_w:
            return None
        return 100 * difference / self.meter_w


@dataclass(frozen=True, slots=True)
class _MeteredNode:
    """A node with its own meters."""

    tree: str
    node: str
    name: str
    meters: tuple[str, ...]


class BalanceService:
    """Compares nodes that have their own meter."""

    def __init__(
        self,
        inventory: Inventory,
        energy: EnergyService,
        usage: UsageService,
        watermarks: Watermarks,
        clock: Clock,
    ) -> None:
        trees = (inventory.consumption, inventory.production)
        self._metered = {metered.node: metered for tree in trees for metered in _metered_nodes(tree)}
        self._leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        self._energy = energy
        self._usage = usage
        self._watermarks = watermarks
        self._clock = clock

    def nodes(self, tree: str) -> list[str]:
        """Return the ids of the nodes of a tree that have their own meter."""
        return [metered.node for metered in self._metered.values() if metered.tree == tree]

    async def read(
        self,
        nodes: Sequence[str],
        at_ns: int | None,
        start_ns: int | None,
        end_ns: int | None,
        missing: bool = False,
    ) -> list[Balance]:
        """Return the balances over a range if `start_ns` is given, else at `at_ns`; None is now. Raises `UserError`.

        `missing` requests the silent sensors of a range, which cost another read. Those of a single time are always included.
        """
        metered = [self._find(node) for node in nodes]
        if start_ns is None and end_ns is not None:
            raise UserError("balance(to:): a range needs `from` too; for a single time give only `at`.")
        if start_ns is not None and at_ns is not None:
            raise UserError("balance(at:, from:): give a single time or a range, not both.")
        if start_ns is not None:
            return await self._read_range(metered, start_ns, end_ns, missing) if metered else []
        return [await self._read_at(node, at_ns) for node in metered]

    def _find(self, node: str) -> _MeteredNode:
        metered = self._metered.get(node) or self._metered.get(node.replace("-", "_"))
        if metered is None:
            examples = ", ".join(list(self._metered)[:5]) or "none"
            raise UserError(
                f"balance(node: {node!r}): no node with this id has its own meter under `simplified_children`. "
                f"Nodes with their own meter: {examples}."
            )
        return metered

    async def _read_at(self, metered: _MeteredNode, at_ns: int | None) -> Balance:
        states = [await self._state(metered.tree, node, at_ns) for node in (metered.node, *metered.meters)]
        children, *meters = (state.nodes[0] for state in states)
        watts = [meter.watts for meter in meters if meter.watts is not None]
        expected = sum(meter.sensors_expected for meter in meters)
        return Balance(
            tree=metered.tree,
            node=metered.node,
            name=metered.name,
            meters=metered.meters,
            start_ns=states[0].at_ns,
            until_ns=None,
            meter_w=sum(watts) if len(watts) == len(meters) else None,
            children_w=children.watts,
            meter_kwh=None,
            children_kwh=None,
            meter_coverage=sum(meter.sensors_reporting for meter in meters) / expected,
            children_coverage=children.coverage,
            missing=tuple(name for state in states for name in state.nodes[0].missing),
        )

    async def _state(self, tree: str, node: str, at_ns: int | None) -> TreeState:
        if at_ns is None:
            return self._energy.now(tree, node)
        return await self._energy.at(tree, node, at_ns)

    async def _read_range(
        self, metered: Sequence[_MeteredNode], start_ns: int, end_ns: int | None, missing: bool
    ) -> list[Balance]:
        time_range = await resolve_range("balance", start_ns, end_ns, self._clock.now_ns(), self._watermarks)
        nodes = list(dict.fromkeys(n for pair in metered for n in (pair.node, *pair.meters)))
        window = windows.coarsest(time_range.until_ns - time_range.start_ns, _MIN_BARS) or Window.S30
        bars = await self._usage.bars_of_nodes(nodes, time_range, window, "balance")
        silent = frozenset[str]()
        if missing:
            silent = await self._usage.silent_sensors(nodes, time_range, "balance")
        seconds = time_range.seconds
        coverage = bars.covered.sum(axis=1) / seconds if seconds else np.zeros(len(nodes))
        rows = {name: row for row, name in enumerate(nodes)}

        def balance_of(pair: _MeteredNode) -> Balance:
            children, meters = rows[pair.node], [rows[meter] for meter in pair.meters]
            meter_w, children_w = _mean_watts(bars, meters, children)
            sizes = np.array([len(self._leaves[meter]) for meter in pair.meters])
            sensors = (name for node in (*pair.meters, pair.node) for name in self._leaves[node])
            return Balance(
                tree=pair.tree,
                node=pair.node,
                name=pair.name,
                meters=pair.meters,
                start_ns=time_range.start_ns,
                until_ns=time_range.until_ns,
                meter_w=meter_w,
                children_w=children_w,
                meter_kwh=_kwh(bars, meters),
                children_kwh=_kwh(bars, [children]),
                meter_coverage=float((coverage[meters] * sizes).sum() / sizes.sum()),
                children_coverage=float(coverage[children]),
                missing=tuple(name for name in sensors if name in silent),
            )

        return [balance_of(pair) for pair in metered]


def _metered_nodes(tree: Tree) -> Iterator[_MeteredNode]:
    for node in tree.by_id.values():
        sensors = set(tree.leaves[node.id])
        # A simplified child that uses the node's own sensors is a shorter view of it, not a second meter.
        meters = [
            m for m in node.simplified_children if tree.leaves[m] and sensors.isdisjoint(tree.leaves[m])
        ]
        if sensors and meters:
            yield _MeteredNode(tree.name, node.id, node.name, tuple(meters))


def _mean_watts(bars: Bars, meters: Sequence[int], children: int) -> tuple[float | None, float | None]:
    """Return the mean watts of all meters together and of the children, over the bars in which all have a value."""
    rows = [*meters, children]
    complete = (bars.valued[rows] > 0).all(axis=0)
    if not complete.any():
        return None, None
    watts = bars.joules[rows][:, complete] / bars.valued[rows][:, complete]
    lengths = bars.lengths[complete]
    means = (watts * lengths).sum(axis=1) / lengths.sum()
    return float(means[:-1].sum()), float(means[-1])


def _kwh(bars: Bars, rows: Sequence[int]) -> float | None:
    """Return the energy of all rows together; None if one of them has no value at all."""
    if not (bars.valued[rows].sum(axis=1) > 0).all():
        return None
    return float(bars.joules[rows].sum()) / JOULES_PER_KWH
