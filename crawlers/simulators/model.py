"""The simulated data centre: one seeded model with the same curves for live devices and for back-filled history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from backend.core.quantity import unit_symbol
from backend.core.reading import Float64, Int64
from backend.core.windows import NS_PER_SECOND
from backend.inventory.model import Inventory, PushSource, Sensor, SnmpSource
from crawlers.simulators.curves import Context, Shape, shape_of
from crawlers.simulators.day import STEP_S, Days
from crawlers.simulators.encoding import Encoding, encoding_of
from crawlers.simulators.faults import Faults
from crawlers.simulators.load import ServerLoad
from crawlers.simulators.noise import fraction, seed_of, seeds, uniform

DAY_NS = 86_400 * NS_PER_SECOND
SWITCH_W = 78.0
PLUG_NOISE_W = 2.2

Bools = npt.NDArray[np.bool_]


class DataCentreModel:
    """Computes the value of any sensor at any time. It depends only on the seed and the time."""

    def __init__(self, inventory: Inventory, seed: int = 1, faults: Faults | None = None) -> None:
        self.seed = seed
        self.faults = faults or Faults()
        self.sensors = inventory.sensors
        self.names = tuple(inventory.sensors)
        self._row = {name: i for i, name in enumerate(self.names)}
        plugs = _plugs(inventory)
        self._load = ServerLoad(seed, _servers(inventory, plugs))
        self._set_plugs(plugs)
        switches = [s for s, at in plugs.items() if at not in self._load.names]
        self._days = Days(seed, self._load, SWITCH_W * len({plugs[s] for s in switches}))
        self._encodings = [encoding_of(s) for s in inventory.sensors.values()]
        self._seeds = seeds(seed, [f"noise/{n}" for n in self.names])
        self._shapes = self._make_shapes(inventory)
        self._noise = np.array([s.noise if s else PLUG_NOISE_W for s in self._shapes])
        self._share = np.array([s.share if s else 0.0 for s in self._shapes])
        self._place = (
            np.cumsum([s is not None for s in self._shapes]) - 1
        )  # row in the matrix of a day's curves
        self._matrix = lru_cache(maxsize=4)(self._day_matrix)

    def period_ns(self, name: str) -> int:
        return round(self.sensors[name].poll_s * NS_PER_SECOND)

    def value(self, names: Sequence[str], times: Int64) -> Float64:
        """Return the (n, m) values that crawlers read, in the sensors' units, for (n,) names and (m,) ns since the epoch."""
        return self._encoded(names, times, as_value=True)

    def raw(self, names: Sequence[str], times: Int64) -> Float64:
        """Return the (n, m) raw numbers of the devices (registers, printed numbers), before the scaling of the description."""
        return self._encoded(names, times, as_value=False)

    def is_reporting(self, name: str, times: Int64) -> Bools:
        """Return whether the sensor reports at each of (m,) times. A silent or broken probe does not."""
        is_reporting = np.ones(len(times), bool)
        if (since := self.faults.silent.get(name)) is not None:
            is_reporting &= times < since
        if name in self.faults.nan:
            slot = times // self.period_ns(name)
            is_reporting &= uniform(np.array(np.uint64(seed_of(self.seed, f"nan/{name}"))), slot) >= 0.25
        return is_reporting

    def _encoded(self, names: Sequence[str], times: Int64, as_value: bool) -> Float64:
        rows = np.array([self._row[name] for name in names], np.intp)
        physical = self._physical(rows, times)
        for encoding, where in self._by_encoding(rows):
            raw = encoding.raw(physical[where])
            physical[where] = encoding.value(raw) if as_value else raw
        return physical

    def _by_encoding(self, rows: npt.NDArray[np.intp]) -> Iterator[tuple[Encoding, slice | list[int]]]:
        positions: dict[Encoding, list[int]] = {}
        for i, row in enumerate(rows.tolist()):
            positions.setdefault(self._encodings[row], []).append(i)
        for encoding, where in positions.items():
            yield encoding, (slice(None) if len(where) == len(rows) else where)

    def _physical(self, rows: npt.NDArray[np.intp], times: Int64) -> Float64:
        out = np.empty((len(rows), len(times)))
        is_plug = np.array([self._shapes[row] is None for row in rows.tolist()], bool)
        t_s = times / NS_PER_SECOND
        if is_plug.any():
            out[is_plug] = self._plug_watts(rows[is_plug], t_s)
        if not is_plug.all():
            out[~is_plug] = self._interpolate(rows[~is_plug], times, t_s)
        noise = uniform(self._seeds[rows][:, None], (times // NS_PER_SECOND)[None, :])
        noise *= 2.0
        noise -= 1.0
        share = self._share[rows]
        width = self._noise[rows][:, None]
        noise *= width + share[:, None] * out if share.any() else width
        out += noise
        return out

    def _plug_watts(self, rows: npt.NDArray[np.intp], t_s: Float64) -> Float64:
        server = self._plug_server[rows]
        watts = self._load.watts(np.maximum(server, 0), t_s)
        watts[server < 0] = SWITCH_W
        watts *= self._plug_share[rows][:, None]
        return watts

    def _interpolate(self, rows: npt.NDArray[np.intp], times: Int64, t_s: Float64) -> Float64:
        numbers = times // DAY_NS
        if len(times) and numbers.min() == numbers.max():
            return self._interpolate_day(rows, int(numbers[0]), t_s)
        out = np.empty((len(rows), len(times)))
        for number in np.unique(numbers).tolist():
            is_in_day = numbers == number
            out[:, is_in_day] = self._interpolate_day(rows, number, t_s[is_in_day])
        return out

    def _interpolate_day(self, rows: npt.NDArray[np.intp], number: int, t_s: Float64) -> Float64:
        """Interpolate between the grid points of one day."""
        matrix = self._matrix(number)[self._place[rows]]
        place = (t_s - number * 86_400.0) / STEP_S
        index = place.astype(np.intp)
        before = matrix[:, index]
        after: Float64 = matrix[:, index + 1]
        after -= before
        after *= place - index
        after += before
        return after

    def _day_matrix(self, number: int) -> Float64:
        day = self._days.day(number)
        curves = [s.curve(day) for s in self._shapes if s is not None]
        return np.stack(curves) if curves else np.empty((0, 0))

    def _set_plugs(self, plugs: dict[str, str]) -> None:
        """Set the server of each plug (-1 for a constant load) and the plug's share of its power."""
        self._plug_server = np.full(len(self.names), -1, np.int64)
        self._plug_share = np.zeros(len(self.names))
        index = {name: i for i, name in enumerate(self._load.names)}
        plugs_of: dict[str, list[str]] = {}
        for sensor, place in plugs.items():
            plugs_of.setdefault(place, []).append(sensor)
        for place, sensors in plugs_of.items():
            parts = [0.9 + 0.2 * fraction(self.seed, f"share/{s}") for s in sensors]
            for sensor, part in zip(sensors, parts, strict=True):
                self._plug_server[self._row[sensor]] = index.get(place, -1)
                self._plug_share[self._row[sensor]] = part / sum(parts)

    def _make_shapes(self, inventory: Inventory) -> list[Shape | None]:
        index = {name: i for i, name in enumerate(self._load.names)}
        near: dict[str, list[int]] = {
            p.sensor: [index[s] for s in p.servers if s in index] for p in inventory.probes
        }
        racks = {r.id: [index[e.name] for e in r.equipment if e.name in index] for r in inventory.site.racks}
        shapes: list[Shape | None] = []
        for sensor in inventory.sensors.values():
            if self._plug_share[self._row[sensor.name]] > 0:
                shapes.append(None)
                continue
            rack = sensor.source.rack if isinstance(sensor.source, PushSource) else None
            servers = near.get(sensor.name) or racks.get(rack or "", [])
            shapes.append(shape_of(sensor, Context(self.seed, self._days.weather, servers)))
        return shapes


def _plugs(inventory: Inventory) -> dict[str, str]:
    """Return the equipment of each PDU outlet: of wattmeters read by SNMP whose name or location is that of an equipment."""
    equipment = {e.name for rack in inventory.site.racks for e in rack.equipment}

    def place(sensor: Sensor) -> str | None:
        if not isinstance(sensor.source, SnmpSource) or unit_symbol(sensor.unit) != "W":
            return None
        head, separator, _ = sensor.name.partition("_pdu-")
        if separator:
            return head
        return sensor.location if sensor.location in equipment else None

    return {s.name: at for s in inventory.sensors.values() if (at := place(s)) is not None}


def _servers(inventory: Inventory, plugs: dict[str, str]) -> list[str]:
    """Return all equipment on plugs that is not a switch."""
    switches = {e.name for rack in inventory.site.racks for e in rack.equipment if e.type == "switch"}
    return [place for place in dict.fromkeys(plugs.values()) if place not in switches]
