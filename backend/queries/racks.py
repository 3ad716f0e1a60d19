"""Racks with their equipment, and the temperature probes at their front and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.clock import Clock
from backend.core.quantity import watts_per
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory, RoomArray, RoomPlan, Side
from backend.queries.live import LiveValues


@dataclass(frozen=True, slots=True)
class EquipmentState:
    """A server or switch. `watts` is the sum over its reporting wattmeters; None if none reports."""

    name: str
    type: str
    position: int
    wattmeters: tuple[str, ...]
    watts: float | None
    reporting: int


@dataclass(frozen=True, slots=True)
class ProbeState:
    """A temperature probe. `celsius` is None if it is silent; `age_s` is None if it never reported."""

    sensor: str
    side: Side
    position: int
    servers: tuple[str, ...]
    celsius: float | None
    age_s: float | None


@dataclass(frozen=True, slots=True)
class RackState:
    """A rack of `units` height units with its equipment and probes."""

    id: str
    units: int
    equipment: tuple[EquipmentState, ...]
    probes: tuple[ProbeState, ...]


class RackService:
    """Combines racks.yaml, temperature.yaml and room_map.yaml with last values."""

    def __init__(self, inventory: Inventory, live: LiveValues, clock: Clock) -> None:
        self._inventory = inventory
        self._live = live
        self._clock = clock
        meters: dict[str, list[str]] = {}
        for sensor in inventory.sensors.values():
            if watts_per(sensor.unit) is not None:
                meters.setdefault(sensor.location, []).append(sensor.name)
        self._meters = {location: tuple(names) for location, names in meters.items()}
        self._probes = tuple(p.sensor for p in inventory.probes)
        self._wattmeters = tuple(dict.fromkeys(n for names in self._meters.values() for n in names))
        units = (inventory.sensors[name].unit for name in self._wattmeters)
        self._watts_per_unit = np.array([watts_per(unit) for unit in units], np.float64)

    @property
    def count(self) -> int:
        """Number of racks, including racks that only have probes."""
        return len({*(r.id for r in self._inventory.site.racks), *(p.rack for p in self._inventory.probes)})

    def racks(self) -> list[RackState]:
        """Return the racks in the order of racks.yaml, then racks that only have probes."""
        now_ns = self._clock.now_ns()
        values = self._live.values(self._wattmeters, now_ns) * self._watts_per_unit
        watts = dict(zip(self._wattmeters, values.tolist(), strict=True))
        probes = self._probe_states(now_ns)
        equipment = {
            rack.id: tuple(
                self._equipment(e.name, e.type, e.position, watts)
                for e in sorted(rack.equipment, key=lambda e: -e.position)
            )
            for rack in self._inventory.site.racks
        }
        return [
            self._rack(rack_id, equipment.get(rack_id, ()), tuple(probes.get(rack_id, ())))
            for rack_id in dict.fromkeys([*equipment, *probes])
        ]

    def _rack(
        self, rack_id: str, equipment: tuple[EquipmentState, ...], probes: tuple[ProbeState, ...]
    ) -> RackState:
        highest = max([*(e.position for e in equipment), *(p.position for p in probes)], default=0)
        return RackState(rack_id, max(self._inventory.site.units, highest), equipment, probes)

    def plan(self) -> RoomPlan | None:
        """Return the floor plan; None if the description has none."""
        return self._inventory.plan

    def room(self) -> tuple[RoomArray, ...]:
        """Return the sensor arrays of room_map.yaml."""
        return self._inventory.room

    def _equipment(self, name: str, kind: str, position: int, watts: dict[str, float]) -> EquipmentState:
        meters = self._meters.get(name, ())
        reporting = [w for m in meters if (w := watts[m]) == w]  # NaN is not equal to itself
        total = sum(reporting) if reporting else None
        return EquipmentState(name, kind, position, meters, total, len(reporting))

    def _probe_states(self, now_ns: int) -> dict[str, list[ProbeState]]:
        values = self._live.values(self._probes, now_ns)
        times = self._live.times(self._probes)
        ages = np.maximum(now_ns - times, 0) / NS_PER_SECOND
        by_rack: dict[str, list[ProbeState]] = {}
        rows = zip(self._inventory.probes, values.tolist(), ages.tolist(), times.tolist(), strict=True)
        for probe, value, age_s, time_ns in rows:
            state = ProbeState(
                probe.sensor,
                probe.side,
                probe.position,
                probe.servers,
                None if value != value else value,
                age_s if time_ns > 0 else None,
            )
            by_rack.setdefault(probe.rack, []).append(state)
        return by_rack
