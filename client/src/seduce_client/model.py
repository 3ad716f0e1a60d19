"""What the server says of sensors, the tree and live readings. A list of them makes a data frame as it is."""

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
    """A node of an energy tree: `watts` are of the sensors that report, None where none does.

    `coverage` (0 to 1) is the share that reports; `missing` are the silent ones.
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
    """An energy tree at a moment, parents before children."""

    at: datetime
    nodes: Sequence[Node]

    def __getitem__(self, node: str) -> Node:
        """The node of an id; an id may be written with `-` for `_`. Raises KeyError."""
        found = {n.id: n for n in self.nodes}
        return found[node] if node in found else found[node.replace("-", "_")]

    def children(self, node: str) -> list[Node]:
        return [n for n in self.nodes if n.parent == self[node].id]

    @property
    def root(self) -> Node:
        return self.nodes[0]


@dataclass(frozen=True, slots=True)
class Batch:
    """Live readings as columns of equal length; `times_ms` are ms since the epoch.

    `snapshot`: the newest reading of every sensor that is watched, where else it is what came since the batch before.
    `gap_from`: where something was missed (the connection was lost, or this client was slower than the readings), the time of
    the last batch before; the readings from then on are in the store: `series(start=batch.gap_from, ...)`.
    """

    snapshot: bool
    gap_from: datetime | None
    sensors: Sequence[str]
    times_ms: Sequence[int]
    values: Sequence[float]

    def latest(self) -> Mapping[str, float]:
        """The last value of each sensor."""
        return dict(zip(self.sensors, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class Columns:
    """One series for looking at: `times_ms` (n,), `values` (n,), readings or means, with None in a gap, and `coverage`.

    `statistics` are those asked for besides the mean; of readings, none.
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
"""The data of a GraphQL answer."""
