"""What the polling loop needs to know of a device, and nothing of its protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backend.core.reading import Points, Readings


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What one poll brought: the readings, and why each sensor that gave none gave none."""

    readings: Readings
    missing: Mapping[str, str] = field(default_factory=dict)


class Device(Protocol):
    """A group of sensors that one connection serves. `name` tells it from all others in logs and health."""

    @property
    def name(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def sensors(self) -> Sequence[str]: ...

    @property
    def period_s(self) -> float: ...

    @property
    def timeout_s(self) -> float:
        """How long one poll may take, all its requests together."""
        ...

    async def read(self, tick_ns: int) -> Sample:
        """Read all sensors once. Readings without a time stamp of their own are of `tick_ns`.

        Raises `TransientError` where the device did not answer, `PermanentError` where asking again is of no use.
        A sensor that alone failed is in `Sample.missing` and costs the others nothing.
        """
        ...

    async def close(self) -> None:
        """Give back the connection. A later `read` may open it again."""
        ...


def device_name(method: str, ip: str, port: int, parents: Iterable[str | None]) -> str:
    """Such as `snmp 10.0.0.5:161 (pdu-Z1.10)`: where it is, and what the description calls it."""
    called = sorted({parent for parent in parents if parent})
    return f"{method} {ip}:{port}" + (f" ({', '.join(called)})" if 0 < len(called) <= 3 else "")


def sample_at(tick_ns: int, values: Mapping[str, float], missing: Mapping[str, str]) -> Sample:
    """A sample whose readings all are of one time; what is not finite is missing."""
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    lost = dict(missing) | dict.fromkeys(values.keys() - finite.keys(), "not a finite number")
    return Sample(Readings.from_rows(list(finite), [tick_ns] * len(finite), list(finite.values())), lost)


def sample_of(points: Mapping[str, Points], missing: Mapping[str, str]) -> Sample:
    """A sample whose readings carry the device's own time stamps."""
    rows = [
        (name, time, value)
        for name, series in points.items()
        for time, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
    ]
    names, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Sample(Readings.from_rows(names, times, values), missing)
