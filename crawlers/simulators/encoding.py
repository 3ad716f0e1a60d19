"""What a device can say of a physical value: whole watts, tenths of a degree, 32-bit floats."""

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
    """A device's raw number is the physical value / multiply_by * divide_by, made to fit.

    `steps`: raw numbers are multiples of 1/steps, one rounding after the other; `single`: they are 32-bit floats.
    """

    steps: tuple[float, ...] = ()
    single: bool = False
    low: float = -np.inf
    high: float = np.inf
    multiply_by: float = 1.0
    divide_by: float = 1.0

    def raw(self, physical: Float64) -> Float64:
        """The device's numbers; may change `physical` in place."""
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
        """What a crawler makes of raw numbers, by the same arithmetic."""
        if self.multiply_by == 1.0 and self.divide_by == 1.0:
            return raw
        return raw * self.multiply_by / self.divide_by


WHOLE: Final = Encoding(steps=(1.0,), low=0.0, high=2.0**31 - 1)
PROBE: Final = Encoding(steps=(16.0, 100.0), low=-55.0, high=125.0)
"""A DS18B20 measures sixteenths of a degree and the card prints hundredths."""
TENTHS: Final = Encoding(steps=(10.0,))


def encoding_of(sensor: Sensor) -> Encoding:
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
    """SNMP agents of coolers print numbers that are not whole as strings; power strips answer with integers."""
    return isinstance(sensor.source, SnmpSource) and unit_symbol(sensor.unit) != "W"
