"""Portions of history for `RollupEngine.recompute_series`."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.windows import WINDOWS
from backend.rollups.definitions import Definitions
from backend.rollups.recompute import Portion


def all_portions(definitions: Definitions, start_ns: int, end_ns: int) -> list[Portion]:
    """Return the portions of all series: every window that overlaps [start_ns, end_ns)."""
    names = frozenset(definitions.sensors), frozenset(definitions.types), frozenset(definitions.nodes)
    return [Portion(w, w.floor(start_ns), w.ceil(end_ns), *names) for w in WINDOWS]


def node_portions(definitions: Definitions, start_ns: int, end_ns: int) -> Sequence[Portion]:
    """Return the portions of all tree nodes: every window that overlaps [start_ns, end_ns)."""
    nodes = frozenset(definitions.nodes)
    return [Portion(w, w.floor(start_ns), w.ceil(end_ns), nodes=nodes) for w in WINDOWS]
