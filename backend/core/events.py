"""Events of sensors, and the port that stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


class EventKind(StrEnum):
    """The kinds of events."""

    SILENT = "silent"
    BACK = "back"  # reporting again after a silence
    OUT_OF_RANGE = "out_of_range"
    STUCK = "stuck"  # the same value for hours


ONGOING_KINDS: Final = (EventKind.SILENT, EventKind.OUT_OF_RANGE, EventKind.STUCK)
"""Kinds with a start and an end. A sensor has at most one open event of each."""


@dataclass(frozen=True, slots=True)
class SensorEvent:
    """An event of a sensor. Times are ns since the epoch, UTC.

    at_ns       its start; the time of a reading if a reading shows it
    ended_ns    its end; None while it is open. `back` ends at its start
    value       the reading that shows it, in the sensor's unit; None if there is none
    noticed_ns  the time of its detection
    """

    id: int
    sensor: str
    kind: EventKind
    at_ns: int
    message: str
    value: float | None = None
    ended_ns: int | None = None
    noticed_ns: int = 0


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A selection of events; None matches any. `lasting` True matches open events. Ids are below `before_id`."""

    sensors: tuple[str, ...] | None = None
    kinds: tuple[EventKind, ...] | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    lasting: bool | None = None
    before_id: int | None = None


class EventLog(Protocol):
    """The stored events, with ids in the order of their detection."""

    async def open(self) -> Sequence[SensorEvent]:
        """Return the open events, by id."""
        ...

    async def record(self, started: Sequence[SensorEvent], ended: Sequence[SensorEvent]) -> None:
        """Store new events (their ids are ignored) and the ends of stored ones, all or none.

        A new event is ignored while one of its sensor and kind is open, so that a repeated call changes nothing.
        """
        ...

    async def page(self, event_filter: EventFilter, limit: int) -> Sequence[SensorEvent]:
        """Return at most `limit` matching events, newest detection first."""
        ...

    async def count(self, event_filter: EventFilter) -> int: ...

    async def changed(self, since_ns: int) -> Sequence[SensorEvent]:
        """Return the events whose start or end was detected at or after a time, by id."""
        ...

    async def delete_ended_before(self, before_ns: int) -> int:
        """Delete the events that ended before a time. Return their number."""
        ...
