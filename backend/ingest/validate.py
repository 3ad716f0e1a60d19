"""What is let in: pure decisions on one push, element by element. One bad element never costs the others.

Times are ns since the epoch (UTC). An element without a time is stamped with `now_ns`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from backend.core.errors import UserError
from backend.core.ports import Rejection
from backend.core.quantity import ARDUINO_CELSIUS
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND

EARLIEST_NS: Final = 946_684_800 * NS_PER_SECOND
"""2000-01-01: a device that says less has lost its clock."""

AHEAD_NS: Final = 3600 * NS_PER_SECOND
"""How far a device's clock may run ahead. A time in the far future would hide every true one until it comes."""

CARD_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")
"""What a card may call a probe that the description does not know; usually 16 hex digits of a 1-wire address."""


class Reason(StrEnum):
    """Why an element is refused. The text goes to the pusher and is the label of the counter."""

    ELEMENT = "not an object with sensor and v"
    NAME = "not a sensor name"
    UNKNOWN = "unknown sensor"
    TOO_MANY = "too many sensors that the description does not know"
    NOT_A_NUMBER = "value is not a number"
    NOT_FINITE = "value is not finite"
    CARD_RANGE = f"value is outside {ARDUINO_CELSIUS.low:g} to {ARDUINO_CELSIUS.high:g} °C"
    TIME_TYPE = "time is not a whole number of nanoseconds"
    PAST = "time is before 2000"
    FUTURE = "time is in the future"


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The readings to keep, and the elements refused with the reason of each, in the order of the push."""

    readings: Readings
    rejected: Sequence[Rejection] = ()


class SensorIndex:
    """The sensors that are known, as one shared table of names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names: tuple[str, ...] = tuple(dict.fromkeys(names))
        self.codes: Mapping[str, int] = {name: code for code, name in enumerate(self.names)}


_NUMBERS: Final = frozenset({int, float})
_INTEGERS: Final = frozenset({int})


def judge_columns(
    sensor_index: SensorIndex, push: object, now_ns: int, admit: Callable[[str], bool] | None = None
) -> Verdict:
    """Judge `{"sensors": [...], "values": [...], "times": [ns or null, ...]}`; `times` may be absent.

    With `admit`, names the description does not know are let in where they look like names and there is room for them.
    Raises UserError where it is not three columns of one length.
    """
    sensors, values, times = _columns(push)
    # The path of a push with nothing wrong costs a few microseconds; any doubt leads to the careful one.
    try:
        codes = [sensor_index.codes[name] for name in sensors]
        clean = _NUMBERS.issuperset(map(type, values)) and math.isfinite(sum(values))
    except (KeyError, TypeError, OverflowError):
        clean = False
    if not clean:
        return _judge_each(sensor_index, sensors, values, times, now_ns, admit)
    stamps: Any
    if times is None:
        stamps = [now_ns] * len(codes)
    elif (
        _INTEGERS.issuperset(map(type, times))
        and times
        and min(times) >= EARLIEST_NS
        and max(times) <= now_ns + AHEAD_NS
    ):
        stamps = times
    else:
        return _judge_each(sensor_index, sensors, values, times, now_ns, admit)
    readings = Readings(
        sensor_index.names,
        np.array(codes, np.int32),
        np.array(stamps, np.int64),
        np.array(values, np.float64),
    )
    return Verdict(readings)


def _columns(push: object) -> tuple[list[Any], list[Any], list[Any] | None]:
    if not isinstance(push, dict):
        raise UserError('expected an object {"sensors": [...], "values": [...], "times": [...]}')
    sensors, values, times = push.get("sensors"), push.get("values"), push.get("times")
    if not isinstance(sensors, list) or not isinstance(values, list):
        raise UserError("sensors and values must both be arrays")
    if len(values) != len(sensors):
        raise UserError(
            f"sensors has {len(sensors)} elements, values {len(values)}; they must be equally long"
        )
    if times is not None and (not isinstance(times, list) or len(times) != len(sensors)):
        raise UserError(f"times must be left out or be an array of {len(sensors)} elements, as sensors is")
    return sensors, values, times


def _judge_each(
    sensor_index: SensorIndex,
    sensors: Sequence[object],
    values: Sequence[object],
    times: Sequence[object] | None,
    now_ns: int,
    admit: Callable[[str], bool] | None,
) -> Verdict:
    names, stamps, kept, rejected = [], [], [], []
    for index, (sensor, value) in enumerate(zip(sensors, values, strict=True)):
        time = times[index] if times is not None and times[index] is not None else now_ns
        reason = (
            _fault_of_name(sensor_index, sensor, admit)
            or _fault_of_value(value)
            or _fault_of_time(time, now_ns)
        )
        if reason is not None:
            rejected.append(Rejection(index, str(sensor)[:64], reason))
            continue
        names.append(sensor)
        stamps.append(time)
        kept.append(value)
    if any(name not in sensor_index.codes for name in names):
        return Verdict(Readings.from_rows(names, stamps, kept), rejected)  # type: ignore[arg-type]
    codes = np.array([sensor_index.codes[name] for name in names], np.int32)  # type: ignore[index]
    readings = Readings(sensor_index.names, codes, np.array(stamps, np.int64), np.array(kept, np.float64))
    return Verdict(readings, rejected)


def _fault_of_name(
    sensor_index: SensorIndex, sensor: object, admit: Callable[[str], bool] | None
) -> Reason | None:
    if isinstance(sensor, str):
        if sensor in sensor_index.codes:
            return None
        if admit is not None and CARD_NAME.fullmatch(sensor):
            return None if admit(sensor) else Reason.TOO_MANY
    return Reason.UNKNOWN


def _fault_of_value(value: object) -> Reason | None:
    if type(value) not in _NUMBERS:
        return Reason.NOT_A_NUMBER
    return None if _finite(value) else Reason.NOT_FINITE


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _fault_of_time(time: Any, now_ns: int) -> Reason | None:
    if type(time) is not int:
        return Reason.TIME_TYPE
    if time < EARLIEST_NS:
        return Reason.PAST
    return Reason.FUTURE if time > now_ns + AHEAD_NS else None


def judge_readings(sensor_index: SensorIndex, readings: Readings, now_ns: int) -> Verdict:
    """Judge readings made in this process, under the rules of `judge_columns`."""
    known = np.array([name in sensor_index.codes for name in readings.names], bool)
    faults: list[tuple[Reason, Any]] = [
        (Reason.UNKNOWN, ~known[readings.codes]),
        (Reason.NOT_FINITE, ~np.isfinite(readings.values)),
        (Reason.PAST, readings.times < EARLIEST_NS),
        (Reason.FUTURE, readings.times > now_ns + AHEAD_NS),
    ]
    good = np.ones(len(readings), bool)
    rejected = []
    for reason, faulty in faults:
        for index in np.flatnonzero(faulty & good).tolist():
            rejected.append(Rejection(index, readings.names[readings.codes[index]], reason))
        good &= ~faulty
    if not rejected:
        return Verdict(readings)
    return Verdict(readings.take(good), sorted(rejected, key=lambda r: r.index))


def judge_cards(
    sensor_index: SensorIndex, elements: Sequence[object], now_ns: int, admit: Callable[[str], bool]
) -> Verdict:
    """Judge a card's elements `{"sensor": "28:b8:...", "v": 21.4}`; all are stamped `now_ns`.

    Names the description does not know are let in where they look like names and `admit` has room for them: a probe
    is often plugged in before anybody describes it. `:` is removed from names. The range is that of a DS18B20 in a room.
    """
    names: list[str] = []
    values: list[float] = []
    rejected = []
    for index, element in enumerate(elements):
        name, value, reason = _card_element(sensor_index, element)
        if reason is None and name not in sensor_index.codes and not admit(name):
            reason = Reason.TOO_MANY
        if reason is None and value is not None:
            names.append(name)
            values.append(value)
        else:
            rejected.append(Rejection(index, name[:64], reason or Reason.ELEMENT))
    return Verdict(Readings.from_rows(names, [now_ns] * len(names), values), rejected)


def _card_element(sensor_index: SensorIndex, element: object) -> tuple[str, float | None, Reason | None]:
    if not isinstance(element, dict):
        return "", None, Reason.ELEMENT
    sensor = element.get("sensor")
    if not isinstance(sensor, str):
        return "", None, Reason.ELEMENT if sensor is None else Reason.NAME
    name = sensor.replace(":", "").strip()
    if name not in sensor_index.codes and not CARD_NAME.fullmatch(name):
        return name, None, Reason.NAME
    value = _card_value(element.get("v"))
    if value is None:
        return name, None, Reason.NOT_A_NUMBER
    if not _finite(value):
        return name, None, Reason.NOT_FINITE
    return name, value, None if value in ARDUINO_CELSIUS else Reason.CARD_RANGE


def _card_value(value: object) -> float | None:
    if isinstance(value, str):
        # float() also reads "1_0" and other alphabets' digits, which no card prints.
        if "_" in value or not value.isascii():
            return None
        try:
            return float(value)
        except ValueError:
            return None
    if type(value) not in _NUMBERS:
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf
