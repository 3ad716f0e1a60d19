"""multitree.yaml and production.yaml: a map of nodes that must form one tree."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Final

from pydantic import Field, RootModel

from backend.core.errors import Fault
from backend.core.tree import Tree, TreeNode
from backend.inventory.validation import Entry, Location, Names, SourceFile, map_of
from backend.inventory.values import Flag, Name, NameKey, Text

CONSUMPTION: Final = "multitree.yaml"
PRODUCTION: Final = "production.yaml"


class NodeEntry(Entry):
    """A node of an energy tree: a leaf with a target sensor, or an inner node with children."""

    expected_map: ClassVar[str] = "a map that describes a node"

    id: Name | None = Field(None, description="The node's key again; `-` and `_` mean the same.")
    name: Text | None = Field(None, description="Name for people.")
    root: Flag = Field(False, description="True for the one root of the file.")
    target: Name | None = Field(None, description="Sensor of a leaf.")
    children: Names = Field((), description="Ids of the nodes below; `-` and `_` mean the same.")
    simplified_children: Names = Field(
        (), description="Ids of nodes that meter the same watts; not in the sum."
    )


class TreeFile(RootModel[Annotated[dict[NameKey, NodeEntry], map_of("a map of nodes")]]):
    """multitree.yaml or production.yaml: nodes by id."""


@dataclass(slots=True)
class _Draft:
    """The nodes of a file before they are linked. `keys` are their keys in the file, for faults."""

    file: SourceFile
    nodes: dict[str, TreeNode] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    roots: list[str] = field(default_factory=list)

    def fault(self, node_id: str, expected: str, actual: str | None = None, at: Location = ()) -> None:
        self.file.fault((self.keys[node_id], *at), expected, actual)


def empty(name: str, root: str) -> Tree:
    """Return a tree with a root and nothing else."""
    return Tree(name, root, (TreeNode(root, root.replace("_", " ").capitalize(), None, (), None),))


def tree(name: str, file: SourceFile, sensors: Collection[str] | None) -> Tree | None:
    """Return the tree of a file, or None where it has faults.

    `sensors` are the names that targets may have; None where they are not known.
    """
    before = len(file.faults)
    draft = _read(file, sensors)
    _link(draft)
    _check_roots(draft)
    _check_cycles(draft)
    if len(file.faults) > before or not draft.roots:
        return None
    root = draft.roots[0]
    nodes = tuple(_walk(draft.nodes, [root]))
    attached = {n.id for n in nodes}
    tops = [i for i, n in draft.nodes.items() if n.parent is None and i != root]
    detached = tuple(n for n in _walk(draft.nodes, tops) if n.id not in attached)
    return Tree(name, root, nodes, detached)


def _read(file: SourceFile, sensors: Collection[str] | None) -> _Draft:
    draft = _Draft(file)
    for key, entry in file.validate(TreeFile).root.items():
        node_id = entry.id or key.strip()
        if _same(node_id) != _same(key):
            file.fault((key, "id"), f"the key, {key}")
            node_id = key
        if node_id in draft.nodes:
            file.fault((key,), "each node once", f"{node_id} again")
        if entry.target and sensors is not None and entry.target not in sensors:
            file.fault((key, "target"), "a sensor of sensors.yaml")
        if entry.target is not None and entry.children:
            file.fault((key,), "a target or children", "both")
        draft.nodes[node_id] = TreeNode(
            id=node_id,
            name=key if entry.name is None else entry.name,
            parent=None,
            children=entry.children,
            target=entry.target,
            simplified_children=entry.simplified_children,
            written=entry.children,
        )
        draft.keys[node_id] = key
        if entry.root:
            draft.roots.append(node_id)
    return draft


def _same(node_id: str) -> str:
    """Return the id with `_` for `-`: ids that differ in nothing else mean the same node."""
    return node_id.replace("-", "_")


def _link(draft: _Draft) -> None:
    """Resolve children to ids, and give every child its parent."""
    ids: dict[str, str] = {}
    for node_id in draft.nodes:
        if _same(node_id) in ids:
            draft.fault(
                node_id, f"an id that differs from {ids[_same(node_id)]} in more than '-' and '_'", node_id
            )
        ids.setdefault(_same(node_id), node_id)
    for node_id, node in draft.nodes.items():
        children = _resolve(draft, node_id, "children", node.children, ids)
        simplified = _resolve(draft, node_id, "simplified_children", node.simplified_children, ids)
        draft.nodes[node_id] = replace(node, children=children, simplified_children=simplified)
    for node_id, node in draft.nodes.items():
        for child in node.children:
            parent = draft.nodes[child].parent
            if parent is not None:
                repeat = f"{child}, which is a child of {parent} already"
                draft.fault(node_id, "each node once, below one node", repeat, ("children",))
            else:
                draft.nodes[child] = replace(draft.nodes[child], parent=node_id)


def _resolve(
    draft: _Draft, node_id: str, key: str, names: Sequence[str], ids: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the ids that the names of a list mean. A name without a node is a fault."""
    for i, name in enumerate(names):
        if name and _same(name) not in ids:
            draft.fault(node_id, f"a node of {draft.file.name}", at=(key, i))
    return tuple(ids[_same(n)] for n in names if _same(n) in ids)


def _check_roots(draft: _Draft) -> None:
    file = draft.file
    unreadable = any(fault.file == file.name and not fault.path for fault in file.faults)
    if not draft.roots and not unreadable:
        file.fault((), "one node with `root: true`", "no root")
    for extra in draft.roots[1:]:
        draft.fault(extra, f"exactly one root (already: {draft.roots[0]})", "another root", ("root",))
    for root in draft.roots:
        parent = draft.nodes[root].parent
        if parent is not None:
            draft.fault(root, "a root without a parent", f"a root that is a child of {parent}")


def _check_cycles(draft: _Draft) -> None:
    """Report each cycle once. A node has at most one parent, so a climb ends at a top or comes back."""
    settled: set[str] = set()
    for start in draft.nodes:
        path: dict[str, None] = {}
        here: str | None = start
        while here is not None and here not in settled and here not in path:
            path[here] = None
            here = draft.nodes[here].parent
        if here is not None and here in path:
            members = list(path)
            cycle = [*reversed(members[members.index(here) :])]
            draft.fault(here, "a tree", "a cycle: " + " > ".join([*cycle[-1:], *cycle]))
        settled.update(path)


def _walk(nodes: Mapping[str, TreeNode], tops: Sequence[str]) -> Iterator[TreeNode]:
    """Yield the nodes at and below the tops, parents first, in the order of the file's children."""
    todo = list(reversed(tops))
    while todo:
        node = nodes[todo.pop()]
        yield node
        todo.extend(reversed(node.children))


def shared_id_faults(consumption: Tree, production: Tree) -> Iterator[Fault]:
    """Yield a fault for each id that both trees have with other sensors: a node's id names one series, `cq_<id>_30s`."""
    for key in consumption.leaves.keys() & production.leaves.keys():
        if set(consumption.leaves[key]) != set(production.leaves[key]):
            clash = f"{key}, which has other sensors below it in {CONSUMPTION}"
            yield Fault(PRODUCTION, key, clash, "a unique id, or the same sensors")
