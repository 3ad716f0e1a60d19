"""Raw readings of a range, of any length, a window of time at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from backend.core.errors import UserError
from backend.core.ports import SensorTags, TimeSeriesStore
from backend.core.reading import Points, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.inventory.model import Sensor

MOST_ROWS: Final = 250_000
"""Readings held at once; a window of time is as long as gives about so many."""

LONGEST_SPAN_NS: Final = 32 * Window.D1.ns


class ExportRefused(UserError):
    """What is wrong, where in the request, and how to mend it."""

    def __init__(self, where: str, what: str, mend: str) -> None:
        super().__init__(f"{where}: {what}: {mend}")
        self.where = where
        self.what = what
        self.mend = mend


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Readings of [start_ns, end_ns); None is the first, or the last and it too. Without sensors and types, all."""

    sensors: Sequence[str] = ()
    types: Sequence[str] = ()
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """A request that can be answered, with what is kept beside its sensors."""

    sensors: Sequence[str]
    tags: Mapping[str, SensorTags]
    start_ns: int
    end_ns: int
    named: Sequence[str] = ()
    """Those of the sensors that were asked for by name or type."""


class ExportService:
    """`described` are the sensors of the description; what else the store holds is exported too."""

    def __init__(self, described: Mapping[str, Sensor], store: TimeSeriesStore) -> None:
        self._store = store
        self.update_description(described)

    def update_description(self, described: Mapping[str, Sensor]) -> None:
        self._described = described
        self._said = {n: SensorTags(s.location, s.sensor_type, s.unit) for n, s in described.items()}

    async def plan(self, request: ExportRequest) -> ExportPlan:
        """Raises `ExportRefused` for what cannot be answered."""
        # Of a few that are described, what the store holds beside them need not be looked through.
        few = bool(request.sensors) and not request.types and self._described.keys() >= set(request.sensors)
        named = request.sensors if few else None
        latest = await self._store.latest(named)
        tags = {**self._said, **await self._store.tags(named)}
        sensors = self._chosen(
            request, [*self._described, *(n for n in latest if n not in self._described)], tags
        )
        newest = max((latest[name].time_ns for name in sensors if name in latest), default=None)
        end = request.end_ns if request.end_ns is not None else (newest or 0) + 1
        first = None
        if newest is not None and (request.start_ns is None or end - request.start_ns > LONGEST_SPAN_NS):
            first = await self._store.first_time()
        start = request.start_ns if request.start_ns is not None else (end if first is None else first)
        if request.start_ns is not None and request.end_ns is not None and start >= end:
            raise ExportRefused(
                "from",
                f"{iso(start)} is not before `to`, {iso(end)}",
                "give an earlier `from` or a later `to`",
            )
        # What lies outside of all that is kept need not be looked at.
        start = start if first is None else max(start, first)
        end = start if newest is None else min(end, newest + 1)
        chosen = sensors if request.sensors or request.types else ()
        return ExportPlan(sensors, {n: tags[n] for n in sensors if n in tags}, start, max(start, end), chosen)

    async def windows(self, plan: ExportPlan) -> AsyncGenerator[tuple[int, Readings], None]:
        """The readings of one window of time after the other, by sensor and time, and where each window ends (ns)."""
        # As long as it takes for so many rows at one a second; what is denser or sparser shows at once.
        at, span = plan.start_ns, MOST_ROWS * NS_PER_SECOND // max(1, len(plan.sensors))
        while at < plan.end_ns:
            end = min(at + span, plan.end_ns)
            found = await self._store.raw_up_to(plan.sensors, at, end, MOST_ROWS)
            if found is None and end - at > 1:
                span = (end - at) // 2
                continue
            readings = _rows(await self._store.raw(plan.sensors, at, end) if found is None else found)
            yield end, readings
            at = end
            if len(readings) < MOST_ROWS // 3:
                span = min(2 * span, LONGEST_SPAN_NS)

    def _chosen(
        self, request: ExportRequest, known: Sequence[str], tags: Mapping[str, SensorTags]
    ) -> Sequence[str]:
        unknown = sorted(set(request.sensors) - set(known))
        if unknown:
            more = " and others" if len(unknown) > 5 else ""
            raise ExportRefused(
                "sensors",
                f"there is no sensor {', '.join(map(repr, unknown[:5]))}{more}",
                "take names from the page of sensors, or leave `sensors` out for all",
            )
        kinds = {name: tags[name].sensor_type for name in known if name in tags}
        missing = sorted(set(request.types) - set(kinds.values()))
        if missing:
            raise ExportRefused(
                "types",
                f"there is no sensor of type {', '.join(map(repr, missing[:5]))}",
                f"there are {', '.join(sorted(set(kinds.values()) - {''})) or 'none'}",
            )
        if not request.sensors and not request.types:
            return known
        wanted = set(request.sensors) | {name for name, kind in kinds.items() if kind in request.types}
        return [name for name in known if name in wanted]


def iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC).isoformat().replace("+00:00", "Z")


def time_of(where: str, text: str) -> int:
    """Nanoseconds since the epoch of an ISO 8601 time with its zone. Raises `ExportRefused`."""
    mend = "write 2026-11-01T00:00:00Z, or another zone as +01:00"
    try:
        # In an address a plus sign means a space, and people write it all the same.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if moment.tzinfo is None:
            raise ExportRefused(where, f"{text!r} says no zone", mend)
        seconds = moment.timestamp()
        if not 0 <= seconds < 9_000_000_000:
            raise ExportRefused(where, f"{text!r} is out of range", mend)
    except (ValueError, OverflowError):
        raise ExportRefused(where, f"{text[:60]!r} is no time", mend) from None
    return int(seconds) * NS_PER_SECOND + moment.microsecond * 1000


def _rows(found: Mapping[str, Points]) -> Readings:
    if not found:
        return Readings.empty()
    if len(found) == 1:
        (only,) = found.values()
        return Readings(tuple(found), np.zeros(len(only), np.int32), only.times, only.values)
    sizes = [len(points) for points in found.values()]
    return Readings(
        tuple(found),
        np.repeat(np.arange(len(found), dtype=np.int32), sizes),
        np.concatenate([points.times for points in found.values()]),
        np.concatenate([points.values for points in found.values()]),
    )
