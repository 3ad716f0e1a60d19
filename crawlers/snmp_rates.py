"""Counters as rates: by how much a second they grew, over wraps and restarts. Nothing here touches the network."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from backend.core.windows import NS_PER_SECOND
from crawlers.snmp_plan import Count, Number, Oid

UPTIME: Final[Oid] = (1, 3, 6, 1, 2, 1, 1, 3, 0)
"""sysUpTime: read with counters, since one that is smaller than before tells of a restart."""

GAP_PERIODS: Final = 3
"""After a longer gap the rate would be a mean over times that no reading stands for."""


def plain(value: Number) -> float:
    return float(value.number) if isinstance(value, Count) else value


def growth(before: Number, now: Number) -> float | None:
    """How much was counted in between; None where the counter must have begun anew."""
    if not isinstance(before, Count) or not isinstance(now, Count):
        return plain(now) - plain(before)
    if now.number >= before.number:
        return float(now.number - before.number)
    wrapped = (now.number - before.number) % 2**now.bits
    return float(wrapped) if wrapped < 2 ** (now.bits - 1) else None


class Rates:
    """Remembers the last numbers of one agent."""

    def __init__(self, period_s: float) -> None:
        self._longest_ns = round(GAP_PERIODS * period_s * NS_PER_SECOND)
        self._before: dict[Oid, tuple[int, Number]] = {}
        self._uptime: float | None = None

    def of(self, values: Mapping[Oid, Number], wanted: Set[Oid], tick_ns: int) -> dict[Oid, float]:
        """Growth a second of the `wanted` values, where there was one before; `tick_ns` is the time of the poll."""
        uptime = plain(values[UPTIME]) if UPTIME in values else None
        if uptime is not None and self._uptime is not None and uptime < self._uptime:
            self._before.clear()
        self._uptime = uptime
        found: dict[Oid, float] = {}
        for oid in wanted & values.keys():
            time_ns, before = self._before.get(oid, (tick_ns, values[oid]))
            grown = growth(before, values[oid])
            if grown is not None and 0 < tick_ns - time_ns <= self._longest_ns:
                found[oid] = grown * NS_PER_SECOND / (tick_ns - time_ns)
            self._before[oid] = tick_ns, values[oid]
        return found
