"""The data classes of sensors, trees and live readings. A data frame can be made from a list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor with its newest reading: `value` in its `unit`, `age_s` in seconds; None if it never reported.

    `name` is the id, `label` the text for people.
    """

    name: str
    type: str
    unit: str
    location: str
    method: str
    parent: str | None
    tags: Sequence[str]
    period_s: float
    time: datetime | None
    value: float | None
    age_s: float | None
    label: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node of an energy tree. `watts` is the sum over the reporting sensors; None if none reports.

    `coverage` (0 to 1) is the share of the sensors that report; `missing` lists the silent ones.
    """

    id: str
    name: str
    parent: str | None
    target: str | None
    watts: float | None
    coverage: float
    sensors_expected: int
    sensors_reporting: int
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tree:
    """An energy tree at one time, parents before children."""

    at: datetime
    nodes: Sequence[Node]

    def __getitem__(self, node: str) -> Node:
        """Return the node with this id, in which `-` may stand for `_`. Raises KeyError."""
        nodes = {n.id: n for n in self.nodes}
        return nodes[node] if node in nodes else nodes[node.replace("-", "_")]

    def children(self, node: str) -> list[Node]:
        """Return the children of a node. Raises KeyError."""
        return [n for n in self.nodes if n.parent == self[node].id]

    @property
    def root(self) -> Node:
        """The root of the tree."""
        return self.nodes[0]


@dataclass(frozen=True, slots=True)
class Batch:
    """Live readings as columns of equal length; `times_ms` are ms since the epoch.

    snapshot  True if it holds the newest reading of every subscribed sensor; False if it holds the readings since the last batch
    gap_from  None, or the time from which readings were missed: the connection was lost, or this client was too slow.
              Read them from the store: `series(start=batch.gap_from, ...)`
    """

    snapshot: bool
    gap_from: datetime | None
    sensors: Sequence[str]
    times_ms: Sequence[int]
    values: Sequence[float]

    def latest(self) -> Mapping[str, float]:
        """Return the last value of each sensor."""
        return dict(zip(self.sensors, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class Columns:
    """One series for a chart: `times_ms` (n,), `values` (n,), which are readings or means with None in a gap, and `coverage`.

    `statistics` holds the requested statistics besides the mean; it is empty for raw readings.
    """

    sensor: str | None
    node: str | None
    unit: str
    window: str
    step_s: float | None
    times_ms: Sequence[int]
    values: Sequence[float | None]
    statistics: Mapping[str, Sequence[float | None]]
    coverage: Sequence[float | None] | None


Answer = Mapping[str, Any]
"""The data of a GraphQL response."""
