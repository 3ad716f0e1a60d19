"""The precision and range of each device: whole watts, tenths of a degree, 32-bit floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.core.quantity import unit_symbol
from backend.core.reading import Float64
from backend.inventory.model import FluksoSource, ModbusSource, PushSource, Sensor, SnmpSource, SocomecSource

_LIMITS: Final = {
    "int16": (-(2.0**15), 2.0**15 - 1),
    "uint16": (0.0, 2.0**16 - 1),
    "int32": (-(2.0**31), 2.0**31 - 1),
    "uint32": (0.0, 2.0**32 - 2),
    "bool": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """The raw number of a device is the physical value / multiply_by * divide_by, rounded and clipped.

    Raw numbers are rounded to multiples of 1/step for each of `steps` in turn. With `single` they are 32-bit floats.
    """

    steps: tuple[float, ...] = ()
    single: bool = False
    low: float = -np.inf
    high: float = np.inf
    multiply_by: float = 1.0
    divide_by: float = 1.0

    def raw(self, physical: Float64) -> Float64:
        """Return the raw numbers of physical values. May change `physical` in place."""
        out = physical
        if self.multiply_by != 1.0 or self.divide_by != 1.0:
            out = out / self.multiply_by * self.divide_by
        for step in self.steps:
            if step != 1.0:
                out *= step
            np.rint(out, out=out)
            if step != 1.0:
                out /= step
        if self.low > -np.inf or self.high < np.inf:
            np.clip(out, self.low, self.high, out=out)
        if self.single:
            out = out.astype(np.float32).astype(np.float64)
        return out

    def value(self, raw: Float64) -> Float64:
        """Return the values that a crawler computes from raw numbers, with the same arithmetic."""
        if self.multiply_by == 1.0 and self.divide_by == 1.0:
            return raw
        return raw * self.multiply_by / self.divide_by


WHOLE: Final = Encoding(steps=(1.0,), low=0.0, high=2.0**31 - 1)
PROBE: Final = Encoding(steps=(16.0, 100.0), low=-55.0, high=125.0)
"""A DS18B20 measures sixteenths of a degree, and the card prints hundredths."""
TENTHS: Final = Encoding(steps=(10.0,))


def encoding_of(sensor: Sensor) -> Encoding:
    """Return the encoding of the device that has the sensor."""
    match sensor.source:
        case SnmpSource():
            return TENTHS if prints_text(sensor) else WHOLE
        case SocomecSource():
            return Encoding(steps=(1.0,), low=0.0, high=2.0**32 - 2)
        case FluksoSource():
            return WHOLE
        case PushSource():
            return PROBE if unit_symbol(sensor.unit) == "°C" else Encoding(steps=(100.0,))
        case ModbusSource(type="float32", multiply_by=multiply, divide_by=divide):
            return Encoding(single=True, multiply_by=multiply, divide_by=divide)
        case ModbusSource(type=kind, multiply_by=multiply, divide_by=divide):
            low, high = _LIMITS[kind]
            return Encoding((1.0,), False, low, high, multiply, divide)


def prints_text(sensor: Sensor) -> bool:
    """Return whether the agent answers with a string. Coolers do, for numbers that are not whole; power strips do not."""
    return isinstance(sensor.source, SnmpSource) and unit_symbol(sensor.unit) != "W"
