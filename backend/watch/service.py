"""Events of sensors, and their error counters, as people see them."""

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
SHOWN: Final = 100
"""Events that a subscription begins with, beside all that last."""
LEAST_SECONDS: Final = 1.0
_SKEW_NS: Final = 60 * NS_PER_SECOND
"""How far the clocks of two machines may be apart."""


class EventService:
    """Raises `TransientError` where the database or the counters cannot be reached."""

    def __init__(self, log: EventLog, counters: Counters, clock: Clock) -> None:
        self._log = log
        self._counters = counters
        self._clock = clock

    async def page(self, chosen: EventFilter, first: int) -> tuple[int, Sequence[SensorEvent], bool]:
        """How many match in all, a page of them, noticed last first, and whether more follow. Raises `UserError`."""
        if not 1 <= first <= MAX_PAGE:
            raise UserError(f"events(first: {first}): expected 1 to {MAX_PAGE}.")
        found = await self._log.page(chosen, first + 1)
        return await self._log.count(chosen), found[:first], len(found) > first

    async def watch(self) -> AsyncGenerator[tuple[bool, Sequence[SensorEvent]], None]:
        """(True, all events that last and the newest others) once, then (False, those that began or ended), at most once a
        second; those noticed last first."""
        since = self._clock.now_ns() - _SKEW_NS
        known = {event.id: event for event in await self._log.page(EventFilter(), SHOWN)}
        known |= {event.id: event for event in await self._log.open()}
        yield True, _newest_first(known.values())
        while True:
            await asyncio.sleep(LEAST_SECONDS)
            now = self._clock.now_ns()
            try:
                fresh = await self._log.changed(since)
            except TransientError:
                continue
            since = now - _SKEW_NS
            news = [event for event in fresh if known.get(event.id) != event]
            known |= {event.id: event for event in news}
            if news:
                yield False, _newest_first(news)

    async def clear_errors(self, sensors: Sequence[str] | None) -> Sequence[SensorErrors]:
        """Forget the errors counted of these sensors, of all if None. Answers what was forgotten; a sensor without errors is
        no fault."""
        before = await self._counters.errors()
        cleared = [errors for errors in before if sensors is None or errors.sensor in sensors]
        await self._counters.reset(None if sensors is None else [errors.sensor for errors in cleared])
        return cleared


def _newest_first(events: Iterable[SensorEvent]) -> Sequence[SensorEvent]:
    return sorted(events, key=lambda event: -event.id)
