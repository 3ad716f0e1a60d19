"""multitree.yaml and production.yaml: a map of nodes that must make one tree."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.core.errors import Fault
from backend.core.tree import Tree, TreeNode
from backend.inventory.document import Map
from backend.inventory.fields import FLAG, NAME, TEXT, Item

CONSUMPTION: Final = "multitree.yaml"
PRODUCTION: Final = "production.yaml"


@dataclass(slots=True)
class _Draft:
    """The nodes of a file while it is read: `items` are their places, for faults."""

    nodes: dict[str, TreeNode]
    items: dict[str, Item]
    roots: list[str]


def empty(name: str, root: str) -> Tree:
    """A tree of a root alone."""
    return Tree(name, root, (TreeNode(root, root.replace("_", " ").capitalize(), None, (), None),))


def tree(name: str, file: str, top: Map, sensors: Collection[str] | None, faults: list[Fault]) -> Tree | None:
    """The tree of a file; None where faults (added to `faults`) leave no root."""
    before = len(faults)
    place = Item(file, "", top, faults)
    draft = _read(place, sensors)
    _link(draft)
    _check_roots(place, draft)
    _check_cycles(draft)
    if len(faults) > before or not draft.roots:
        return None
    root = draft.roots[0]
    nodes = tuple(_walk(draft.nodes, [root]))
    attached = {n.id for n in nodes}
    tops = [i for i, n in draft.nodes.items() if n.parent is None and i != root]
    detached = tuple(n for n in _walk(draft.nodes, tops) if n.id not in attached)
    return Tree(name, root, nodes, detached)


def _read(place: Item, sensors: Collection[str] | None) -> _Draft:
    draft = _Draft({}, {}, [])
    for key, item in place.items():
        if not isinstance(item.value, Map):
            item.fault("a map that describes a node")
            continue
        node_id = item["id"].get(NAME, item.key(key).need(NAME, key))
        if _same(node_id) != _same(key):
            item["id"].fault(f"the key, {key}")
            node_id = key
        if node_id in draft.nodes:
            item.fault("each node once", f"{node_id} again")
        target = None if item["target"].missing else item["target"].need(NAME, "")
        if target and sensors is not None and target not in sensors:
            item["target"].fault("a sensor of sensors.yaml")
        children = item["children"].texts()
        if target is not None and children:
            item.fault("a target or children", "both")
        draft.nodes[node_id] = TreeNode(
            id=node_id,
            name=item["name"].get(TEXT, key),
            parent=None,
            children=children,
            target=target,
            simplified_children=item["simplified_children"].texts(),
            written=children,
        )
        draft.items[node_id] = item
        if item["root"].get(FLAG, False):
            draft.roots.append(node_id)
    return draft


def _same(node_id: str) -> str:
    """Ids that differ only in `-` and `_` mean the same node."""
    return node_id.replace("-", "_")


def _link(draft: _Draft) -> None:
    """Resolve children to ids, and give every child its parent."""
    known: dict[str, str] = {}
    for key in draft.nodes:
        if _same(key) in known:
            draft.items[key].fault(
                f"an id that differs from {known[_same(key)]} in more than '-' and '_'", key
            )
        known.setdefault(_same(key), key)
    for key, node in draft.nodes.items():
        item = draft.items[key]
        children = _resolve(item["children"], node.children, known)
        simplified = _resolve(item["simplified_children"], node.simplified_children, known)
        draft.nodes[key] = replace(draft.nodes[key], children=children, simplified_children=simplified)
    for key, node in draft.nodes.items():
        for child in node.children:
            first = draft.nodes[child].parent
            if first is not None:
                draft.items[key]["children"].fault(
                    "each node once, below one node", f"{child}, which is a child of {first} already"
                )
            else:
                draft.nodes[child] = replace(draft.nodes[child], parent=key)


def _resolve(item: Item, names: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
    for place, name in zip(item.list(), names, strict=True):
        if name and _same(name) not in known:
            place.fault(f"a node of {item.file}")
    return tuple(known[_same(n)] for n in names if _same(n) in known)


def _check_roots(place: Item, draft: _Draft) -> None:
    unreadable = any(f.file == place.file and not f.path for f in place.faults)
    if not draft.roots and not unreadable:
        place.fault("one node with `root: true`", "no root")
    for extra in draft.roots[1:]:
        draft.items[extra]["root"].fault(f"one root ({draft.roots[0]} is one already)", "another root")
    for root in draft.roots:
        parent = draft.nodes[root].parent
        if parent is not None:
            draft.items[root].fault("a root that is nobody's child", f"a root that is a child of {parent}")


def _check_cycles(draft: _Draft) -> None:
    """Every node has one parent at most, so a climb either ends or comes round."""
    settled: set[str] = set()
    for start in draft.nodes:
        path: dict[str, None] = {}
        here: str | None = start
        while here is not None and here not in settled and here not in path:
            path[here] = None
            here = draft.nodes[here].parent
        if here is not None and here in path:
            members = list(path)
            circle = [*reversed(members[members.index(here) :])]
            draft.items[here].fault("a tree", "a circle: " + " > ".join([*circle[-1:], *circle]))
        settled.update(path)


def _walk(nodes: Mapping[str, TreeNode], tops: Sequence[str]) -> Iterator[TreeNode]:
    """Nodes at and below the tops, parents first, in the order of the file's children."""
    todo = list(reversed(tops))
    while todo:
        node = nodes[todo.pop()]
        yield node
        todo.extend(reversed(node.children))


def check_shared(consumption: Tree, production: Tree, faults: list[Fault]) -> None:
    """A node id names one series, `cq_<id>_30s`: two trees may share it only for the same sensors."""
    for key in consumption.leaves.keys() & production.leaves.keys():
        here, there = set(consumption.leaves[key]), set(production.leaves[key])
        if here != there:
            found = f"{key}, which {CONSUMPTION} has with other sensors below it"
            faults.append(Fault(PRODUCTION, key, found, "an id of its own, or the same sensors"))
