"""Units and their symbols, and the plausible range of a value."""

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
    """Return the SI symbol of a unit as a description spells it, or the unit itself if the symbol is unknown."""
    return _SYMBOLS.get(unit.strip().lower(), unit.strip())


def watts_per(unit: str) -> float | None:
    """Return the number of watts in one of the unit; None if it is not a unit of power."""
    return _WATTS.get(unit_symbol(unit))


def is_energy(unit: str) -> bool:
    """Return whether the unit is one of energy. An energy counter does not change while there is no power."""
    return unit_symbol(unit) in _ENERGY


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval of values, in the sensor's unit."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


ARDUINO_CELSIUS: Final = Range(-10.0, 75.0)
"""A DS18B20 probe reports -127 when unplugged and 85 right after power-on; neither is a room temperature."""

PLAUSIBLE: Final = {"°C": ARDUINO_CELSIUS, "%": Range(0.0, 100.0)}
"""The plausible values by unit symbol. For other units any value is plausible."""

FINITE: Final = Range(-math.inf, math.inf)
