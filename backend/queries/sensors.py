"""Lists, searches and pages sensors, each with its newest reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory, Probe, PushSource, Sensor
from backend.queries.live import LiveValues
from backend.watch.silence import is_silent

MAX_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a sensor: `value` in its unit, `age_s` in seconds. `stale` is True if the sensor is silent."""

    time_ns: int
    value: float
    age_s: float
    stale: bool


@dataclass(frozen=True, slots=True)
class SensorPage:
    """One page of the matching sensors; `total` counts all of them."""

    total: int
    sensors: Sequence[Sensor]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class TypeCount:
    """The number of sensors with the same type and unit."""

    name: str
    unit: str
    count: int


def undescribed(name: str) -> Sensor:
    """Return a sensor for a probe that a card pushes and no file describes. It is shown so that it can be described."""
    return Sensor(
        name=name,
        sensor_type="temperature",
        unit="celsius",
        method="temperature_push",
        group="undescribed",
        source=PushSource(),
        location="room exterior",
        info="Pushed by a card; not in the site description.",
    )


class SensorService:
    """The sensors of the description, and the undescribed ones that report."""

    def __init__(self, inventory: Inventory, live: LiveValues, clock: Clock) -> None:
        self._described = inventory.sensors
        self._live = live
        self._clock = clock
        self._undescribed: dict[str, Sensor] = {}
        self.probes: Mapping[str, Probe] = {p.sensor: p for p in inventory.probes}

    @property
    def count(self) -> int:
        """Number of described sensors."""
        return len(self._described)

    def all(self) -> Sequence[Sensor]:
        """Return the described sensors in the order of the files, then the undescribed ones."""
        names = [n for n in self._live.view.snapshot().names if n not in self._described]
        return [*self._described.values(), *(self._undescribed_sensor(n) for n in names)]

    def is_described(self, name: str) -> bool:
        """Return whether the sensor is in the description."""
        return name in self._described

    def find(self, name: str) -> Sensor | None:
        """Return one sensor, or None."""
        sensor = self._described.get(name)
        if sensor is None and self._live.view.latest(name) is not None:
            return self._undescribed_sensor(name)
        return sensor

    def require(self, names: Iterable[str]) -> list[Sensor]:
        """Return the sensors of these names, each once. Raises `UserError` for names that do not exist."""
        sensors = {name: self.find(name) for name in names}
        unknown = [name for name, sensor in sensors.items() if sensor is None]
        if unknown:
            raise UserError(
                f"sensors: unknown sensor {', '.join(map(repr, unknown[:5]))}"
                f"{' and others' if len(unknown) > 5 else ''}: use names from the query `sensors`."
            )
        return [sensor for sensor in sensors.values() if sensor is not None]

    def select(
        self,
        sensor_type: str | None = None,
        method: str | None = None,
        search: str | None = None,
        names: Collection[str] | None = None,
    ) -> list[Sensor]:
        """Return the sensors that match all filters.

        Every word of `search` must occur in the label, name, type, location, parent or a tag.
        """
        words = (search or "").lower().split()
        allowed_names = None if names is None else frozenset(names)
        return [
            s
            for s in self.all()
            if (sensor_type is None or s.sensor_type == sensor_type)
            and (method is None or s.method == method)
            and (allowed_names is None or s.name in allowed_names)
            and (not words or _matches(s, words))
        ]

    def page(self, matching: Sequence[Sensor], first: int, after: str | None) -> SensorPage:
        """Return `first` sensors after the one named `after`. Raises `UserError` for an invalid size or cursor."""
        if not 0 <= first <= MAX_PAGE:
            raise UserError(
                f"sensors(first: {first}): expected 0 to {MAX_PAGE}: page with `after: pageInfo.endCursor`."
            )
        start = 0
        if after is not None:
            names = [s.name for s in matching]
            if after not in names:
                raise UserError(
                    "sensors(after:): the cursor is not in this list: start again without `after`."
                )
            start = names.index(after) + 1
        stop = start + first
        return SensorPage(len(matching), matching[start:stop], start > 0, stop < len(matching))

    def types(self) -> list[TypeCount]:
        """Return the types with their units and counts, by name."""
        counts = Counter((s.sensor_type, s.unit) for s in self.all())
        return [TypeCount(name, unit, count) for (name, unit), count in sorted(counts.items())]

    def latest(self, name: str) -> Latest | None:
        """Return the newest reading of a sensor; None if it never reported."""
        reading = self._live.view.latest(name)
        if reading is None:
            return None
        now_ns = self._clock.now_ns()
        stale = is_silent(reading.time_ns, now_ns, self._live.silent_after_ns(name))
        age_s = max(0, now_ns - reading.time_ns) / NS_PER_SECOND
        return Latest(reading.time_ns, reading.value, age_s, stale)

    def _undescribed_sensor(self, name: str) -> Sensor:
        return self._undescribed.setdefault(name, undescribed(name))


def _matches(sensor: Sensor, words: Sequence[str]) -> bool:
    text = "\n".join(
        (sensor.label, sensor.name, sensor.sensor_type, sensor.location, sensor.parent or "", *sensor.tags)
    ).lower()
    return all(word in text for word in words)
