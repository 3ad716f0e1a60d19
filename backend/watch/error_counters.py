"""Temperature sensors that fall silent are counted, so that a probe that comes and goes shows."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias

from backend.core.clock import Clock
from backend.core.ports import Counters, LastValuesView, TimeSeriesStore
from backend.core.windows import NS_PER_SECOND

log = logging.getLogger(__name__)

SILENT_NS: Final = 40 * NS_PER_SECOND
PERIODS: Final = 2
"""A sensor that is read seldom is silent only after so many of its periods."""

Heard: TypeAlias = Callable[[], Awaitable[Mapping[str, int]]]
"""Time of the newest reading (ns) of every sensor that has one."""


class Unresponsive:
    """Each look counts one error of every watched sensor that has been silent over 40 s.

    Time in which nobody looked does not count as silence: after a start a sensor has 40 s to be heard. Where no sensor at all
    was heard in that time, it is not the probes that are silent, and nothing is counted.
    """

    def __init__(self, watched: Mapping[str, float], heard: Heard, counters: Counters, clock: Clock) -> None:
        """`watched` gives the period in seconds of each sensor."""
        self._limits = _limits(watched)
        self._heard = heard
        self._counters = counters
        self._clock = clock
        self._since_ns = clock.now_ns()
        self._silent: frozenset[str] = frozenset()

    def update_description(self, watched: Mapping[str, float], heard: Heard) -> None:
        """Other sensors from now on; those that are new have their 40 s to be heard."""
        self._heard = heard
        if watched.keys() - self._limits.keys():
            self._since_ns = self._clock.now_ns()
        self._limits = _limits(watched)

    async def detect(self) -> frozenset[str]:
        """One look. Returns the silent sensors. Raises `TransientError` where it cannot be seen or counted now."""
        times, now = await self._heard(), self._clock.now_ns()
        if max(times.values(), default=0) < now - SILENT_NS:
            return frozenset()
        silent = frozenset(
            name
            for name, limit in self._limits.items()
            if now - max(times.get(name, 0), self._since_ns) > limit
        )
        await self._counters.count(sorted(silent), now)
        for name in sorted(silent - self._silent):
            log.warning("%s: silent", name)
        for name in sorted(self._silent - silent):
            log.info("%s: heard again", name)
        self._silent = silent
        return silent


def _limits(watched: Mapping[str, float]) -> dict[str, int]:
    return {
        name: max(SILENT_NS, round(PERIODS * period_s * NS_PER_SECOND)) for name, period_s in watched.items()
    }


def heard_live(view: LastValuesView) -> Heard:
    """From the last values in memory."""

    async def heard() -> Mapping[str, int]:
        newest = view.snapshot()
        return {
            newest.names[code]: t
            for code, t in zip(newest.codes.tolist(), newest.times.tolist(), strict=True)
        }

    return heard


def heard_in(store: TimeSeriesStore, sensors: Iterable[str]) -> Heard:
    """From the store, for a process that does not follow the bus."""
    names = list(sensors)

    async def heard() -> Mapping[str, int]:
        return {name: reading.time_ns for name, reading in (await store.latest(names)).items()}

    return heard
