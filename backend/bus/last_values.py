"""The newest reading of every sensor, in memory."""

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
    """Keeps the reading with the newest time of every sensor on the bus, in whatever order readings arrive.

    The order of `names` never changes. Sensors outside of it are kept too, but only `latest` and `snapshot` return them.
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
        # The table of names used last, and the rows of its names in the arrays.
        self._cached_rows: tuple[Sequence[str], Int64] = ((), np.empty(0, np.int64))

    async def run(self) -> None:
        """Update from the bus until cancelled. `ready` is set once the bus is subscribed and the seed is loaded.

        After an outage of the bus or a gap the seed is loaded again.
        """
        outage = Outage(log, "last_values")
        while True:
            try:
                async with self._bus.subscribe() as batches:
                    await self._load_seed()
                    self.ready.set()
                    outage.recovered()
                    gaps = batches.gaps
                    async for batch in batches:
                        self.merge(batch)
                        if batches.gaps != gaps:
                            gaps = batches.gaps
                            await self._load_seed()
            except TransientError as error:
                outage.failed(error)
            await asyncio.sleep(_RETRY_S)

    def merge(self, readings: Readings) -> None:
        """Keep the readings that are newer than those of their sensors."""
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
        """int64 (len(names),): time of each last reading in ns, the smallest int64 where there is none. A copy."""
        return self._times[: len(self.names)].copy()

    def latest(self, name: str) -> Reading | None:
        """Return the newest reading of a sensor, or None if there is none yet."""
        row = self._index.get(name)
        if row is None or self._times[row] == _NEVER:
            return None
        return Reading(name, int(self._times[row]), float(self._values[row]))

    def snapshot(self, sensors: frozenset[str] | None = None) -> Readings:
        """Return the newest reading of each named sensor, or of all sensors. Sensors without a reading are left out."""
        has_reading = self._times != _NEVER
        if sensors is not None:
            is_selected = np.zeros(len(has_reading), bool)
            is_selected[[self._index[name] for name in sensors if name in self._index]] = True
            has_reading = has_reading & is_selected
        rows = np.flatnonzero(has_reading)
        names = tuple(self._all[row] for row in rows.tolist())
        return Readings(names, np.arange(len(rows), dtype=np.int32), self._times[rows], self._values[rows])

    def view(self, names: Sequence[str]) -> LastValuesView:
        """Return a view of the same values for other sensors or another order."""
        return _View(self, names)

    def rows_of(self, names: Sequence[str]) -> Int64:
        """Return the rows of the named sensors in `columns`. They never change."""
        return self._rows_of(tuple(names))

    def columns(self) -> tuple[Int64, Float64]:
        """Return the times and values of all sensors, read-only. The smallest int64 and NaN stand for no reading."""
        return self._times, self._values

    async def _load_seed(self) -> None:
        if self._seed is None:
            return
        try:
            seed = await self._seed()
        except TransientError as error:
            log.warning("last values not loaded from the store; values appear as readings arrive: %s", error)
            return
        self.merge(Readings.of(seed.values()))

    def _rows_of(self, names: Sequence[str]) -> Int64:
        if names is self._cached_rows[0]:
            return self._cached_rows[1]
        new = [name for name in names if name not in self._index]
        for name in new:
            self._index[name] = len(self._all)
            self._all.append(name)
        if new:
            self._times = np.concatenate([self._times, np.full(len(new), _NEVER, np.int64)])
            self._values = np.concatenate([self._values, np.full(len(new), np.nan)])
        rows = np.array([self._index[name] for name in names], np.int64)
        self._cached_rows = (names, rows)
        return rows


class _View:
    """Some of the sensors of a `LastValues`, in an order of their own."""

    def __init__(self, last_values: LastValues, names: Sequence[str]) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self._last_values = last_values
        self._rows = last_values.rows_of(self.names)

    def values(self, now_ns: int, max_age_ns: int) -> Float64:
        times, values = self._last_values.columns()
        return np.where(times[self._rows] >= now_ns - max_age_ns, values[self._rows], np.nan)

    def times(self) -> Int64:
        return self._last_values.columns()[0][self._rows]

    def latest(self, name: str) -> Reading | None:
        return self._last_values.latest(name)

    def snapshot(self, sensors: frozenset[str] | None = None) -> Readings:
        return self._last_values.snapshot(sensors)
