"""The description of the data centre as nested plain objects, in the shapes of the REST API."""

from __future__ import annotations

from typing import Any

from backend.core.quantity import watts_per
from backend.core.tree import Tree, TreeNode
from backend.inventory.model import Inventory


def nested_tree(tree: Tree) -> dict[str, Any]:
    """Return a tree as `{"level", "node", "children"}`. A node lists its children as the description spells them."""

    def branch(node: TreeNode, level: int) -> dict[str, Any]:
        children = [branch(tree.by_id[child], level + 1) for child in node.children]
        return {"level": level, "node": _node(node, tree.root), "children": children}

    return branch(tree.by_id[tree.root], 0)


def _node(node: TreeNode, root: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": node.id, "name": node.name, "root": node.id == root}
    if node.target is not None:
        fields["target"] = node.target
    if node.children:
        fields["children"] = list(node.written or node.children)
    return fields


def servers(inventory: Inventory) -> list[dict[str, Any]]:
    """Return the servers and switches with their temperature probes, by side, and their power sensors."""
    temperatures: dict[str, dict[str, str]] = {}
    for probe in inventory.probes:
        for server in probe.servers:
            temperatures.setdefault(server, {}).setdefault(probe.side, probe.sensor)
    power = power_sensors(inventory)
    return [
        {"name": name, "temp": temperatures.get(name, {}), "power": list(power.get(name, {}).values())}
        for name in _equipment(inventory)
    ]


def power_sensors(inventory: Inventory) -> dict[str, dict[str, str]]:
    """Return the power sensors of each server or switch, by the device that meters it."""
    equipment = set(_equipment(inventory))
    by_location: dict[str, dict[str, str]] = {}
    for sensor in inventory.sensors.values():
        if sensor.location in equipment and watts_per(sensor.unit) is not None:
            meters = by_location.setdefault(sensor.location, {})
            key = sensor.parent or sensor.name
            meters[key if key not in meters else sensor.name] = sensor.name
    return by_location


def infrastructure(inventory: Inventory) -> dict[str, Any]:
    """Return the consumption tree with the racks (`cluster`), the power sensors of each server, and the rack probes."""
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
        **nested_tree(inventory.consumption),
        "cluster": {"name": site.name, "site": site.site, "racks": racks},
        "power": power_sensors(inventory),
        "temperature": temperature,
    }


def _equipment(inventory: Inventory) -> list[str]:
    return [e.name for rack in inventory.site.racks for e in rack.equipment]
