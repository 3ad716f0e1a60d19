"""What is rolled up: every sensor, every sensor type, every node of the energy trees, and at which windows.

Users know these as continuous queries; `queries` lists them under those names.
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
    """What the roll-ups need to know of a sensor.

    `period_s` is how often a reading is expected, in seconds; None where that is to be learned.
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
    """Which series exist.

    sensors   the sensors that are rolled up themselves
    types     sensor type -> the sensors that count in it
    nodes     tree node -> the distinct sensors at or below it; a node with none is not rolled up
    periods   sensor -> seconds between two readings, where the description says so
    learned   the same, of sensors of which it does not
    weights   sensor -> what one of its unit counts in a node's sum, where that is not 1: 1000 for kW
    """

    sensors: tuple[str, ...]
    periods: Mapping[str, float]
    types: Mapping[str, tuple[str, ...]]
    nodes: Mapping[str, tuple[str, ...]]
    learned: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, sensors: Mapping[str, SensorInfo], trees: Iterable[Tree] = ()) -> Definitions:
        """Raises ValueError where two trees use one node id for different sensors, or name an unknown sensor."""
        idle = [n for n, i in sensors.items() if i.period_s is not None and not i.period_s > 0]
        if idle:
            raise ValueError(f"the period of these sensors is not above 0 s: {', '.join(idle)}")
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

    def around(self, sensors: Iterable[str]) -> Definitions:
        """The part that a change of these sensors touches: themselves, their types, the nodes above them."""
        chosen = set(sensors)
        return replace(
            self,
            sensors=tuple(name for name in self.sensors if name in chosen),
            types={name: members for name, members in self.types.items() if not chosen.isdisjoint(members)},
            nodes={name: below for name, below in self.nodes.items() if not chosen.isdisjoint(below)},
        )

    def only(
        self, sensors: Iterable[str] = (), types: Iterable[str] = (), nodes: Iterable[str] = ()
    ) -> Definitions:
        """The named series alone; names that are not defined are left out."""
        wanted, kinds, places = set(sensors), set(types), set(nodes)
        return replace(
            self,
            sensors=tuple(name for name in self.sensors if name in wanted),
            types={name: members for name, members in self.types.items() if name in kinds},
            nodes={name: below for name, below in self.nodes.items() if name in places},
        )

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The sensors whose period the description does not say."""
        return tuple(name for name in self.sensors if name not in self.periods)

    def knowing(self, learned: Mapping[str, float]) -> Definitions:
        """With learned periods; what the description says outweighs them."""
        return replace(self, learned={n: s for n, s in learned.items() if n not in self.periods})

    def period(self, sensor: str) -> float:
        """Seconds between two readings; NaN where that is not known."""
        return self.periods.get(sensor, self.learned.get(sensor, math.nan))

    def expected(self, groups: Mapping[str, Sequence[str]], window: Window) -> dict[str, float]:
        """How many readings a window of each group of sensors should have; NaN where one member's period is not known."""
        return {
            name: sum(window.seconds / self.period(s) for s in members) for name, members in groups.items()
        }

    def queries(self) -> Sequence[ContinuousQuery]:
        """All roll-ups by the names users know, finest window first within a kind."""
        found = []
        for kind, names in ((SeriesKind.SENSOR, self.sensors), (SeriesKind.TYPE, tuple(self.types))):
            for window in WINDOWS_OF[kind]:
                found.append(ContinuousQuery(measurement(kind, "", window), kind, window, names))
        for node in self.nodes:
            for window in WINDOWS_OF[SeriesKind.NODE]:
                name = measurement(SeriesKind.NODE, node, window)
                found.append(ContinuousQuery(name, SeriesKind.NODE, window, (node,)))
        return found


def _check_node(
    node: str, below: tuple[str, ...], sensors: Mapping[str, SensorInfo], seen: Mapping[str, tuple[str, ...]]
) -> None:
    unknown = [name for name in below if name not in sensors]
    if unknown:
        raise ValueError(f"node {node} stands on unknown sensors: {', '.join(unknown)}")
    if node in seen and set(seen[node]) != set(below):
        raise ValueError(
            f"two trees have a node {node} over different sensors; their roll-ups would share one name"
        )
