"""The description of the data centre as nested plain objects, in the shapes of the old API."""

from __future__ import annotations

from typing import Any

from backend.core.quantity import watts_per
from backend.core.tree import Tree, TreeNode
from backend.inventory.model import Inventory


def nested(tree: Tree) -> dict[str, Any]:
    """A tree as `{"level", "node", "children"}`; `children` of a node are spelt as in the description."""

    def branch(node: TreeNode, level: int) -> dict[str, Any]:
        below = [branch(tree.by_id[child], level + 1) for child in node.children]
        return {"level": level, "node": _node(node, tree.root), "children": below}

    return branch(tree.by_id[tree.root], 0)


def _node(node: TreeNode, root: str) -> dict[str, Any]:
    said: dict[str, Any] = {"id": node.id, "name": node.name, "root": node.id == root}
    if node.target is not None:
        said["target"] = node.target
    if node.children:
        said["children"] = list(node.written or node.children)
    return said


def servers(inventory: Inventory) -> list[dict[str, Any]]:
    """Servers and switches with the probes that stand at them, by side, and their power sensors."""
    temperatures: dict[str, dict[str, str]] = {}
    for probe in inventory.probes:
        for server in probe.servers:
            temperatures.setdefault(server, {}).setdefault(probe.side, probe.sensor)
    power = power_of(inventory)
    return [
        {"name": name, "temp": temperatures.get(name, {}), "power": list(power.get(name, {}).values())}
        for name in _equipment(inventory)
    ]


def power_of(inventory: Inventory) -> dict[str, dict[str, str]]:
    """Power sensors of each server or switch, by the device that meters it."""
    wanted = set(_equipment(inventory))
    found: dict[str, dict[str, str]] = {}
    for sensor in inventory.sensors.values():
        if sensor.location in wanted and watts_per(sensor.unit) is not None:
            meters = found.setdefault(sensor.location, {})
            key = sensor.parent or sensor.name
            meters[key if key not in meters else sensor.name] = sensor.name
    return found


def infrastructure(inventory: Inventory) -> dict[str, Any]:
    """The consumption tree, and beside it the racks (`cluster`), what meters each server, and the probes of each rack."""
    temperature: dict[str, dict[str, dict[str, Any]]] = {}
    for probe in inventory.probes:
        side = temperature.setdefault(probe.rack, {}).setdefault(probe.side, {})
        side[str(probe.position)] = {"serie": probe.sensor, "tags": list(probe.servers)}
    site = inventory.site
    racks = {
        rack.id: {e.name: {"position": e.position, "type": e.type} for e in rack.equipment}
        for rack in site.racks
    }
    return {
        **nested(inventory.consumption),
        "cluster": {"name": site.name, "site": site.site, "racks": racks},
        "power": power_of(inventory),
        "temperature": temperature,
    }


def _equipment(inventory: Inventory) -> list[str]:
    return [e.name for rack in inventory.site.racks for e in rack.equipment]
