"""A node's own meter against the sum of what stands below it: the same watts, measured twice.

A node has meters of its own where the description names other nodes under `simplified_children` that measure with sensors
of their own.
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
from backend.queries.marks import Marks
from backend.queries.ranges import known
from backend.queries.usage import UsageService

_BARS: Final = 100


@dataclass(frozen=True, slots=True)
class Balance:
    """One node's balance over [start_ns, until_ns), or at the moment `start_ns`, for which `until_ns` is None.

    Watts are means over the time in which meters and children both have a value; None where they never do. `difference_w` is
    meter less children. Energies are of the range, None for a moment. Coverage is 0 to 1. `missing` are silent sensors of the
    meters and the children; of a range, those of which nothing was read, where that was asked for.
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
        if self.meter_w is None or self.children_w is None:
            return None
        return self.meter_w - self.children_w

    @property
    def difference_percent(self) -> float | None:
        """Of the meter; None where it measures nothing."""
        difference = self.difference_w
        if difference is None or not self.meter_w:
            return None
        return 100 * difference / self.meter_w


@dataclass(frozen=True, slots=True)
class _Pair:
    tree: str
    node: str
    name: str
    meters: tuple[str, ...]


class BalanceService:
    """Compares nodes that have a meter of their own."""

    def __init__(
        self, inventory: Inventory, energy: EnergyService, usage: UsageService, marks: Marks, clock: Clock
    ) -> None:
        trees = (inventory.consumption, inventory.production)
        self._pairs = {pair.node: pair for tree in trees for pair in _pairs(tree)}
        self._leaves = {**inventory.production.leaves, **inventory.consumption.leaves}
        self._energy = energy
        self._usage = usage
        self._marks = marks
        self._clock = clock

    def nodes(self, tree: str) -> list[str]:
        """Ids of the nodes of a tree that have a meter of their own."""
        return [pair.node for pair in self._pairs.values() if pair.tree == tree]

    async def read(
        self,
        nodes: Sequence[str],
        at_ns: int | None,
        start_ns: int | None,
        end_ns: int | None,
        missing: bool = False,
    ) -> list[Balance]:
        """Over a range where `start_ns` is given, else at `at_ns`, None being now. Raises `UserError`.

        `missing` asks for the silent sensors of a range, which have to be looked for; those of a moment are known anyway.
        """
        pairs = [self._pair(node) for node in nodes]
        if start_ns is None and end_ns is not None:
            raise UserError("balance(to:): a range needs `from` too; for a moment give `at` alone.")
        if start_ns is not None and at_ns is not None:
            raise UserError("balance(at:, from:): give a moment or a range, not both.")
        if start_ns is not None:
            return await self._over(pairs, start_ns, end_ns, missing) if pairs else []
        return [await self._at(pair, at_ns) for pair in pairs]

    def _pair(self, node: str) -> _Pair:
        pair = self._pairs.get(node) or self._pairs.get(node.replace("-", "_"))
        if pair is None:
            some = ", ".join(list(self._pairs)[:5]) or "none has"
            raise UserError(
                f"balance(node: {node!r}): no node of this id has a meter of its own under `simplified_children`. "
                f"Those that have: {some}."
            )
        return pair

    async def _at(self, pair: _Pair, at_ns: int | None) -> Balance:
        states = [await self._state(pair.tree, node, at_ns) for node in (pair.node, *pair.meters)]
        children, *meters = (state.nodes[0] for state in states)
        watts = [m.watts for m in meters]
        whole = None not in watts
        due = sum(m.sensors_expected for m in meters)
        return Balance(
            tree=pair.tree,
            node=pair.node,
            name=pair.name,
            meters=pair.meters,
            start_ns=states[0].at_ns,
            until_ns=None,
            meter_w=sum(w for w in watts if w is not None) if whole else None,
            children_w=children.watts,
            meter_kwh=None,
            children_kwh=None,
            meter_coverage=sum(m.sensors_reporting for m in meters) / due,
            children_coverage=children.coverage,
            missing=tuple(name for state in states for name in state.nodes[0].missing),
        )

    async def _state(self, tree: str, node: str, at_ns: int | None) -> TreeState:
        if at_ns is None:
            return self._energy.now(tree, node)
        return await self._energy.at(tree, node, at_ns)

    async def _over(
        self, pairs: Sequence[_Pair], start_ns: int, end_ns: int | None, missing: bool
    ) -> list[Balance]:
        asked = await known("balance", start_ns, end_ns, self._clock.now_ns(), self._marks)
        nodes = list(dict.fromkeys(n for pair in pairs for n in (pair.node, *pair.meters)))
        window = windows.coarsest(asked.until_ns - asked.start_ns, _BARS) or Window.S30
        found = await self._usage.of_nodes(nodes, asked, window, "balance")
        row = {name: i for i, name in enumerate(nodes)}
        seconds = asked.seconds
        silent = await self._usage.silent(nodes, asked, "balance") if missing else frozenset()

        def one(pair: _Pair) -> Balance:
            children, meters = row[pair.node], [row[m] for m in pair.meters]
            meter_w, children_w = _means(found, meters, children)
            sizes = np.array([len(self._leaves[m]) for m in pair.meters])
            covered = found.covered.sum(axis=1) / seconds if seconds else np.zeros(len(nodes))
            return Balance(
                tree=pair.tree,
                node=pair.node,
                name=pair.name,
                meters=pair.meters,
                start_ns=asked.start_ns,
                until_ns=asked.until_ns,
                meter_w=meter_w,
                children_w=children_w,
                meter_kwh=_kwh(found, meters),
                children_kwh=_kwh(found, [children]),
                meter_coverage=float((covered[meters] * sizes).sum() / sizes.sum()),
                children_coverage=float(covered[children]),
                missing=tuple(
                    name
                    for node in (*pair.meters, pair.node)
                    for name in self._leaves[node]
                    if name in silent
                ),
            )

        return [one(pair) for pair in pairs]


def _pairs(tree: Tree) -> Iterator[_Pair]:
    for node in tree.by_id.values():
        below = set(tree.leaves[node.id])
        # One that measures with the node's own sensors is a shorter view of it, not a second meter.
        own = [m for m in node.simplified_children if tree.leaves[m] and below.isdisjoint(tree.leaves[m])]
        if below and own:
            yield _Pair(tree.name, node.id, node.name, tuple(own))


def _means(found: Bars, meters: Sequence[int], children: int) -> tuple[float | None, float | None]:
    """Mean watts of the meters together and of the children, over the bars in which all have a value."""
    rows = [*meters, children]
    here = (found.valued[rows] > 0).all(axis=0)
    if not here.any():
        return None, None
    watts = found.joules[rows][:, here] / found.valued[rows][:, here]
    lengths = found.lengths[here]
    means = (watts * lengths).sum(axis=1) / lengths.sum()
    return float(means[:-1].sum()), float(means[-1])


def _kwh(found: Bars, rows: Sequence[int]) -> float | None:
    """Of all rows together; None where one has no value at all."""
    if not (found.valued[rows].sum(axis=1) > 0).all():
        return None
    return float(found.joules[rows].sum()) / JOULES_PER_KWH
