"""Units as the descriptions spell them, their symbols, and the ranges in which a value can be true."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_SYMBOLS: Final = {
    "celsius": "°C",
    "°c": "°C",
    "c": "°C",
    "w": "W",
    "watt": "W",
    "watts": "W",
    "kw": "kW",
    "v": "V",
    "a": "A",
    "hz": "Hz",
    "percent": "%",
    "%": "%",
}


_WATTS: Final = {"W": 1.0, "kW": 1e3, "MW": 1e6, "mW": 1e-3}
_ENERGY: Final = frozenset({"Wh", "kWh", "MWh"})


def unit_symbol(unit: str) -> str:
    """The SI symbol of a unit, or the unit itself where none is known."""
    return _SYMBOLS.get(unit.strip().lower(), unit.strip())


def watts_per(unit: str) -> float | None:
    """How many watts one of the unit is; None where the unit is not one of power."""
    return _WATTS.get(unit_symbol(unit))


def is_energy(unit: str) -> bool:
    """Whether it is one of energy, as counters have: they stand still while nothing is drawn or made."""
    return unit_symbol(unit) in _ENERGY


@dataclass(frozen=True, slots=True)
class Range:
    """Closed interval of values a quantity can have, in the sensor's unit."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


ARDUINO_CELSIUS: Final = Range(-10.0, 75.0)
"""A DS18B20 says -127 when unplugged and 85 right after power-on; neither is a temperature of a room."""

PLAUSIBLE: Final = {"°C": ARDUINO_CELSIUS, "%": Range(0.0, 100.0)}
"""What values of a unit, by its symbol, can be true; of other units any can."""

FINITE: Final = Range(-math.inf, math.inf)
