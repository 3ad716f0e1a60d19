"""Labels of sensors and names of tree nodes, by id."""

from __future__ import annotations

from collections.abc import Iterable

from backend.core.bucket import SeriesKind
from backend.inventory.model import Inventory


class Labels:
    """Gives the text that people read in place of an id. An id that the description does not have is its own label."""

    def __init__(self, inventory: Inventory) -> None:
        self._sensors = {name: sensor.label for name, sensor in inventory.sensors.items()}
        trees = (inventory.production, inventory.consumption)
        self._nodes = {node.id: node.name for tree in trees for node in tree.by_id.values()}

    def sensor(self, name: str) -> str:
        return self._sensors.get(name, name)

    def optional_sensor(self, name: str | None) -> str | None:
        return None if name is None else self.sensor(name)

    def sensors(self, names: Iterable[str]) -> list[str]:
        """Return the labels of sensors, in the order of the names."""
        return [self._sensors.get(name, name) for name in names]

    def node(self, node_id: str) -> str:
        return self._nodes.get(node_id, node_id)

    def series(self, kind: SeriesKind, names: Iterable[str]) -> list[str]:
        """Return the labels of rolled-up series of one kind. Of a sensor type, that is the type."""
        if kind is SeriesKind.SENSOR:
            return self.sensors(names)
        return [self.node(name) for name in names] if kind is SeriesKind.NODE else list(names)

    def sensor_or_node(self, sensor: str | None, node: str | None) -> str:
        """Return the label of a series that has either a sensor or a node."""
        return self.sensor(sensor) if sensor is not None else self.node(node or "")
