"""Validation of pushes, element by element and without I/O. A bad element never affects the others.

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

MIN_TIME_NS: Final = 946_684_800 * NS_PER_SECOND
"""2000-01-01. A device that sends an earlier time has lost its clock."""

MAX_AHEAD_NS: Final = 3600 * NS_PER_SECOND
"""The time by which the clock of a device may be ahead. A time in the far future would hide every correct one until then."""

PROBE_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")
"""A valid name of a probe that is not in the site description; usually the 16 hex digits of its 1-wire address."""


class Reason(StrEnum):
    """The reason why an element is rejected. The text is part of the answer and the label of the counter."""

    ELEMENT = "not an object with sensor and v"
    NAME = "not a sensor name"
    UNKNOWN = "unknown sensor"
    TOO_MANY = "too many unknown sensors"
    NOT_A_NUMBER = "value is not a number"
    NOT_FINITE = "value is not finite"
    CARD_RANGE = f"value is outside {ARDUINO_CELSIUS.low:g} to {ARDUINO_CELSIUS.high:g} °C"
    TIME_TYPE = "time is not a whole number of nanoseconds"
    PAST = "time is before 2000"
    FUTURE = "time is in the future"


@dataclass(frozen=True, slots=True, eq=False)
class ValidationResult:
    """The valid readings, and the rejected elements with their reasons, in the order of the push."""

    readings: Readings
    rejected: Sequence[Rejection] = ()


class SensorIndex:
    """The sensors that may be pushed, as one shared table of names and their positions in it."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names: tuple[str, ...] = tuple(dict.fromkeys(names))
        self.codes: Mapping[str, int] = {name: code for code, name in enumerate(self.names)}


_NUMBER_TYPES: Final = frozenset({int, float})
_INTEGER_TYPES: Final = frozenset({int})


def validate_columns(
    sensor_index: SensorIndex, push: object, now_ns: int, admit: Callable[[str], bool] | None = None
) -> ValidationResult:
    """Validate `{"sensors": [...], "values": [...], "times": [ns or null, ...]}`; `times` may be absent.

    Names outside the index are rejected unless they are valid probe names and `admit` returns True for them.
    Raises `UserError` if the push is not made of columns of one length.
    """
    sensors, values, times = _columns(push)
    # A push without faults takes this fast path of a few microseconds, every other one the slow path below.
    try:
        codes = [sensor_index.codes[name] for name in sensors]
        is_clean = _NUMBER_TYPES.issuperset(map(type, values)) and math.isfinite(sum(values))
    except (KeyError, TypeError, OverflowError):
        is_clean = False
    if not is_clean:
        return _validate_each(sensor_index, sensors, values, times, now_ns, admit)
    stamps: Any
    if times is None:
        stamps = [now_ns] * len(codes)
    elif (
        _INTEGER_TYPES.issuperset(map(type, times))
        and times
        and min(times) >= MIN_TIME_NS
        and max(times) <= now_ns + MAX_AHEAD_NS
    ):
        stamps = times
    else:
        return _validate_each(sensor_index, sensors, values, times, now_ns, admit)
    readings = Readings(
        sensor_index.names,
        np.array(codes, np.int32),
        np.array(stamps, np.int64),
        np.array(values, np.float64),
    )
    return ValidationResult(readings)


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
        raise UserError(f"times must be omitted or have {len(sensors)} elements, like sensors")
    return sensors, values, times


def _validate_each(
    sensor_index: SensorIndex,
    sensors: Sequence[object],
    values: Sequence[object],
    times: Sequence[object] | None,
    now_ns: int,
    admit: Callable[[str], bool] | None,
) -> ValidationResult:
    names, stamps, numbers, rejected = [], [], [], []
    for index, (sensor, value) in enumerate(zip(sensors, values, strict=True)):
        time = times[index] if times is not None and times[index] is not None else now_ns
        reason = _check_name(sensor_index, sensor, admit) or _check_value(value) or _check_time(time, now_ns)
        if reason is not None:
            rejected.append(Rejection(index, str(sensor)[:64], reason))
            continue
        names.append(sensor)
        stamps.append(time)
        numbers.append(value)
    if any(name not in sensor_index.codes for name in names):
        return ValidationResult(Readings.from_rows(names, stamps, numbers), rejected)  # type: ignore[arg-type]
    codes = np.array([sensor_index.codes[name] for name in names], np.int32)  # type: ignore[index]
    readings = Readings(sensor_index.names, codes, np.array(stamps, np.int64), np.array(numbers, np.float64))
    return ValidationResult(readings, rejected)


def _check_name(
    sensor_index: SensorIndex, sensor: object, admit: Callable[[str], bool] | None
) -> Reason | None:
    if isinstance(sensor, str):
        if sensor in sensor_index.codes:
            return None
        if admit is not None and PROBE_NAME.fullmatch(sensor):
            return None if admit(sensor) else Reason.TOO_MANY
    return Reason.UNKNOWN


def _check_value(value: object) -> Reason | None:
    if type(value) not in _NUMBER_TYPES:
        return Reason.NOT_A_NUMBER
    return None if _is_finite(value) else Reason.NOT_FINITE


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _check_time(time: Any, now_ns: int) -> Reason | None:
    if type(time) is not int:
        return Reason.TIME_TYPE
    if time < MIN_TIME_NS:
        return Reason.PAST
    return Reason.FUTURE if time > now_ns + MAX_AHEAD_NS else None


def validate_readings(sensor_index: SensorIndex, readings: Readings, now_ns: int) -> ValidationResult:
    """Validate readings made in this process by the rules of `validate_columns`."""
    is_indexed = np.array([name in sensor_index.codes for name in readings.names], bool)
    faults: list[tuple[Reason, Any]] = [
        (Reason.UNKNOWN, ~is_indexed[readings.codes]),
        (Reason.NOT_FINITE, ~np.isfinite(readings.values)),
        (Reason.PAST, readings.times < MIN_TIME_NS),
        (Reason.FUTURE, readings.times > now_ns + MAX_AHEAD_NS),
    ]
    is_valid = np.ones(len(readings), bool)
    rejected = []
    for reason, is_faulty in faults:
        for index in np.flatnonzero(is_faulty & is_valid).tolist():
            rejected.append(Rejection(index, readings.names[readings.codes[index]], reason))
        is_valid &= ~is_faulty
    if not rejected:
        return ValidationResult(readings)
    return ValidationResult(readings.take(is_valid), sorted(rejected, key=lambda r: r.index))


def validate_cards(
    sensor_index: SensorIndex, elements: Sequence[object], now_ns: int, admit: Callable[[str], bool]
) -> ValidationResult:
    """Validate the elements `{"sensor": "28:b8:...", "v": 21.4}` of a card. All are stamped with `now_ns`.

    A valid name outside the index is accepted if `admit` returns True for it, because a probe is often plugged in before it
    is described. `:` is removed from names. The accepted range of values is that of a DS18B20 in a room.
    """
    names: list[str] = []
    values: list[float] = []
    rejected = []
    for index, element in enumerate(elements):
        name, value, reason = _parse_card_element(sensor_index, element)
        if reason is None and name not in sensor_index.codes and not admit(name):
            reason = Reason.TOO_MANY
        if reason is None and value is not None:
            names.append(name)
            values.append(value)
        else:
            rejected.append(Rejection(index, name[:64], reason or Reason.ELEMENT))
    return ValidationResult(Readings.from_rows(names, [now_ns] * len(names), values), rejected)


def _parse_card_element(
    sensor_index: SensorIndex, element: object
) -> tuple[str, float | None, Reason | None]:
    if not isinstance(element, dict):
        return "", None, Reason.ELEMENT
    sensor = element.get("sensor")
    if not isinstance(sensor, str):
        return "", None, Reason.ELEMENT if sensor is None else Reason.NAME
    name = sensor.replace(":", "").strip()
    if name not in sensor_index.codes and not PROBE_NAME.fullmatch(name):
        return name, None, Reason.NAME
    value = _parse_card_value(element.get("v"))
    if value is None:
        return name, None, Reason.NOT_A_NUMBER
    if not _is_finite(value):
        return name, None, Reason.NOT_FINITE
    return name, value, None if value in ARDUINO_CELSIUS else Reason.CARD_RANGE


def _parse_card_value(value: object) -> float | None:
    if isinstance(value, str):
        # float() also accepts "1_0" and the digits of other alphabets, which no card prints.
        if "_" in value or not value.isascii():
            return None
        try:
            return float(value)
        except ValueError:
            return None
    if type(value) not in _NUMBER_TYPES:
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf
