"""The newest reading of every sensor, in memory, for whoever needs all of them at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from backend.core.errors import TransientError
from backend.core.outage import Outage
from backend.core.ports import Bus, LastValuesView
from backend.core.reading import Float64, Int64, Reading, Readings

log = logging.getLogger(__name__)

Seed: TypeAlias = Callable[[], Awaitable[Mapping[str, Reading]]]

_NEVER: Final = np.iinfo(np.int64).min
_RETRY_S: Final = 1.0


class LastValues:
    """Follows the bus; of two readings of a sensor the one with the newest time stands, whatever came last.

    The order of `names` never changes. Sensors outside it are followed too, but only `latest` and `snapshot` show them.
    """

    def __init__(self, bus: Bus, names: Sequence[str], seed: Seed | None = None) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self.ready = asyncio.Event()
        self._bus = bus
        self._seed = seed
        self._all: list[str] = list(self.names)
        self._index: dict[str, int] = {name: i for i, name in enumerate(self._all)}
        self._times: Int64 = np.full(len(self._all), _NEVER, np.int64)
        self._values: Float64 = np.full(len(self._all), np.nan)
        # Where the rows of the last names table seen stand in the arrays.
        self._seen: tuple[Sequence[str], Int64] = ((), np.empty(0, np.int64))

    async def run(self) -> None:
        """Follows until cancelled; `ready` is set once the bus is heard and the seed is in.

        What was missed while the bus was away is taken from the seed again.
        """
        outage = Outage(log, "last_values")
        while True:
            try:
                async with self._bus.subscribe() as batches:
                    await self._sow()
                    self.ready.set()
                    outage.recovered()
                    gaps = batches.gaps
                    async for batch in batches:
                        self.take(batch)
                        if batches.gaps != gaps:
                            gaps = batches.gaps
                            await self._sow()
            except TransientError as error:
                outage.failed(error)
            await asyncio.sleep(_RETRY_S)

    def take(self, readings: Readings) -> None:
        """Merge readings."""
        if not len(readings):
            return
        newest = readings.newest()
        rows = self._rows_of(newest.names)[newest.codes]
        newer = newest.times >= self._times[rows]
        self._times[rows[newer]] = newest.times[newer]
        self._values[rows[newer]] = newest.values[newer]

    def values(self, now_ns: int, max_age_ns: int) -> Float64:
        """float64 (len(names),), in the order of `names`; NaN where the last reading is older than `max_age_ns`."""
        n = len(self.names)
        fresh = self._times[:n] >= now_ns - max_age_ns
        return np.where(fresh, self._values[:n], np.nan)

    def times(self) -> Int64:
        """int64 (len(names),): time of each last reading, the smallest int64 where there is none. A copy."""
        return self._times[: len(self.names)].copy()

    def latest(self, name: str) -> Reading | None:
        """The newest reading of a sensor, None where there is none yet."""
        row = self._index.get(name)
        if row is None or self._times[row] == _NEVER:
            return None
        return Reading(name, int(self._times[row]), float(self._values[row]))

    def snapshot(self, sensors: frozenset[str] | None = None) -> Readings:
        """The newest reading of the named sensors, or of all, where there is one."""
        has = self._times != _NEVER
        if sensors is not None:
            wanted = [self._index[name] for name in sensors if name in self._index]
            only = np.zeros(len(has), bool)
            only[wanted] = True
            has = has & only
        rows = np.flatnonzero(has)
        names = tuple(self._all[row] for row in rows.tolist())
        return Readings(names, np.arange(len(rows), dtype=np.int32), self._times[rows], self._values[rows])

    def of(self, names: Sequence[str]) -> LastValuesView:
        """The same values under another order of described sensors, for as long as that holds."""
        return _View(self, names)

    def rows_of(self, names: Sequence[str]) -> Int64:
        """Where the named sensors stand in `columns`; for good."""
        return self._rows_of(tuple(names))

    def columns(self) -> tuple[Int64, Float64]:
        """Times and values of all sensors, not to be changed; the smallest int64 and NaN where there is none."""
        return self._times, self._values

    async def _sow(self) -> None:
        if self._seed is None:
            return
        try:
            known = await self._seed()
        except TransientError as error:
            log.warning("last values go on without the past, the store is down: %s", error)
            return
        self.take(Readings.of(known.values()))

    def _rows_of(self, names: Sequence[str]) -> Int64:
        if names is self._seen[0]:
            return self._seen[1]
        new = [name for name in names if name not in self._index]
        for name in new:
            self._index[name] = len(self._all)
            self._all.append(name)
        if new:
            self._times = np.concatenate([self._times, np.full(len(new), _NEVER, np.int64)])
            self._values = np.concatenate([self._values, np.full(len(new), np.nan)])
        rows = np.array([self._index[name] for name in names], np.int64)
        self._seen = (names, rows)
        return rows


class _View:
    """Some of the sensors of `LastValues`, in an order of their own."""

    def __init__(self, of: LastValues, names: Sequence[str]) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self._of = of
        self._rows = of.rows_of(self.names)

    def values(self, now_ns: int, max_age_ns: int) -> Float64:
        times, values = self._of.columns()
        return np.where(times[self._rows] >= now_ns - max_age_ns, values[self._rows], np.nan)

    def times(self) -> Int64:
        return self._of.columns()[0][self._rows]

    def latest(self, name: str) -> Reading | None:
        return self._of.latest(name)

    def snapshot(self, sensors: frozenset[str] | None = None) -> Readings:
        return self._of.snapshot(sensors)
