"""Rates of counters per second, across overflows and restarts. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from backend.core.windows import NS_PER_SECOND
from crawlers.snmp_plan import CounterValue, Number, Oid

UPTIME: Final[Oid] = (1, 3, 6, 1, 2, 1, 1, 3, 0)
"""sysUpTime. It is read with the counters, because a value smaller than before means a restart."""

MAX_GAP_PERIODS: Final = 3
"""After a longer gap there is no rate, because it would be a mean over a time without readings."""


def number_of(value: Number) -> float:
    return float(value.number) if isinstance(value, CounterValue) else value


def increase(before: Number, now: Number) -> float | None:
    """Return the increase of a counter, or None if the counter must have been reset."""
    if not isinstance(before, CounterValue) or not isinstance(now, CounterValue):
        return number_of(now) - number_of(before)
    if now.number >= before.number:
        return float(now.number - before.number)
    wrapped = (now.number - before.number) % 2**now.bits
    return float(wrapped) if wrapped < 2 ** (now.bits - 1) else None


class Rates:
    """Computes the rates of one agent from its previous values."""

    def __init__(self, period_s: float) -> None:
        self._max_gap_ns = round(MAX_GAP_PERIODS * period_s * NS_PER_SECOND)
        self._before: dict[Oid, tuple[int, Number]] = {}
        self._uptime: float | None = None

    def update(self, values: Mapping[Oid, Number], oids: Set[Oid], tick_ns: int) -> dict[Oid, float]:
        """Return the increase per second of the `oids` that have a previous value. `tick_ns` is the time of the poll."""
        uptime = number_of(values[UPTIME]) if UPTIME in values else None
        if uptime is not None and self._uptime is not None and uptime < self._uptime:
            self._before.clear()
        self._uptime = uptime
        rates: dict[Oid, float] = {}
        for oid in oids & values.keys():
            time_ns, before = self._before.get(oid, (tick_ns, values[oid]))
            delta = increase(before, values[oid])
            if delta is not None and 0 < tick_ns - time_ns <= self._max_gap_ns:
                rates[oid] = delta * NS_PER_SECOND / (tick_ns - time_ns)
            self._before[oid] = tick_ns, values[oid]
        return rates
