"""Exports raw readings of a range of any length, one interval after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from backend.core.errors import UserError
from backend.core.ports import SensorTags, TimeSeriesStore
from backend.core.reading import Points, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.model import Sensor

MAX_ROWS: Final = 250_000
"""Readings in memory at once. The length of an interval adapts to it."""

MAX_INTERVAL_NS: Final = 32 * Window.D1.ns


class ExportRefused(UserError):
    """An invalid export request: the place in the request, the fault, and the remedy."""

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(f"{where}: {what}: {fix}")
        self.where = where
        self.what = what
        self.fix = fix


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request for the readings of [start_ns, end_ns).

    `start_ns` None is the first reading. `end_ns` None includes the last reading. Without sensors and types, all sensors are
    exported.
    """

    sensors: Sequence[str] = ()
    types: Sequence[str] = ()
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """A valid request, with the tags and labels of its sensors. `named` are the sensors selected by name or type."""

    sensors: Sequence[str]
    tags: Mapping[str, SensorTags]
    start_ns: int
    end_ns: int
    named: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class ExportService:
    """Exports the sensors of the description (`described`) and all others of the store."""

    def __init__(self, described: Mapping[str, Sensor], store: TimeSeriesStore) -> None:
        self._store = store
        self.update_description(described)

    def update_description(self, described: Mapping[str, Sensor]) -> None:
        """Use another description from now on."""
        self._described = described
        self._described_tags = {
            name: SensorTags(s.location, s.sensor_type, s.unit) for name, s in described.items()
        }

    async def plan(self, request: ExportRequest) -> ExportPlan:
        """Return the plan of a request. Raises `ExportRefused` for an invalid one."""
        # If only described sensors are named, the store need not list all of its sensors.
        is_closed = (
            bool(request.sensors) and not request.types and self._described.keys() >= set(request.sensors)
        )
        listed = request.sensors if is_closed else None
        latest = await self._store.latest(listed)
        tags = {**self._described_tags, **await self._store.tags(listed)}
        known = [*self._described, *(name for name in latest if name not in self._described)]
        sensors = _select(request, known, tags)
        newest = max((latest[name].time_ns for name in sensors if name in latest), default=None)
        end = request.end_ns if request.end_ns is not None else (newest or 0) + 1
        first = None
        if newest is not None and (request.start_ns is None or end - request.start_ns > MAX_INTERVAL_NS):
            first = await self._store.first_time()
        start = request.start_ns if request.start_ns is not None else (end if first is None else first)
        if request.start_ns is not None and request.end_ns is not None and start >= end:
            raise ExportRefused(
                "from",
                f"{iso(start)} is not before `to`, {iso(end)}",
                "give an earlier `from` or a later `to`",
            )
        # Skip the parts of the range in which nothing is stored.
        start = start if first is None else max(start, first)
        end = start if newest is None else min(end, newest + 1)
        named = sensors if request.sensors or request.types else ()
        sensor_tags = {name: tags[name] for name in sensors if name in tags}
        labels = {name: self._described[name].label for name in sensors if name in self._described}
        return ExportPlan(sensors, sensor_tags, start, max(start, end), named, labels)

    async def windows(self, plan: ExportPlan) -> AsyncGenerator[tuple[int, Readings], None]:
        """Yield the end of each interval (ns) and its readings, sorted by sensor and time."""
        # Start with an interval that fits one reading per second, then adapt it to the actual density.
        start, interval = plan.start_ns, MAX_ROWS * NS_PER_SECOND // max(1, len(plan.sensors))
        while start < plan.end_ns:
            end = min(start + interval, plan.end_ns)
            points = await self._store.raw_up_to(plan.sensors, start, end, MAX_ROWS)
            if points is None and end - start > 1:
                interval = (end - start) // 2
                continue
            if points is None:
                points = await self._store.raw(plan.sensors, start, end)
            readings = _combine(points)
            yield end, readings
            start = end
            if len(readings) < MAX_ROWS // 3:
                interval = min(2 * interval, MAX_INTERVAL_NS)


def _select(request: ExportRequest, known: Sequence[str], tags: Mapping[str, SensorTags]) -> Sequence[str]:
    """Return the requested sensors among the known ones. Raises `ExportRefused` for unknown names and types."""
    unknown = sorted(set(request.sensors) - set(known))
    if unknown:
        more = " and others" if len(unknown) > 5 else ""
        raise ExportRefused(
            "sensors",
            f"unknown sensor {', '.join(map(repr, unknown[:5]))}{more}",
            "use names from the Sensors page, or leave out `sensors` to export all",
        )
    types = {name: tags[name].sensor_type for name in known if name in tags}
    unknown_types = sorted(set(request.types) - set(types.values()))
    if unknown_types:
        raise ExportRefused(
            "types",
            f"unknown sensor type {', '.join(map(repr, unknown_types[:5]))}",
            f"available types: {', '.join(sorted(set(types.values()) - {''})) or 'none'}",
        )
    if not request.sensors and not request.types:
        return known
    selected = set(request.sensors) | {name for name, kind in types.items() if kind in request.types}
    return [name for name in known if name in selected]


def iso(time_ns: int) -> str:
    """Return the time in ISO 8601, UTC, with the suffix Z."""
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC).isoformat().replace("+00:00", "Z")


def time_of(where: str, text: str) -> int:
    """Return an ISO 8601 time with its zone as nanoseconds since the epoch. Raises `ExportRefused`."""
    fix = "write it as 2026-11-01T00:00:00Z, or with another zone such as +01:00"
    try:
        # In a URL a plus sign means a space, and many clients do not escape it.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if moment.tzinfo is None:
            raise ExportRefused(where, f"{text!r} has no time zone", fix)
        seconds = moment.timestamp()
        if not 0 <= seconds < 9_000_000_000:
            raise ExportRefused(where, f"{text!r} is out of range", fix)
    except (ValueError, OverflowError):
        raise ExportRefused(where, f"{text[:60]!r} is not a time", fix) from None
    return int(seconds) * NS_PER_SECOND + moment.microsecond * 1000


def _combine(points: Mapping[str, Points]) -> Readings:
    if not points:
        return Readings.empty()
    if len(points) == 1:
        (series,) = points.values()
        return Readings(tuple(points), np.zeros(len(series), np.int32), series.times, series.values)
    sizes = [len(series) for series in points.values()]
    return Readings(
        tuple(points),
        np.repeat(np.arange(len(points), dtype=np.int32), sizes),
        np.concatenate([series.times for series in points.values()]),
        np.concatenate([series.values for series in points.values()]),
    )
