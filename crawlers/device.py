"""The interface between the polling loop and the drivers, independent of the protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backend.core.reading import Points, Readings


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The result of one poll: the readings, and for each sensor without a reading the reason."""

    readings: Readings
    missing: Mapping[str, str] = field(default_factory=dict)


class Device(Protocol):
    """A group of sensors behind one connection. Logs and health reports identify it by `name`."""

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
        """The time in seconds that one poll may take, with all its requests."""
        ...

    async def read(self, tick_ns: int) -> Sample:
        """Read all sensors once. Readings without a time stamp of their own get `tick_ns`.

        Raises `TransientError` if the device did not answer, `PermanentError` if a retry is useless.
        A single sensor that failed is in `Sample.missing` and does not affect the others.
        """
        ...

    async def close(self) -> None:
        """Close the connection. A later `read` may open it again."""
        ...


def device_name(method: str, ip: str, port: int, parents: Iterable[str | None]) -> str:
    """Return a name such as `snmp 10.0.0.5:161 (pdu-Z1.10)`: the address, and up to three parents of the description."""
    names = sorted({parent for parent in parents if parent})
    return f"{method} {ip}:{port}" + (f" ({', '.join(names)})" if 0 < len(names) <= 3 else "")


def sample_at(tick_ns: int, values: Mapping[str, float], missing: Mapping[str, str]) -> Sample:
    """Return a sample whose readings all have one time. Values that are not finite are missing."""
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    all_missing = dict(missing) | dict.fromkeys(values.keys() - finite.keys(), "not a finite number")
    return Sample(
        Readings.from_rows(list(finite), [tick_ns] * len(finite), list(finite.values())), all_missing
    )


def sample_of(points: Mapping[str, Points], missing: Mapping[str, str]) -> Sample:
    """Return a sample whose readings have the time stamps of the device."""
    rows = [
        (name, time, value)
        for name, series in points.items()
        for time, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
    ]
    names, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Sample(Readings.from_rows(names, times, values), missing)
