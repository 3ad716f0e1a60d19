"""Assigns a curve of the simulated data centre to each sensor of the site description.

Rules use the method, place, unit and the words of the name and info of a sensor; the first match wins. A sensor without a match
gets a plausible random walk in its unit, so that any description can be simulated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from backend.core.quantity import unit_symbol
from backend.core.reading import Float64
from backend.inventory.model import PushSource, Sensor
from crawlers.simulators.day import BATTERY_WH, PANEL_W, Day
from crawlers.simulators.load import phases
from crawlers.simulators.noise import fraction, seed_of, smooth
from crawlers.simulators.weather import Weather

Curve: TypeAlias = Callable[[Day], Float64]
"""A day's values on its grid, shape (POINTS,)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The curve of a sensor and its noise: `noise` in its unit, plus `share` of its value."""

    curve: Curve
    noise: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """`near` are the servers (rows of `Day.warmth`) that warm a temperature probe."""

    seed: int
    weather: Weather
    near: Sequence[int] = ()


def shape_of(sensor: Sensor, context: Context) -> Shape:
    """Return the shape of the first rule that matches the sensor."""
    words = f"{sensor.name} {sensor.info} {' '.join(sensor.tags)}".lower()
    for rule in (_outside, _probe, _battery, _panels, _sky, _cooler, _meter):
        if shape := rule(sensor, words, context):
            return shape
    return _wandering(sensor, context)


def _has(words: str, *any_of: str) -> bool:
    return any(re.search(rf"(?<![a-z]){word}", words) for word in any_of)


def _individual(sensor: Sensor, context: Context, purpose: str) -> float:
    """Return a number in [-1, 1] that is different for each sensor."""
    return 2.0 * fraction(context.seed, f"{purpose}/{sensor.name}") - 1.0


def _outside(sensor: Sensor, words: str, context: Context) -> Shape | None:
    if unit_symbol(sensor.unit) != "°C" or not _has(
        f"{words} {sensor.location}", "outside", "outdoor", "weather"
    ):
        return None
    offset = 0.4 * _individual(sensor, context, "outside")
    return Shape(lambda day: day.outside + offset, 0.05)


def _probe(sensor: Sensor, words: str, context: Context) -> Shape | None:
    """Front: the air of the cooler, warmer near the top. Back: warmer with the load of the servers in front of the probe."""
    if unit_symbol(sensor.unit) != "°C" or not isinstance(sensor.source, PushSource):
        return None
    offset = _individual(sensor, context, "probe")
    height = (sensor.source.position or 20) / 42.0
    swing, period, start = 0.35, 840.0 + 60 * offset, phases(context.seed, sensor.source.rack or "room")

    def front(day: Day) -> Float64:
        cycle = swing * np.sin(2 * math.pi * day.t_s / period + start)
        return 20.3 + 2.2 * height + 0.7 * offset + cycle + 1.1 * day.fans + 0.02 * (day.outside - 12.0)

    near = list(context.near)
    if sensor.source.side == "front":
        return Shape(front, 0.04)
    if sensor.source.side == "back" and near:
        return Shape(lambda day: front(day) + 5.2 + 0.8 * offset + 11.5 * day.warmth[near].mean(axis=0), 0.05)
    return Shape(lambda day: front(day) + 1.8 + 3.0 * day.fans, 0.04)


def _battery(sensor: Sensor, words: str, context: Context) -> Shape | None:
    if not _has(words, "batter", "bat[0-9_]"):
        return None
    unit = unit_symbol(sensor.unit)
    volts: Curve = lambda day: 46.5 + 7.0 * day.charge  # noqa: E731
    curves: dict[str, Shape] = {
        "W": Shape(lambda day: day.battery, 4.0),
        "kW": Shape(lambda day: day.battery / 1_000.0, 0.004),
        "%": Shape(lambda day: 100.0 * day.charge, 0.0),
        "V": Shape(volts, 0.02),
        "A": Shape(lambda day: day.battery / volts(day), 0.05),
        "kWh": Shape(lambda day: day.charge * BATTERY_WH / 1_000.0, 0.0),
        "°C": Shape(lambda day: 19.0 + 0.25 * (day.outside - 12.0) + np.abs(day.battery) / 450.0, 0.05),
    }
    return curves.get(unit)


def _panels(sensor: Sensor, words: str, context: Context) -> Shape | None:
    """A network of panels has two strings, each with its own current and voltage."""
    if not _has(words, "net(work)?[0-9]", "sol[0-9]", "solar", "panel", "string", "pv"):
        return None
    unit = unit_symbol(sensor.unit)
    network = re.match(r"[a-z]+[0-9]+", sensor.name)
    good = 0.92 + 0.08 * fraction(context.seed, f"panel/{network[0] if network else sensor.name}")
    part = 0.5 if _has(words, "string", "sol[0-9]") else 1.0
    watts: Curve = lambda day: good * part * day.sun * (PANEL_W / 1_000.0)  # noqa: E731
    volts: Curve = lambda day: np.where(day.sun > 2.0, 318.0 + 12.0 * np.log1p(day.sun / 40.0), day.sun)  # noqa: E731
    curves: dict[str, Shape] = {
        "W": Shape(watts, share=0.004),
        "kW": Shape(lambda day: watts(day) / 1_000.0, share=0.004),
        "V": Shape(volts, share=0.001),
        "A": Shape(lambda day: watts(day) / np.maximum(volts(day), 50.0), share=0.004),
        "kWh": Shape(lambda day: good * day.energy / 1_000.0, 0.0),
        "°C": Shape(lambda day: day.outside + 0.028 * day.sun - 1.0, 0.1),
    }
    return curves.get(unit)


def _sky(sensor: Sensor, words: str, context: Context) -> Shape | None:
    unit, sky = unit_symbol(sensor.unit).lower(), context.weather
    if not _has(words, "weather", "wind", "rain", "lux", "irradiance"):
        return None
    curves: dict[str, Shape] = {
        "w/m2": Shape(lambda day: day.sun, share=0.003),
        "lux": Shape(lambda day: day.sun * 110.0, share=0.003),
        "m/s": Shape(lambda day: sky.wind(day.t_s), share=0.04),
        "deg": Shape(lambda day: sky.wind_direction(day.t_s), 2.0),
        "%": Shape(lambda day: sky.humidity(day.t_s), 0.1),
        "hpa": Shape(lambda day: sky.pressure(day.t_s), 0.05),
        "bar": Shape(lambda day: sky.pressure(day.t_s) / 1_000.0, 0.0),
        "mm/h": Shape(lambda day: sky.rain(day.t_s), 0.0),
    }
    return curves.get(unit)


def _inlet(day: Day) -> Float64:
    return 22.0 + 1.2 * day.fans + 0.3 * np.sin(2 * math.pi * day.t_s / 840.0)


def _cooler(sensor: Sensor, words: str, context: Context) -> Shape | None:
    """The in-row cooler, which moves the heat of the servers from the air into chilled water."""
    if not _has(words, "inrow", "in-row"):
        return None
    unit = unit_symbol(sensor.unit)
    if unit == "°C":
        return _cooler_temperature(words)
    if unit == "W":
        if _has(words, "cool_output", "cool_demand", "cool output", "cool demand", "heat"):
            return Shape(lambda day: day.heat, 25.0)
        return Shape(lambda day: 130.0 + 780.0 * day.fans**3, 3.0)
    air: Curve = lambda day: day.heat / (1.2 * 9.5)  # noqa: E731  litres a second, the air warms by 9.5 K
    curves: dict[str, Shape] = {
        "%": Shape(lambda day: 100.0 * day.fans, 0.3),
        "L/s": Shape(air, 4.0),
        "Pa": Shape(lambda day: 20.0 + 130.0 * day.fans**2, 1.0),
        "state": Shape(lambda day: np.ones_like(day.t_s), 0.0),
    }
    if _has(words, "humidity"):
        return Shape(lambda day: 41.0 + 0.12 * (context.weather.humidity(day.t_s) - 70.0), 0.1)
    if _has(words, "valve"):
        return Shape(lambda day: 25.0 + 65.0 * (day.fans - 0.32) / 0.62, 0.4)
    if _has(words, "water"):
        return Shape(lambda day: day.heat / (4_186.0 * 5.0), 0.01)
    return curves.get(unit)


def _cooler_temperature(words: str) -> Shape:
    if _has(words, "setpoint", "wanted"):
        level = 18.0 if _has(words, "supply") else 23.0
        return Shape(lambda day: np.full_like(day.t_s, level), 0.0)
    if _has(words, "water_out", "water, outlet"):
        return Shape(lambda day: 12.4 + 0.03 * (day.outside - 12.0) + 2.0 * day.fans, 0.05)
    if _has(words, "water"):
        return Shape(lambda day: 8.6 + 0.03 * (day.outside - 12.0), 0.05)
    if _has(words, "return", "hot aisle"):
        return Shape(lambda day: _inlet(day) + 5.5 + 6.0 * day.fans, 0.08)
    if _has(words, "supply", "cold"):
        return Shape(lambda day: _inlet(day) - 3.6, 0.06)
    return Shape(_inlet, 0.05)


def _meter(sensor: Sensor, words: str, context: Context) -> Shape | None:
    """Power meters other than the outlets of servers."""
    if unit_symbol(sensor.unit) not in ("W", "kW"):
        return None
    scale = 0.001 if unit_symbol(sensor.unit) == "kW" else 1.0
    own = 1.0 + 0.15 * _individual(sensor, context, "meter")
    start = phases(context.seed, sensor.name)
    if _has(words, "server", "racks", "feed"):
        return Shape(lambda day: day.it * 1.012 * scale, 6.0 * scale)
    if _has(words, "condens", "chiller", "compress"):
        return Shape(
            lambda day: day.chiller * (1.0 + 0.06 * np.sin(day.t_s / 95.0 + start)) * scale, 8.0 * scale
        )
    if _has(words, "pump"):
        return Shape(lambda day: (260.0 + 160.0 * day.fans) * scale, 2.0 * scale)
    if _has(words, "fan", "cool", "clim"):
        return Shape(lambda day: own * (55.0 + 70.0 * day.fans) * scale, 1.0 * scale)
    if _has(words, "light"):
        return Shape(lambda day: (14.0 + 170.0 * _office(day)) * scale, 0.6 * scale)
    if _has(words, "socket", "plug"):
        return Shape(lambda day: own * (38.0 + 90.0 * _office(day)) * scale, 2.5 * scale)
    if _has(words, "poe"):
        return Shape(lambda day: (7.2 * own + 0.8 * np.sin(day.t_s / 1_700.0 + start)) * scale, 0.6 * scale)
    return Shape(lambda day: (52.0 * own + 3.0 * np.sin(day.t_s / 2_900.0 + start)) * scale, 1.0 * scale)


def _office(day: Day) -> Float64:
    """Return the share of the staff that is present, 0 to 1."""
    hour = np.mod(day.t_s / 3_600.0 + 1.0, 24.0)
    weekday = (day.number + 4) % 7
    busy = 0.12 if weekday in (0, 6) else 1.0
    rise = 1.0 / (1.0 + np.exp(-(hour - 8.4) / 0.35))
    fall = 1.0 / (1.0 + np.exp((hour - 18.3) / 0.45))
    return np.asarray(busy * rise * fall)


_TYPICAL: Final = {
    "W": (60.0, 12.0),
    "kW": (0.6, 0.1),
    "°C": (22.0, 1.5),
    "%": (45.0, 12.0),
    "%RH": (42.0, 6.0),
    "V": (230.0, 2.5),
    "A": (1.8, 0.4),
    "Hz": (50.0, 0.02),
    "VA": (75.0, 12.0),
    "VAr": (20.0, 6.0),
    "L/s": (600.0, 80.0),
    "state": (1.0, 0.0),
}


def _wandering(sensor: Sensor, context: Context) -> Shape:
    middle, width = _TYPICAL.get(unit_symbol(sensor.unit), (50.0, 20.0))
    seed = seed_of(context.seed, f"wander/{sensor.name}")
    moved = middle + 0.3 * width * _individual(sensor, context, "typical")
    return Shape(lambda day: moved + 0.7 * width * smooth(seed, day.t_s, 2_400.0), 0.02 * width)
