"""Checks all sensors: reads their newest readings, judges them, and records the events that started or ended."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.events import EventKind, EventLog
from backend.core.ports import LastValuesView, RollupState, TimeSeriesStore
from backend.core.reading import Reading
from backend.core.windows import Window
from backend.watch.judge import EventChanges, StuckValue, WatchedSensor, judge

log = logging.getLogger(__name__)

ReadNewest: TypeAlias = Callable[[], Awaitable[Mapping[str, Reading]]]
"""Returns the newest reading of every sensor that has one."""


class Watcher:
    """Any process may call `check`, one call at a time: the open events are read from the event log."""

    def __init__(
        self,
        sensors: Iterable[WatchedSensor],
        read_newest: ReadNewest,
        store: TimeSeriesStore,
        state: RollupState,
        events: EventLog,
        clock: Clock,
        stuck_hours: int,
    ) -> None:
        """`stuck_hours` is the number of whole hours without change after which a sensor is stuck; 0 disables the check."""
        self._sensors = tuple(sensors)
        self._read_newest = read_newest
        self._store = store
        self._state = state
        self._events = events
        self._clock = clock
        self._stuck_hours = stuck_hours
        self._since_ns = clock.now_ns()
        self._stuck: tuple[int, Mapping[str, StuckValue]] = (0, {})

    def update_description(self, sensors: Iterable[WatchedSensor], read_newest: ReadNewest) -> None:
        """Watch other sensors from now on."""
        self._sensors, self._read_newest = tuple(sensors), read_newest
        self._stuck = (0, {})

    async def check(self) -> EventChanges:
        """Check all sensors once and record the changes.

        Raises `TransientError` if readings or events are unreachable; the next check catches up.
        """
        open_events = await self._events.open()
        newest, stuck = await self._read_newest(), await self._find_stuck()
        changes = judge(self._sensors, newest, stuck, open_events, self._since_ns, self._clock.now_ns())
        await self._events.record(changes.started, changes.ended)
        for event in changes.started:
            level = logging.INFO if event.kind is EventKind.BACK else logging.WARNING
            log.log(level, "sensor event sensor=%s kind=%s: %s", event.sensor, event.kind, event.message)
        return changes

    async def _find_stuck(self) -> Mapping[str, StuckValue]:
        """Return the stuck values. They are computed once per hour, after the roll-up of another hour."""
        end_ns = await self._state.watermark(Window.H1) if self._stuck_hours else None
        if end_ns is not None and end_ns != self._stuck[0]:
            names = [sensor.name for sensor in self._sensors if not sensor.steady]
            self._stuck = (end_ns, await find_stuck_values(self._store, names, end_ns, self._stuck_hours))
        return self._stuck[1]


async def find_stuck_values(
    store: TimeSeriesStore, sensors: Sequence[str], end_ns: int, hours: int
) -> Mapping[str, StuckValue]:
    """Return the sensors that had one and the same value in each of the `hours` whole hours before `end_ns`.

    The value 0 does not count: the plug of a server that is off may read 0 for years.
    """
    start_ns = end_ns - hours * Window.H1.ns
    buckets = await store.buckets(
        SeriesKind.SENSOR, sensors, Window.H1, start_ns, end_ns, ("count", "min", "max")
    )
    stuck = {}
    for name, rows in buckets.by_series().items():
        filled = rows.count > 0
        low = np.min(rows.min[filled], initial=np.inf)
        high = np.max(rows.max[filled], initial=-np.inf)
        if int(filled.sum()) == hours and low == high != 0:
            stuck[name] = StuckValue(float(low), start_ns, hours)
    return stuck


def newest_from_memory(view: LastValuesView, sensors: Iterable[str]) -> ReadNewest:
    """Return a reader of the last values in memory."""
    names = list(sensors)

    async def read_newest() -> Mapping[str, Reading]:
        readings = {name: view.latest(name) for name in names}
        return {name: reading for name, reading in readings.items() if reading is not None}

    return read_newest


def newest_from_store(store: TimeSeriesStore, sensors: Iterable[str]) -> ReadNewest:
    """Return a reader of the store, for a process that does not subscribe to the bus."""
    names = list(sensors)

    async def read_newest() -> Mapping[str, Reading]:
        return await store.latest(names)

    return read_newest
