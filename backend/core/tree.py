"""Energy trees: which sensors stand below which node, and sums over them with coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from backend.core.reading import Float64


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of an energy tree. A leaf has a `target` sensor; `parent` is None for the root.

    `written` are the children as the description spells them, which may have `-` where ids have `_`.
    """

    id: str
    name: str
    parent: str | None
    children: tuple[str, ...]
    target: str | None
    simplified_children: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """A rooted tree, parents before children. `name` is `consumption` or `production`.

    `detached` are nodes of the description that no path of children joins to the root, such as a second meter of the
    same watts that only `simplified_children` names: they have sums of their own and count in no other node's.
    """

    name: str
    root: str
    nodes: tuple[TreeNode, ...]
    detached: tuple[TreeNode, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, TreeNode]:
        """All nodes, the detached ones too."""
        return {n.id: n for n in (*self.nodes, *self.detached)}

    @cached_property
    def leaves(self) -> Mapping[str, tuple[str, ...]]:
        """For every node id, detached ones too, the distinct target sensors at or below it, in tree order."""
        nodes = (*self.nodes, *self.detached)
        below: dict[str, dict[str, None]] = {n.id: {} for n in nodes}
        for node in reversed(nodes):
            if node.target is not None:
                below[node.id][node.target] = None
            if node.parent is not None:
                below[node.parent] = below[node.id] | below[node.parent]
        return {node_id: tuple(sensors) for node_id, sensors in below.items()}

    @cached_property
    def sensors(self) -> tuple[str, ...]:
        """All target sensors of the tree."""
        return self.leaves[self.root]


@dataclass(frozen=True, slots=True, eq=False)
class NodeSums:
    """Sums over each node's sensors; every array has the shape of the input with the node axis last.

    values is NaN where no sensor below the node reported.
    """

    nodes: tuple[str, ...]
    values: Float64
    reporting: Float64
    expected: Float64


class TreeMatrix:
    """The sparse nodes x sensors matrix of one or several trees, by compressed rows.

    One call sums all nodes at once: not one query per node.
    """

    def __init__(
        self,
        leaves: Mapping[str, Sequence[str]],
        sensors: Sequence[str],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """`leaves` maps node to sensors; `sensors` gives the order of the columns that `sums` will be handed.

        `weights` are what one unit of a sensor counts in the sums, 1 where none is given: 1000 for a meter in kW.
        """
        position = {name: i for i, name in enumerate(sensors)}
        rows = [(node, [position[s] for s in below]) for node, below in leaves.items() if below]
        self.nodes = tuple(node for node, _ in rows)
        self._index = np.array([i for _, below in rows for i in below], np.intp)
        each = np.array([(weights or {}).get(name, 1.0) for name in sensors], np.float64)[self._index]
        self._weights = each if np.any(each != 1.0) else None
        lengths = np.array([len(below) for _, below in rows], np.intp)
        self._starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp)
        self.expected = lengths.astype(np.float64)

    def sums(self, values: Float64) -> NodeSums:
        """Sum `values` (..., sensors), NaN where a sensor is silent, to (..., nodes)."""
        if not self.nodes:
            none = np.empty((*values.shape[:-1], 0))
            return NodeSums((), none, none, none)
        # By sensor first: adding whole rows is several times faster than adding along them.
        rows = np.ascontiguousarray(np.moveaxis(values, -1, 0))
        here: npt.NDArray[np.bool_] = ~np.isnan(rows)
        reporting = self._add(here.astype(np.float64))
        total = self._add(np.where(here, rows, 0.0), self._weights)
        expected = np.broadcast_to(self.expected, total.shape)
        return NodeSums(self.nodes, np.where(reporting > 0, total, np.nan), reporting, expected)

    def _add(self, rows: Float64, weights: Float64 | None = None) -> Float64:
        """(sensors, ...) to (..., nodes)."""
        chosen = rows[self._index]
        if weights is not None:
            chosen *= weights.reshape(-1, *([1] * (rows.ndim - 1)))
        return np.moveaxis(np.add.reduceat(chosen, self._starts, axis=0), 0, -1)
