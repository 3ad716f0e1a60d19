"""The series that are rolled up: every sensor, every sensor type, every tree node, and the windows of each.

Users know these roll-ups as continuous queries; `queries` lists them under those names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from backend.core.bucket import SeriesKind, measurement
from backend.core.quantity import watts_per
from backend.core.tree import Tree
from backend.core.windows import WINDOWS, Window

WINDOWS_OF: Final[Mapping[SeriesKind, tuple[Window, ...]]] = {
    SeriesKind.SENSOR: WINDOWS,
    SeriesKind.TYPE: (Window.M1, Window.H1, Window.D1),
    SeriesKind.NODE: WINDOWS,
}


class SensorInfo(Protocol):
    """The properties of a sensor that the roll-ups use.

    `period_s` is the expected time between two readings in seconds; None if it is to be learned.
    """

    @property
    def sensor_type(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def period_s(self) -> float | None: ...

    @property
    def exclude_from_aggregation(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ContinuousQuery:
    """One roll-up as users name it: the measurement it fills, and the series in it."""

    name: str
    kind: SeriesKind
    window: Window
    series: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definitions:
    """The series that exist.

    sensors   sensors that are rolled up themselves
    types     sensor type -> the sensors that count in it
    nodes     tree node -> the distinct sensors at or below it; a node without sensors is not rolled up
    periods   sensor -> seconds between two readings, if the description states it
    learned   sensor -> seconds between two readings as learned, if the description does not state it
    weights   sensor -> factor of its unit in a node's sum, if it is not 1: 1000 for kW
    """

    sensors: tuple[str, ...]
    periods: Mapping[str, float]
    types: Mapping[str, tuple[str, ...]]
    nodes: Mapping[str, tuple[str, ...]]
    learned: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, sensors: Mapping[str, SensorInfo], trees: Iterable[Tree] = ()) -> Definitions:
        """Build the definitions.

        Raise ValueError if two trees use one node id for different sensors, or name an unknown sensor.
        """
        invalid = [n for n, i in sensors.items() if i.period_s is not None and not i.period_s > 0]
        if invalid:
            raise ValueError(f"the period of these sensors must be above 0 s: {', '.join(invalid)}")
        types: dict[str, list[str]] = {}
        for name, info in sensors.items():
            if not info.exclude_from_aggregation:
                types.setdefault(info.sensor_type, []).append(name)
        nodes: dict[str, tuple[str, ...]] = {}
        for tree in trees:
            for node, below in tree.leaves.items():
                _check_node(node, below, sensors, nodes)
                if below:
                    nodes[node] = below
        return cls(
            tuple(sensors),
            {name: info.period_s for name, info in sensors.items() if info.period_s is not None},
            {name: tuple(members) for name, members in types.items()},
            nodes,
            weights={
                name: scale for name, info in sensors.items() if (scale := watts_per(info.unit) or 1.0) != 1.0
            },
        )

    def affected_by(self, sensors: Iterable[str]) -> Definitions:
        """Return the part that a change of these sensors affects: the sensors, their types, the nodes above them."""
        affected = set(sensors)
        return replace(
            self,
            sensors=tuple(name for name in self.sensors if name in affected),
            types={name: members for name, members in self.types.items() if not affected.isdisjoint(members)},
            nodes={name: below for name, below in self.nodes.items() if not affected.isdisjoint(below)},
        )

    def only(
        self, sensors: Iterable[str] = (), types: Iterable[str] = (), nodes: Iterable[str] = ()
    ) -> Definitions:
        """Return the named series alone; names that are not defined are ignored."""
        sensor_names, type_names, node_names = set(sensors), set(types), set(nodes)
        return replace(
            self,
            sensors=tuple(name for name in self.sensors if name in sensor_names),
            types={name: members for name, members in self.types.items() if name in type_names},
            nodes={name: below for name, below in self.nodes.items() if name in node_names},
        )

    @property
    def undeclared_periods(self) -> tuple[str, ...]:
        """Sensors whose period the description does not state."""
        return tuple(name for name in self.sensors if name not in self.periods)

    def with_learned_periods(self, learned: Mapping[str, float]) -> Definitions:
        """Return a copy with learned periods; a period in the description takes precedence."""
        return replace(self, learned={n: s for n, s in learned.items() if n not in self.periods})

    def period(self, sensor: str) -> float:
        """Return the seconds between two readings; NaN if unknown."""
        return self.periods.get(sensor, self.learned.get(sensor, math.nan))

    def expected(self, groups: Mapping[str, Sequence[str]], window: Window) -> dict[str, float]:
        """Return the expected readings per window of each group of sensors.

        NaN if the period of one member is unknown.
        """
        return {
            name: sum(window.seconds / self.period(s) for s in members) for name, members in groups.items()
        }

    def queries(self) -> Sequence[ContinuousQuery]:
        """Return all roll-ups by the names users know, finest window first within a kind."""
        result = []
        for kind, names in ((SeriesKind.SENSOR, self.sensors), (SeriesKind.TYPE, tuple(self.types))):
            for window in WINDOWS_OF[kind]:
                result.append(ContinuousQuery(measurement(kind, "", window), kind, window, names))
        for node in self.nodes:
            for window in WINDOWS_OF[SeriesKind.NODE]:
                name = measurement(SeriesKind.NODE, node, window)
                result.append(ContinuousQuery(name, SeriesKind.NODE, window, (node,)))
        return result


def _check_node(
    node: str,
    below: tuple[str, ...],
    sensors: Mapping[str, SensorInfo],
    known_nodes: Mapping[str, tuple[str, ...]],
) -> None:
    unknown = [name for name in below if name not in sensors]
    if unknown:
        raise ValueError(f"node {node} uses unknown sensors: {', '.join(unknown)}")
    if node in known_nodes and set(known_nodes[node]) != set(below):
        raise ValueError(
            f"two trees have a node {node} with different sensors; rename one, since their roll-ups would share the name"
        )
