"""Energy trees: the sensors below each node, and sums over them with coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from backend.core.reading import Float64


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of an energy tree. A leaf has a `target` sensor; `parent` is None for the root.

    `written` lists the children as the description spells them: with `-` where an id may have `_`.
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

    `detached` lists nodes that are no descendants of the root, such as a second meter of the same watts that only
    `simplified_children` names. They have their own sums and count in no other sum.
    """

    name: str
    root: str
    nodes: tuple[TreeNode, ...]
    detached: tuple[TreeNode, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, TreeNode]:
        """All nodes by id, including the detached ones."""
        return {n.id: n for n in (*self.nodes, *self.detached)}

    @cached_property
    def leaves(self) -> Mapping[str, tuple[str, ...]]:
        """The distinct target sensors at or below each node, in tree order, including detached nodes."""
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
    """Sums over the sensors of each node. Every array has the shape of the input, with the node axis last.

    values     NaN where no sensor below the node reported
    reporting  number of sensors that reported
    expected   number of sensors at or below the node
    """

    nodes: tuple[str, ...]
    values: Float64
    reporting: Float64
    expected: Float64


class TreeMatrix:
    """The sparse nodes x sensors matrix of one or more trees, by compressed rows. One call sums all nodes."""

    def __init__(
        self,
        leaves: Mapping[str, Sequence[str]],
        sensors: Sequence[str],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """`leaves` maps nodes to sensors; `sensors` is the column order of the input of `sums`.

        `weights` maps sensors to factors, for example 1000 for a meter in kW. The default is 1.
        """
        position = {name: i for i, name in enumerate(sensors)}
        rows = [(node, [position[s] for s in below]) for node, below in leaves.items() if below]
        self.nodes = tuple(node for node, _ in rows)
        self._index = np.array([i for _, below in rows for i in below], np.intp)
        factors = np.array([(weights or {}).get(name, 1.0) for name in sensors], np.float64)[self._index]
        self._weights = factors if np.any(factors != 1.0) else None
        lengths = np.array([len(below) for _, below in rows], np.intp)
        self._starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp)
        self.expected = lengths.astype(np.float64)

    def sums(self, values: Float64) -> NodeSums:
        """Sum `values` (..., sensors), NaN for a silent sensor, to (..., nodes)."""
        if not self.nodes:
            empty = np.empty((*values.shape[:-1], 0))
            return NodeSums((), empty, empty, empty)
        # Put the sensor axis first: adding whole rows is several times faster than adding along them.
        rows = np.ascontiguousarray(np.moveaxis(values, -1, 0))
        silent: npt.NDArray[np.bool_] = np.isnan(rows)
        gaps: npt.NDArray[np.bool_] = np.asarray(silent.reshape(len(rows), -1).any(axis=1))
        reporting = self._reporting(silent, gaps)
        total = self._add(np.where(silent, 0.0, rows) if gaps.any() else rows)
        expected = np.broadcast_to(self.expected, reporting.shape)
        return NodeSums(self.nodes, np.where(reporting > 0, total, np.nan), reporting, expected)

    def _add(self, rows: Float64) -> Float64:
        """Sum (sensors, ...) to (..., nodes)."""
        if rows.ndim == 1:
            terms = rows[self._index] if self._weights is None else rows[self._index] * self._weights
            totals: Float64 = np.add.reduceat(terms, self._starts)
            return totals
        # One node at a time fits in the processor's cache.
        sums = np.empty((len(self.nodes), *rows.shape[1:]))
        for node, (a, b) in enumerate(pairwise([*self._starts.tolist(), len(self._index)])):
            terms = rows[self._index[a:b]]
            if self._weights is not None:
                terms *= self._weights[a:b].reshape(-1, *([1] * (rows.ndim - 1)))
            np.add.reduce(terms, axis=0, out=sums[node])
        return np.moveaxis(sums, 0, -1)

    def _reporting(self, silent: npt.NDArray[np.bool_], gaps: npt.NDArray[np.bool_]) -> Float64:
        """Return the number of reporting sensors per node, (..., nodes). Only the sensors with `gaps` need counting."""
        counts = np.empty((len(self.nodes), *silent.shape[1:]))
        counts[...] = self.expected.reshape(-1, *([1] * (silent.ndim - 1)))
        at = np.flatnonzero(gaps[self._index])
        nodes = np.searchsorted(self._starts, at, side="right") - 1
        for node, sensor in zip(nodes.tolist(), self._index[at].tolist(), strict=True):
            counts[node] -= silent[sensor]
        return np.moveaxis(counts, 0, -1)
