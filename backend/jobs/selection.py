"""Which continuous queries a request means. Pure."""

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


class Scope(StrEnum):
    """Which nodes a named node stands for."""

    SELF = "self"
    BELOW = "below"  # itself and all below it
    ABOVE = "above"  # itself and all above it
    ALL = "all"  # both


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What to compute again; what is named adds up. Times are ns, None for all that is kept, or up to now.

    queries   names of continuous queries
    kinds     all of a kind
    scope     what the named nodes stand for; `with_sensors` adds the sensors at or below these nodes
    windows   only these; all of them where none is named
    """

    queries: Sequence[str] = ()
    kinds: Sequence[SeriesKind] = ()
    sensors: Sequence[str] = ()
    types: Sequence[str] = ()
    nodes: Sequence[str] = ()
    scope: Scope = Scope.SELF
    with_sensors: bool = False
    windows: Sequence[Window] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    priority: Priority = Priority.LOW


@dataclass(frozen=True, slots=True)
class Chosen:
    """A continuous query and those of its series that are wanted."""

    query: ContinuousQuery
    series: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return len(self.series) == len(self.query.series)


def choose(request: JobRequest, definitions: Definitions, trees: Iterable[Tree]) -> Sequence[Chosen]:
    """The queries that are meant, as they are listed. Raises `NotFound` for a name that is not there, `UserError` where
    nothing is meant at all."""
    named = _named(request, definitions, trees)
    queries = definitions.queries()
    whole = set(_known("queries", request.queries, {query.name for query in queries}, "continuous query"))
    windows = set(request.windows or WINDOWS)
    found = []
    for query in queries:
        wanted = named[query.kind] if query.window in windows else frozenset()
        every = query.name in whole
        series = tuple(name for name in query.series if every or name in wanted)
        if series:
            found.append(Chosen(query, series))
    if not found:
        raise UserError("Nothing to compute: name queries, kinds, sensors, types or nodes.", path=("input",))
    return found


def _named(
    request: JobRequest, definitions: Definitions, trees: Iterable[Tree]
) -> Mapping[SeriesKind, frozenset[str]]:
    every = {
        SeriesKind.SENSOR: definitions.sensors,
        SeriesKind.TYPE: definitions.types,
        SeriesKind.NODE: definitions.nodes,
    }
    nodes = set(_nodes(_known("nodes", request.nodes, _all_nodes(trees), "tree node"), request.scope, trees))
    below = (name for node in nodes for name in definitions.nodes.get(node, ()) if request.with_sensors)
    named = {
        SeriesKind.SENSOR: {*_known("sensors", request.sensors, every[SeriesKind.SENSOR], "sensor"), *below},
        SeriesKind.TYPE: set(_known("types", request.types, every[SeriesKind.TYPE], "sensor type")),
        SeriesKind.NODE: nodes,
    }
    return {
        kind: frozenset(every[kind]) if kind in request.kinds else frozenset(names)
        for kind, names in named.items()
    }


def _known(field: str, names: Sequence[str], known: Iterable[str], what: str) -> Sequence[str]:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise NotFound(f"There is no {what} {unknown[0]!r}.", path=("input", field))
    return names


def _all_nodes(trees: Iterable[Tree]) -> set[str]:
    return {node for tree in trees for node in tree.by_id}


def _nodes(named: Sequence[str], scope: Scope, trees: Iterable[Tree]) -> Iterator[str]:
    for tree in trees:
        for name in named:
            if name not in tree.by_id:
                continue
            yield name
            if scope in (Scope.BELOW, Scope.ALL):
                yield from _below(tree, name)
            if scope in (Scope.ABOVE, Scope.ALL):
                parent = tree.by_id[name].parent
                while parent is not None:
                    yield parent
                    parent = tree.by_id[parent].parent


def _below(tree: Tree, name: str) -> Iterator[str]:
    for child in tree.by_id[name].children:
        if child in tree.by_id:
            yield child
            yield from _below(tree, child)
