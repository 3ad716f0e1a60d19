"""The output of `seduce check`: all faults of a description, or a summary of its content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from backend.core.errors import DescriptionError
from backend.core.quantity import watts_per
from backend.core.tree import Tree
from backend.inventory.loader import load
from backend.inventory.model import Inventory, PushSource, Source


def check(folder: Path) -> tuple[int, str]:
    """Return exit code and text: 1 and all faults, one per line, or 0 and a summary."""
    try:
        inventory = load(folder)
    except DescriptionError as error:
        count = len(error.faults)
        return 1, f"{error}\n{count} fault{'s' if count != 1 else ''} in {folder}"
    return 0, "\n".join(summary(folder, inventory))


def summary(folder: Path, inventory: Inventory) -> Iterator[str]:
    """Yield lines on the content of the description, and a note for each likely oversight."""
    sensors = inventory.sensors.values()
    yield f"{folder}: no fault, {len(sensors)} sensors"
    yield f"  by method    {_counts(s.method for s in sensors)}"
    yield f"  by type      {_counts(s.sensor_type for s in sensors)}"
    yield f"  consumption  {_tree(inventory.consumption)}"
    yield f"  production   {_tree(inventory.production)}"
    racks = ", ".join(f"{rack.id} {len(rack.equipment)}" for rack in inventory.site.racks)
    yield f"  racks        {racks or 'none'} (servers and switches, {inventory.site.units} U)"
    yield f"  probes       {_counts(probe.rack for probe in inventory.probes) or 'none'}"
    sensor_count = sum(len(array.sensors) for array in inventory.room)
    picture = ", on a picture" if inventory.plan else ""
    yield f"  room         {len(inventory.room)} arrays with {sensor_count} sensors{picture}"
    actions = sum(len(target.actions) for target in inventory.commands)
    properties = sum(len(target.properties) for target in inventory.commands)
    yield f"  commands     {len(inventory.commands)} equipment, {actions} actions, {properties} properties"
    for note in notes(inventory):
        yield f"  note: {note}"


def notes(inventory: Inventory) -> Iterator[str]:
    """Yield a note for each part that is allowed but likely an oversight."""
    sensors = inventory.sensors.values()
    for tree in (inventory.consumption, inventory.production):
        nodes = tree.by_id.values()
        meters = {child for node in nodes for child in node.simplified_children}
        orphans = [n.id for n in tree.detached if n.parent is None and n.id not in meters]
        if orphans:
            yield f"{tree.name}: nodes without a parent (not in any sum): {_list(orphans)}"
        empty = [n.id for n in nodes if n.target is None and not n.children and n.id != tree.root]
        if empty:
            yield f"{tree.name}: nodes without target or children: {_list(empty)}"
        units = {s: inventory.sensors[s].unit for s in tree.leaves[tree.root]}
        scales = {s: watts_per(unit) for s, unit in units.items()}
        converted = [
            f"{s} ({units[s]}, as {scale:g} W)" for s, scale in scales.items() if scale not in (None, 1.0)
        ]
        if converted:
            yield f"{tree.name}: converted to W: {_list(converted)}"
        unit_faults = [f"{s} ({units[s]})" for s, scale in scales.items() if scale is None]
        if unit_faults:
            yield f"{tree.name}: warning: no unit of power, summed as W: {_list(unit_faults)}"
    readers: Counter[Source] = Counter(s.source for s in sensors if not isinstance(s.source, PushSource))
    duplicates = [s.name for s in sensors if readers[s.source] > 1]
    if duplicates:
        yield f"sensors with the same source: {_list(duplicates)}"
    in_trees = {
        s for t in (inventory.consumption, inventory.production) for below in t.leaves.values() for s in below
    }
    unused = [
        s.name
        for s in sensors
        if s.sensor_type == "wattmeter" and not s.exclude_from_aggregation and s.name not in in_trees
    ]
    if unused:
        yield f"wattmeters in no tree: {_list(unused)}"


def _counts(values: Iterable[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(values).most_common())


def _list(names: list[str], limit: int = 8) -> str:
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _tree(tree: Tree) -> str:
    detached = f", {len(tree.detached)} detached" if tree.detached else ""
    leaves = sum(node.target is not None for node in tree.nodes)
    return f"{tree.root}: {len(tree.nodes)} nodes, {leaves} leaves{detached}"
