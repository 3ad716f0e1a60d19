"""Counts the silences of temperature sensors, so that an intermittent probe shows."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from backend.core.clock import Clock
from backend.core.ports import Counters, LastValuesView, TimeSeriesStore
from backend.watch.silence import ERROR_COUNTERS, is_silent, is_site_silent

log = logging.getLogger(__name__)

ReadTimes: TypeAlias = Callable[[], Awaitable[Mapping[str, int]]]
"""Returns the time of the newest reading (ns) of every sensor that has one."""


class SilenceCounter:
    """Adds one error per check to every watched sensor that is silent by the rule `ERROR_COUNTERS`.

    Time before the first check does not count as silence. If the whole site is silent, nothing is counted.
    """

    def __init__(
        self, periods_s: Mapping[str, float], read_times: ReadTimes, counters: Counters, clock: Clock
    ) -> None:
        """`periods_s` maps each watched sensor to its period in seconds."""
        self._limits_ns = _limits_ns(periods_s)
        self._read_times = read_times
        self._counters = counters
        self._clock = clock
        self._since_ns = clock.now_ns()
        self._silent: frozenset[str] = frozenset()

    def update_description(self, periods_s: Mapping[str, float], read_times: ReadTimes) -> None:
        """Watch other sensors from now on. If one of them is new, the time until now does not count as silence."""
        self._read_times = read_times
        if periods_s.keys() - self._limits_ns.keys():
            self._since_ns = self._clock.now_ns()
        self._limits_ns = _limits_ns(periods_s)

    async def detect(self) -> frozenset[str]:
        """Check once and return the silent sensors. Raises `TransientError` if readings or counters are unreachable."""
        times, now_ns = await self._read_times(), self._clock.now_ns()
        if is_site_silent(times.values(), now_ns):
            return frozenset()
        silent = frozenset(
            name
            for name, limit_ns in self._limits_ns.items()
            if is_silent(max(times.get(name, 0), self._since_ns), now_ns, limit_ns)
        )
        await self._counters.count(sorted(silent), now_ns)
        for name in sorted(silent - self._silent):
            log.warning("sensor silent sensor=%s", name)
        for name in sorted(self._silent - silent):
            log.info("sensor resumed sensor=%s", name)
        self._silent = silent
        return silent


def _limits_ns(periods_s: Mapping[str, float]) -> dict[str, int]:
    return {name: ERROR_COUNTERS.limit_ns(period_s) for name, period_s in periods_s.items()}


def times_from_memory(view: LastValuesView) -> ReadTimes:
    """Return a reader of the last values in memory."""

    async def read_times() -> Mapping[str, int]:
        newest = view.snapshot()
        return {
            newest.names[code]: time_ns
            for code, time_ns in zip(newest.codes.tolist(), newest.times.tolist(), strict=True)
        }

    return read_times


def times_from_store(store: TimeSeriesStore, sensors: Iterable[str]) -> ReadTimes:
    """Return a reader of the store, for a process that does not subscribe to the bus."""
    names = list(sensors)

    async def read_times() -> Mapping[str, int]:
        return {name: reading.time_ns for name, reading in (await store.latest(names)).items()}

    return read_times
