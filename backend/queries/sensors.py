"""Which sensors there are, and what each said last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backend.core.clock import Clock
from backend.core.errors import UserError
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory, Probe, PushSource, Sensor
from backend.queries.live import Live

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a sensor: `time_ns` UTC, `value` in its unit, `age_s` in seconds, `stale` once it is silent."""

    time_ns: int
    value: float
    age_s: float
    stale: bool


@dataclass(frozen=True, slots=True)
class SensorPage:
    """Some of the sensors that match; `total` counts all of them."""

    total: int
    sensors: Sequence[Sensor]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many sensors share a type and a unit."""

    name: str
    unit: str
    count: int


def undescribed(name: str) -> Sensor:
    """A probe that a card pushes and no file describes: kept and shown, so that it can be found and described."""
    return Sensor(
        name=name,
        sensor_type="temperature",
        unit="celsius",
        method="temperature_push",
        group="undescribed",
        source=PushSource(),
        location="room exterior",
        info="Pushed by a card; not in the description.",
    )


class SensorService:
    """Sensors of the description, and those that report without being described."""

    def __init__(self, inventory: Inventory, live: Live, clock: Clock) -> None:
        self._described = inventory.sensors
        self._live = live
        self._clock = clock
        self._found: dict[str, Sensor] = {}
        self.probes: Mapping[str, Probe] = {p.sensor: p for p in inventory.probes}

    @property
    def count(self) -> int:
        """How many are described."""
        return len(self._described)

    def all(self) -> Sequence[Sensor]:
        """Described sensors in the order of the files, then the undescribed ones."""
        extra = [n for n in self._live.view.snapshot().names if n not in self._described]
        return [*self._described.values(), *(self._undescribed(n) for n in extra)]

    def is_described(self, name: str) -> bool:
        return name in self._described

    def find(self, name: str) -> Sensor | None:
        sensor = self._described.get(name)
        if sensor is None and self._live.view.latest(name) is not None:
            return self._undescribed(name)
        return sensor

    def require(self, names: Iterable[str]) -> list[Sensor]:
        """The sensors of these names; raises `UserError` naming those that do not exist."""
        found = [(n, self.find(n)) for n in dict.fromkeys(names)]
        unknown = [n for n, sensor in found if sensor is None]
        if unknown:
            raise UserError(
                f"sensors: there is no sensor {', '.join(map(repr, unknown[:5]))}"
                f"{' and others' if len(unknown) > 5 else ''}: take names from the query `sensors`."
            )
        return [sensor for _, sensor in found if sensor is not None]

    def select(
        self,
        sensor_type: str | None = None,
        method: str | None = None,
        search: str | None = None,
        names: Collection[str] | None = None,
    ) -> list[Sensor]:
        """Return the sensors that match all filters. Each word of `search` is in label, name, type, location, parent or a tag."""
        words = (search or "").lower().split()
        named = None if names is None else frozenset(names)
        return [
            s
            for s in self.all()
            if (sensor_type is None or s.sensor_type == sensor_type)
            and (method is None or s.method == method)
            and (named is None or s.name in named)
            and (not words or _matches(s, words))
        ]

    def page(self, matching: Sequence[Sensor], first: int, after: str | None) -> SensorPage:
        """`first` sensors behind the one named `after`. Raises `UserError` for a size or a name that cannot be."""
        if not 0 <= first <= MAX_PAGE:
            raise UserError(
                f"sensors(first: {first}): expected 0 to {MAX_PAGE}: page with `after: pageInfo.endCursor`."
            )
        start = 0
        if after is not None:
            names = [s.name for s in matching]
            if after not in names:
                raise UserError(
                    "sensors(after:): the cursor is of no sensor in this list: start again without `after`."
                )
            start = names.index(after) + 1
        stop = start + first
        return SensorPage(len(matching), matching[start:stop], start > 0, stop < len(matching))

    def types(self) -> list[TypeCount]:
        """Types with their units and counts, by name."""
        counts = Counter((s.sensor_type, s.unit) for s in self.all())
        return [TypeCount(name, unit, count) for (name, unit), count in sorted(counts.items())]

    def latest(self, name: str) -> Latest | None:
        reading = self._live.view.latest(name)
        if reading is None:
            return None
        age_ns = max(0, self._clock.now_ns() - reading.time_ns)
        stale = age_ns > self._live.max_age_ns(name)
        return Latest(reading.time_ns, reading.value, age_ns / NS_PER_SECOND, stale)

    def _undescribed(self, name: str) -> Sensor:
        return self._found.setdefault(name, undescribed(name))


def _matches(sensor: Sensor, words: Sequence[str]) -> bool:
    text = "\n".join(
        (sensor.label, sensor.name, sensor.sensor_type, sensor.location, sensor.parent or "", *sensor.tags)
    ).lower()
    return all(word in text for word in words)
