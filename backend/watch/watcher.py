"""One look at all sensors: reads what they said last, judges it, and keeps what is new."""

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
from backend.watch.judge import Findings, Same, Watched, judge

log = logging.getLogger(__name__)

Newest: TypeAlias = Callable[[], Awaitable[Mapping[str, Reading]]]
"""The newest reading of every sensor that has one."""


class Watcher:
    """`look` may be called by whatever process, one at a time: what lasts is read from the log."""

    def __init__(
        self,
        watched: Iterable[Watched],
        newest: Newest,
        store: TimeSeriesStore,
        state: RollupState,
        events: EventLog,
        clock: Clock,
        stuck_hours: int,
    ) -> None:
        """`stuck_hours` is for how many whole hours a value must stay the same; 0 looks for none."""
        self._watched = tuple(watched)
        self._newest = newest
        self._store = store
        self._state = state
        self._events = events
        self._clock = clock
        self._stuck_hours = stuck_hours
        self._since_ns = clock.now_ns()
        self._same: tuple[int, Mapping[str, Same]] = (0, {})

    def update_description(self, watched: Iterable[Watched], newest: Newest) -> None:
        """Other sensors from now on."""
        self._watched, self._newest = tuple(watched), newest
        self._same = (0, {})

    async def look(self) -> Findings:
        """Raises `TransientError` where it cannot be seen or kept now; the next look makes up for it."""
        lasting = await self._events.open()
        newest, stuck = await self._newest(), await self._stuck()
        found = judge(self._watched, newest, stuck, lasting, self._since_ns, self._clock.now_ns())
        await self._events.record(found.begun, found.ended)
        for event in found.begun:
            level = logging.INFO if event.kind is EventKind.BACK else logging.WARNING
            log.log(level, "%s", event.message.removesuffix("."))
        return found

    async def _stuck(self) -> Mapping[str, Same]:
        """Looked for once an hour, when another hour is rolled up."""
        top = await self._state.watermark(Window.H1) if self._stuck_hours else None
        if top is not None and top != self._same[0]:
            names = [sensor.name for sensor in self._watched if not sensor.steady]
            self._same = (top, await same_for_hours(self._store, names, top, self._stuck_hours))
        return self._same[1]


async def same_for_hours(
    store: TimeSeriesStore, sensors: Sequence[str], end_ns: int, hours: int
) -> Mapping[str, Same]:
    """Sensors with one value other than 0 in each of so many whole hours up to `end_ns`.

    0 is what a plug says whose server is off; it may say so for years.
    """
    start = end_ns - hours * Window.H1.ns
    kept = await store.buckets(SeriesKind.SENSOR, sensors, Window.H1, start, end_ns, ("count", "min", "max"))
    found = {}
    for name, rows in kept.by_series().items():
        here = rows.count > 0
        low, high = np.min(rows.min[here], initial=np.inf), np.max(rows.max[here], initial=-np.inf)
        if int(here.sum()) == hours and low == high != 0:
            found[name] = Same(float(low), start, hours)
    return found


def newest_live(view: LastValuesView, sensors: Iterable[str]) -> Newest:
    """From the last values in memory."""
    names = list(sensors)

    async def newest() -> Mapping[str, Reading]:
        found = {name: view.latest(name) for name in names}
        return {name: reading for name, reading in found.items() if reading is not None}

    return newest


def newest_in(store: TimeSeriesStore, sensors: Iterable[str]) -> Newest:
    """From the store, for a process that does not follow the bus."""
    names = list(sensors)

    async def newest() -> Mapping[str, Reading]:
        return await store.latest(names)

    return newest
