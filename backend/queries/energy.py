"""The energy trees: the power of every node, now or at a time in the past."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
from backend.queries.live import LiveValues
from backend.queries.watermarks import Watermarks


class NodeState(NamedTuple):
    """A node with the sum over its reporting sensors. A tuple, because a tree has hundreds of nodes and is read often.

    parent            None for the root of the answer
    watts             None if no sensor reports
    missing           silent sensors at or below the node
    missing_children  ids of the children that have sensors, all of them silent
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


class _PlannedNode(NamedTuple):
    """A node with its parent in the answer, the sensors at or below it, and its row in the matrix, if it has one."""

    node: TreeNode
    parent: str | None
    sensors: Sequence[str]
    row: int | None


class _Plan:
    """The parts of an answer that are the same every time, for one tree and root."""

    def __init__(self, tree: Tree, root: str, weights: Mapping[str, float]) -> None:
        ids: set[str] = {root}
        nodes = (*tree.nodes, *tree.detached)
        for node in nodes:  # parents come first
            if node.parent in ids:
                ids.add(node.id)
        self.nodes: tuple[TreeNode, ...] = tuple(n for n in nodes if n.id in ids)
        self.sensors = tree.leaves[root]
        self.leaves = {n.id: tree.leaves[n.id] for n in self.nodes}
        self.matrix = TreeMatrix(self.leaves, self.sensors, weights)
        rows = {node: row for row, node in enumerate(self.matrix.nodes)}
        self.planned = tuple(
            _PlannedNode(n, None if n.id == root else n.parent, self.leaves[n.id], rows.get(n.id))
            for n in self.nodes
        )


class EnergyService:
    """Computes sums over the trees of the description."""

    def __init__(
        self,
        inventory: Inventory,
        live: LiveValues,
        store: TimeSeriesStore,
        watermarks: Watermarks,
        clock: Clock,
    ) -> None:
        self._trees = {"consumption": inventory.consumption, "production": inventory.production}
        self._live = live
        self._store = store
        self._watermarks = watermarks
        self._clock = clock
        self._plans: dict[tuple[str, str], _Plan] = {}  # at most one per node of the description
        self._weights = {name: watts_per(s.unit) or 1.0 for name, s in inventory.sensors.items()}

    def sensors(self, tree: str, root: str | None = None) -> tuple[str, ...]:
        """Return the sensors at or below a node. Raises `UserError` for a node that is not in the tree."""
        return self._plan(tree, root).sensors

    def nodes(self, tree: str, root: str | None = None) -> tuple[TreeNode, ...]:
        """Return the node and those below it, parents first. Raises `UserError` for a node that is not in the tree."""
        return self._plan(tree, root).nodes

    def size(self, tree: str) -> int:
        """Return the number of nodes of a tree."""
        return len(self._trees[tree].nodes)

    def now(self, tree: str, root: str | None = None) -> TreeState:
        """Return the sums of the last values. A silent sensor is missing."""
        plan, now_ns = self._plan(tree, root), self._clock.now_ns()
        values = self._live.values(plan.sensors, now_ns)
        sums = plan.matrix.sums(values)
        return _state(plan, now_ns, values, sums.values, sums.reporting)

    async def at(self, tree: str, root: str | None, at_ns: int) -> TreeState:
        """Return the 30 s roll-ups of the window that contains `at_ns`, or of the newest complete one before it.

        Raises `UserError` for a time in the future.
        """
        plan, now_ns = self._plan(tree, root), self._clock.now_ns()
        if at_ns > now_ns:
            raise UserError(
                "energyTree(at:): the time is in the future: leave out `at` for the current state."
            )
        watermark = await self._watermarks.end(Window.S30)
        start = Window.S30.floor(at_ns)
        if watermark is not None:
            start = min(start, watermark - Window.S30.ns)
        stop = start + Window.S30.ns
        nodes = await self._store.buckets(SeriesKind.NODE, plan.matrix.nodes, Window.S30, start, stop)
        sensors = await self._store.buckets(SeriesKind.SENSOR, plan.sensors, Window.S30, start, stop)
        watts, reporting = np.full(len(plan.matrix.nodes), np.nan), np.zeros(len(plan.matrix.nodes))
        watts[nodes.codes], reporting[nodes.codes] = nodes.mean, nodes.reported
        values = np.full(len(plan.sensors), np.nan)
        values[sensors.codes] = sensors.mean
        return _state(plan, start, values, watts, reporting)

    def _plan(self, tree_name: str, root: str | None) -> _Plan:
        tree = self._trees[tree_name]
        root_id = tree.root if root is None else root
        # The description allows `-` in a child where the node's id has `_`, so clients may write it too.
        node = root_id if root_id in tree.by_id else root_id.replace("-", "_")
        if node not in tree.by_id:
            raise UserError(
                f"energyTree(root: {root!r}): the {tree_name} tree has no such node: its root is {tree.root!r}."
            )
        key = (tree_name, node)
        if key not in self._plans:
            self._plans[key] = _Plan(tree, node, self._weights)
        return self._plans[key]


def require_nodes(query: str, names: Sequence[str], known_ids: Container[str]) -> list[str]:
    """Return the ids of nodes of either tree, each once. Raises `UserError`, which names the query, for unknown ones."""
    ids = [n if n in known_ids else n.replace("-", "_") for n in dict.fromkeys(names)]
    unknown = [n for n in ids if n not in known_ids]
    if unknown:
        raise UserError(
            f"{query}(nodes:): unknown node {', '.join(map(repr, unknown[:5]))}: "
            "use ids from the query `energyTree`."
        )
    return list(dict.fromkeys(ids))


def _state(plan: _Plan, at_ns: int, values: Float64, watts: Float64, reporting: Float64) -> TreeState:
    is_missing = np.isnan(values).tolist()
    silent = {name for name, missing in zip(plan.sensors, is_missing, strict=True) if missing}
    sums, counts = watts.tolist(), reporting.tolist()
    return TreeState(at_ns, tuple(_node_state(plan, node, sums, counts, silent) for node in plan.planned))


def _node_state(
    plan: _Plan, planned: _PlannedNode, watts: Sequence[float], reporting: Sequence[float], silent: set[str]
) -> NodeState:
    node, parent, sensors, row = planned
    expected = len(sensors)
    value, count = (None, 0) if row is None else (watts[row], int(reporting[row]))
    if value != value:  # NaN
        value = None
    coverage = min(1.0, count / expected) if expected else 0.0
    missing: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    if silent and count < expected:
        missing = tuple(s for s in sensors if s in silent)
        children = tuple(c for c in node.children if _is_silent(plan, c, silent))
    return NodeState(
        node.id, node.name, parent, node.target, value, coverage, expected, count, missing, children
    )


def _is_silent(plan: _Plan, node: str, silent: set[str]) -> bool:
    sensors = plan.leaves.get(node, ())
    return bool(sensors) and silent.issuperset(sensors)
