"""Serves the events of sensors and resets their error counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final

from backend.core.clock import Clock
from backend.core.errors import TransientError, UserError
from backend.core.events import EventFilter, EventLog, SensorEvent
from backend.core.health import SensorErrors
from backend.core.ports import Counters
from backend.core.windows import NS_PER_SECOND

MAX_PAGE: Final = 1_000
SNAPSHOT_EVENTS: Final = 100
"""Newest events in the first answer of a subscription, besides all open ones."""
MIN_INTERVAL_S: Final = 1.0
"""Seconds between two answers of a subscription."""
_MAX_SKEW_NS: Final = 60 * NS_PER_SECOND
"""Largest expected difference between the clocks of two machines."""


class EventService:
    """Raises `TransientError` if the database or the counters are unreachable."""

    def __init__(self, log: EventLog, counters: Counters, clock: Clock) -> None:
        self._log = log
        self._counters = counters
        self._clock = clock

    async def page(self, event_filter: EventFilter, first: int) -> tuple[int, Sequence[SensorEvent], bool]:
        """Return the number of matching events, the newest `first` of them, and whether more follow.

        Newest is by the time of detection. Raises `UserError` for a page size out of range.
        """
        if not 1 <= first <= MAX_PAGE:
            raise UserError(f"events(first: {first}): expected 1 to {MAX_PAGE}.")
        events = await self._log.page(event_filter, first + 1)
        return await self._log.count(event_filter), events[:first], len(events) > first

    async def watch(self) -> AsyncGenerator[tuple[bool, Sequence[SensorEvent]], None]:
        """Yield (True, open and newest events) once, then (False, events that started or ended).

        At most one answer per second; each lists the events newest first, by the time of detection.
        """
        since_ns = self._clock.now_ns() - _MAX_SKEW_NS
        events = {event.id: event for event in await self._log.page(EventFilter(), SNAPSHOT_EVENTS)}
        events |= {event.id: event for event in await self._log.open()}
        yield True, _newest_first(events.values())
        while True:
            await asyncio.sleep(MIN_INTERVAL_S)
            now_ns = self._clock.now_ns()
            try:
                recent = await self._log.changed(since_ns)
            except TransientError:
                continue
            since_ns = now_ns - _MAX_SKEW_NS
            changed = [event for event in recent if events.get(event.id) != event]
            events |= {event.id: event for event in changed}
            if changed:
                yield False, _newest_first(changed)

    async def clear_errors(self, sensors: Sequence[str] | None) -> Sequence[SensorErrors]:
        """Reset the error counters of these sensors; None selects all. Return the counters before the reset.

        A sensor without errors is ignored.
        """
        counters = await self._counters.errors()
        cleared = [errors for errors in counters if sensors is None or errors.sensor in sensors]
        await self._counters.reset(None if sensors is None else [errors.sensor for errors in cleared])
        return cleared


def _newest_first(events: Iterable[SensorEvent]) -> Sequence[SensorEvent]:
    return sorted(events, key=lambda event: -event.id)
