"""The health of devices, and its encoding on the way from the crawlers to the API."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAX_TEXT: Final = 500
MAX_DEVICES: Final = 5_000
"""Devices in one report."""


class DeviceState(StrEnum):
    """The state of a device."""

    STARTING = "starting"
    OK = "ok"
    LOST = "lost"
    REFUSED = "refused"  # a retry cannot succeed: the description or the device must change
    CRAWLER_DOWN = "unheard"  # the crawler is silent; the stored value is kept for compatibility


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """The health of one device, as reported by its crawler. Times are ns since the epoch, UTC; None means not yet.

    error_rate       share of the last 60 polls that failed
    next_attempt_ns  more than a period away while the crawler backs off
    missing          sensors without a value in the last poll that the device answered
    waiting          readings of the whole crawler that are not acknowledged yet
    dropped          readings of the whole crawler that were given up
    """

    name: str
    method: str
    crawler: str
    sensors: tuple[str, ...]
    period_s: float
    state: DeviceState
    reported_ns: int
    polls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    ticks_skipped: int = 0
    error_rate: float = 0.0
    missing: tuple[str, ...] = ()
    last_attempt_ns: int | None = None
    last_success_ns: int | None = None
    next_attempt_ns: int | None = None
    latency_s: float | None = None
    last_error: str = ""
    waiting: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class SensorErrors:
    """The error counter of a sensor, with the first and the last time (ns UTC)."""

    sensor: str
    count: int
    first_ns: int
    last_ns: int


_NUMBERS: Final = {"period_s", "error_rate"}
_TEXTS: Final = {"name", "method", "crawler", "last_error"}
_NAMES: Final = {"sensors", "missing"}
_OPTIONAL: Final = {"last_attempt_ns", "last_success_ns", "next_attempt_ns", "latency_s"}
_FIELDS: Final = tuple(dataclasses.fields(DeviceHealth))
_MAX_INTEGER: Final = 2**63


def encode(devices: Iterable[DeviceHealth]) -> bytes:
    """Return a report as JSON: {"devices": [{"name": ..., "state": ..., ...}, ...]}."""
    return json.dumps({"devices": [dataclasses.asdict(d) for d in devices]}).encode()


def decode(body: bytes) -> list[DeviceHealth]:
    """Return the devices of a report; unknown fields are ignored.

    Raises ValueError, which names the place of the fault, for an invalid report.
    """
    try:
        report = json.loads(body)
    except RecursionError:
        raise ValueError("the report is nested too deeply") from None
    devices = report.get("devices") if isinstance(report, dict) else None
    if not isinstance(devices, list):
        raise ValueError('expected an object {"devices": [...]}')
    if len(devices) > MAX_DEVICES:
        raise ValueError(f"more than {MAX_DEVICES} devices in one report")
    return [_device(entry, i) for i, entry in enumerate(devices)]


def _device(entry: object, index: int) -> DeviceHealth:
    if not isinstance(entry, dict):
        raise ValueError(f"devices[{index}] is not an object")
    try:
        values = {f.name: _value(f.name, entry[f.name]) for f in _FIELDS if f.name in entry}
        return DeviceHealth(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"devices[{index}]: {error}") from None


def _value(name: str, value: object) -> Any:
    if name in _TEXTS and isinstance(value, str):
        return value[:MAX_TEXT]
    if name in _NAMES and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if name == "state" and isinstance(value, str):
        return DeviceState(value)
    if value is None and name in _OPTIONAL:
        return None
    fraction = name in _NUMBERS or name == "latency_s"
    if fraction and type(value) in (int, float) and 0 <= value < _MAX_INTEGER:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    plain = name not in _TEXTS | _NAMES | {"state"} and not fraction
    if plain and type(value) is int and 0 <= value < _MAX_INTEGER:
        return value
    raise ValueError(f"{name} cannot be {value!r:.60}")


def add_error(counters: Mapping[str, SensorErrors], sensor: str, at_ns: int) -> SensorErrors:
    """Return the error counter of a sensor after one more error."""
    previous = counters.get(sensor)
    if previous is None:
        return SensorErrors(sensor, 1, at_ns, at_ns)
    first_ns, last_ns = min(previous.first_ns, at_ns), max(previous.last_ns, at_ns)
    return SensorErrors(sensor, previous.count + 1, first_ns, last_ns)
