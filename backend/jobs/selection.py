"""Selection of the continuous queries that a request names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backend.core.bucket import SeriesKind
from backend.core.errors import NotFound, UserError
from backend.core.jobs import Priority
from backend.core.tree import Tree
from backend.core.windows import WINDOWS, Window
from backend.rollups.definitions import ContinuousQuery, Definitions


class NodeSelection(StrEnum):
    """The nodes that a named node selects."""

    SELF = "self"
    BELOW = "below"  # itself and all below it
    ABOVE = "above"  # itself and all above it
    ALL = "all"  # both


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request to recompute series; all selections add up.

    Times are ns; None means all that is stored, or up to now.

    queries   names of continuous queries
    kinds     all series of a kind
    scope     nodes that a named node selects; `with_sensors` adds the sensors at or below these nodes
    windows   only these windows; all if none is named
    """

    queries: Sequence[str] = ()
    kinds: Sequence[SeriesKind] = ()
    sensors: Sequence[str] = ()
    types: Sequence[str] = ()
    nodes: Sequence[str] = ()
    scope: NodeSelection = NodeSelection.SELF
    with_sensors: bool = False
    windows: Sequence[Window] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    priority: Priority = Priority.LOW


@dataclass(frozen=True, slots=True)
class SelectedQuery:
    """A continuous query and the selected ones of its series."""

    query: ContinuousQuery
    series: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return len(self.series) == len(self.query.series)


def select_queries(
    request: JobRequest, definitions: Definitions, trees: Iterable[Tree]
) -> Sequence[SelectedQuery]:
    """Return the selected queries, in the order of the definitions.

    Raise `NotFound` for an unknown name, `UserError` if nothing is selected.
    """
    names_by_kind = _selected_names(request, definitions, trees)
    queries = definitions.queries()
    whole_queries = set(
        _check_names("queries", request.queries, {query.name for query in queries}, "continuous query")
    )
    windows = set(request.windows or WINDOWS)
    result = []
    for query in queries:
        names = names_by_kind[query.kind] if query.window in windows else frozenset()
        all_series = query.name in whole_queries
        series = tuple(name for name in query.series if all_series or name in names)
        if series:
            result.append(SelectedQuery(query, series))
    if not result:
        raise UserError("Nothing is selected: name queries, kinds, sensors, types or nodes.", path=("input",))
    return result


def _selected_names(
    request: JobRequest, definitions: Definitions, trees: Iterable[Tree]
) -> Mapping[SeriesKind, frozenset[str]]:
    all_names = {
        SeriesKind.SENSOR: definitions.sensors,
        SeriesKind.TYPE: definitions.types,
        SeriesKind.NODE: definitions.nodes,
    }
    nodes = set(
        _nodes(_check_names("nodes", request.nodes, _all_nodes(trees), "tree node"), request.scope, trees)
    )
    below = (name for node in nodes for name in definitions.nodes.get(node, ()) if request.with_sensors)
    names = {
        SeriesKind.SENSOR: {
            *_check_names("sensors", request.sensors, all_names[SeriesKind.SENSOR], "sensor"),
            *below,
        },
        SeriesKind.TYPE: set(_check_names("types", request.types, all_names[SeriesKind.TYPE], "sensor type")),
        SeriesKind.NODE: nodes,
    }
    return {
        kind: frozenset(all_names[kind]) if kind in request.kinds else frozenset(names)
        for kind, names in names.items()
    }


def _check_names(field: str, names: Sequence[str], known: Iterable[str], what: str) -> Sequence[str]:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise NotFound(f"There is no {what} {unknown[0]!r}.", path=("input", field))
    return names


def _all_nodes(trees: Iterable[Tree]) -> set[str]:
    return {node for tree in trees for node in tree.by_id}


def _nodes(names: Sequence[str], scope: NodeSelection, trees: Iterable[Tree]) -> Iterator[str]:
    for tree in trees:
        for name in names:
            if name not in tree.by_id:
                continue
            yield name
            if scope in (NodeSelection.BELOW, NodeSelection.ALL):
                yield from _below(tree, name)
            if scope in (NodeSelection.ABOVE, NodeSelection.ALL):
                parent = tree.by_id[name].parent
                while parent is not None:
                    yield parent
                    parent = tree.by_id[parent].parent


def _below(tree: Tree, name: str) -> Iterator[str]:
    for child in tree.by_id[name].children:
        if child in tree.by_id:
            yield child
            yield from _below(tree, child)
