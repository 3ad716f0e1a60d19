"""The energy trees: what every node draws or gives, now or at a moment in the past."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.ports import TimeSeriesStore
from backend.core.quantity import watts_per
from backend.core.reading import Float64
from backend.core.tree import Tree, TreeMatrix, TreeNode
from backend.core.windows import Window
from backend.inventory.model import Inventory
from backend.queries.live import Live
from backend.queries.marks import Marks


class NodeState(NamedTuple):
    """A node with the sum over its reporting sensors: `watts` is None where none reports; `missing` are the silent ones.

    `missing_children` are ids of its children that have sensors, none of which reports. `parent` is None for the root of
    the answer. A tuple, because a tree has hundreds and is asked for all the time.
    """

    id: str
    name: str
    parent: str | None
    target: str | None
    watts: float | None
    coverage: float
    sensors_expected: int
    sensors_reporting: int
    missing: tuple[str, ...]
    missing_children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeState:
    """A tree, or the part below a node, at `at_ns`; parents before children."""

    at_ns: int
    nodes: tuple[NodeState, ...]


_Line: TypeAlias = tuple[TreeNode, str | None, Sequence[str], int | None]


class _Plan:
    """What does not change from answer to answer, for one tree and root."""

    def __init__(self, tree: Tree, root: str, weights: Mapping[str, float]) -> None:
        kept: set[str] = {root}
        every = (*tree.nodes, *tree.detached)
        for node in every:  # parents come first
            if node.parent in kept:
                kept.add(node.id)
        self.root = root
        self.nodes: tuple[TreeNode, ...] = tuple(n for n in every if n.id in kept)
        self.sensors = tree.leaves[root]
        self.below = {n.id: tree.leaves[n.id] for n in self.nodes}
        self.matrix = TreeMatrix(self.below, self.sensors, weights)
        row = {node: i for i, node in enumerate(self.matrix.nodes)}
        self.lines = tuple(
            (n, None if n.id == root else n.parent, self.below[n.id], row.get(n.id)) for n in self.nodes
        )
        """Of each node: its parent in the answer, the sensors below, and its row in the matrix, if it has one."""


class EnergyService:
    """Sums over the trees of the description."""

    def __init__(
        self, inventory: Inventory, live: Live, store: TimeSeriesStore, marks: Marks, clock: Clock
    ) -> None:
        self._trees = {"consumption": inventory.consumption, "production": inventory.production}
        self._live = live
        self._store = store
        self._marks = marks
        self._clock = clock
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._weights = {name: watts_per(s.unit) or 1.0 for name, s in inventory.sensors.items()}

    def sensors(self, tree: str, root: str | None = None) -> tuple[str, ...]:
        """Sensors at or below a node. Raises `UserError` for a node that is not in the tree."""
        return self._plan(tree, root).sensors

    def nodes(self, tree: str, root: str | None = None) -> tuple[TreeNode, ...]:
        """The node and those below it, parents first. Raises `UserError` for a node that is not in the tree."""
        return self._plan(tree, root).nodes

    def size(self, tree: str) -> int:
        return len(self._trees[tree].nodes)

    def now(self, tree: str, root: str | None = None) -> TreeState:
        """Sums of the last values; a sensor that is silent counts as missing."""
        plan, now_ns = self._plan(tree, root), self._clock.now_ns()
        values = self._live.of(plan.sensors, now_ns)
        sums = plan.matrix.sums(values)
        return _state(plan, now_ns, values, sums.values, sums.reporting)

    async def at(self, tree: str, root: str | None, at_ns: int) -> TreeState:
        """The nodes' 30 s roll-ups of the window that holds `at_ns`, or of the newest complete one before it.

        Raises `UserError` for a time in the future.
        """
        plan, now_ns = self._plan(tree, root), self._clock.now_ns()
        if at_ns > now_ns:
            raise UserError("energyTree(at:): the time lies in the future: leave `at` out for the state now.")
        mark = await self._marks.end(Window.S30)
        start = Window.S30.floor(at_ns)
        if mark is not None:
            start = min(start, mark - Window.S30.ns)
        stop = start + Window.S30.ns
        nodes = await self._store.buckets(SeriesKind.NODE, plan.matrix.nodes, Window.S30, start, stop)
        parts = await self._store.buckets(SeriesKind.SENSOR, plan.sensors, Window.S30, start, stop)
        watts, reporting = np.full(len(plan.matrix.nodes), np.nan), np.zeros(len(plan.matrix.nodes))
        watts[nodes.codes], reporting[nodes.codes] = nodes.mean, nodes.reported
        values = np.full(len(plan.sensors), np.nan)
        values[parts.codes] = parts.mean
        return _state(plan, start, values, watts, reporting)

    def _plan(self, tree: str, root: str | None) -> _Plan:
        whole = self._trees[tree]
        # A child may be written with `-` where the node's id has `_`; so may a client.
        wanted = whole.root if root is None else root
        node = wanted if wanted in whole.by_id else wanted.replace("-", "_")
        if node not in whole.by_id:
            raise UserError(
                f"energyTree(root: {root!r}): the {tree} tree has no such node: its root is {whole.root!r}."
            )
        key = (tree, node)
        if key not in self._plans:
            self._plans[key] = _Plan(whole, node, self._weights)
        return self._plans[key]


def require_nodes(what: str, names: Sequence[str], known: Container[str]) -> list[str]:
    """Ids of nodes of either tree, each once. Raises `UserError`, which names the query, for those that do not exist."""
    ids = [n if n in known else n.replace("-", "_") for n in dict.fromkeys(names)]
    unknown = [n for n in ids if n not in known]
    if unknown:
        raise UserError(
            f"{what}(nodes:): there is no node {', '.join(map(repr, unknown[:5]))}: "
            "take ids from the query `energyTree`."
        )
    return list(dict.fromkeys(ids))


def _state(plan: _Plan, at_ns: int, values: Float64, watts: Float64, reporting: Float64) -> TreeState:
    silent = {name for name, gone in zip(plan.sensors, np.isnan(values).tolist(), strict=True) if gone}
    sums, counts = watts.tolist(), reporting.tolist()
    return TreeState(at_ns, tuple(_node(plan, line, sums, counts, silent) for line in plan.lines))


def _node(
    plan: _Plan, line: _Line, watts: Sequence[float], reporting: Sequence[float], silent: set[str]
) -> NodeState:
    node, parent, below, row = line
    expected = len(below)
    value, count = (None, 0) if row is None else (watts[row], int(reporting[row]))
    if value != value:  # NaN
        value = None
    coverage = min(1.0, count / expected) if expected else 0.0
    missing: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    if silent and count < expected:
        missing = tuple(s for s in below if s in silent)
        children = tuple(c for c in node.children if _is_silent(plan, c, silent))
    return NodeState(
        node.id, node.name, parent, node.target, value, coverage, expected, count, missing, children
    )


def _is_silent(plan: _Plan, node: str, silent: set[str]) -> bool:
    below = plan.below.get(node, ())
    return bool(below) and silent.issuperset(below)
