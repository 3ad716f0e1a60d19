"""What befalls a sensor, and the port that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


class EventKind(StrEnum):
    SILENT = "silent"
    BACK = "back"  # heard again after a silence
    OUT_OF_RANGE = "out_of_range"
    STUCK = "stuck"  # the same value for hours


ONGOING_KINDS: Final = (EventKind.SILENT, EventKind.OUT_OF_RANGE, EventKind.STUCK)
"""Kinds that have a beginning and an end; a sensor has at most one of each that has not ended."""


@dataclass(frozen=True, slots=True)
class SensorEvent:
    """Something that befell a sensor. Times are ns since the epoch, UTC.

    at_ns      when it began, by the sensor's readings where they tell
    ended_ns   when it ended; None while it lasts. `back` is a moment: it ends when it begins
    value      the reading it is told by, in the sensor's unit; None where there is none
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
    """Which events are asked for; None is any. `before_id` and `after_id` are excluded themselves."""

    sensors: tuple[str, ...] | None = None
    kinds: tuple[EventKind, ...] | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    lasting: bool | None = None
    before_id: int | None = None


class EventLog(Protocol):
    """Events, kept in the order in which they were noticed."""

    async def open(self) -> Sequence[SensorEvent]:
        """Those that last, by id."""
        ...

    async def record(self, begun: Sequence[SensorEvent], ended: Sequence[SensorEvent]) -> None:
        """Keep new events (their ids are ignored) and ends of kept ones, all or none.

        An event that begins while one of its sensor and kind lasts is left out, so that noting twice does no harm.
        """
        ...

    async def page(self, chosen: EventFilter, limit: int) -> Sequence[SensorEvent]:
        """Noticed last first."""
        ...

    async def count(self, chosen: EventFilter) -> int: ...

    async def changed(self, since_ns: int) -> Sequence[SensorEvent]:
        """Events that were noticed, or whose end was, at or after a time; by id."""
        ...

    async def delete_ended_before(self, before_ns: int) -> int:
        """Drop events that ended before a time; answers how many."""
        ...
