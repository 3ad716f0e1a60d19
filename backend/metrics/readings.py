"""Readings in numbers: through the door, the spool and the store, and up the roll-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import numpy as np

from backend.core.clock import Clock
from backend.core.measure import Timing
from backend.core.ports import LastValuesView, RollupState
from backend.core.windows import NS_PER_SECOND, Window
from backend.metrics.exposition import Collector, Family, Sample

DIRTY_COUNTED: Final = 100_000


class Tally(Protocol):
    """What ingest counts."""

    accepted: int
    drained: int
    late: int
    set_aside: int
    rejected: Counter[str]
    store_writes: Timing


ACCEPTED = Family(
    "seduce_ingest_readings_accepted_total", "counter", "Readings taken: they are on disk, and acknowledged."
)
REJECTED = Family(
    "seduce_ingest_readings_rejected_total",
    "counter",
    "Readings that will never be taken, by reason.",
    ("reason",),
)
LATE = Family("seduce_ingest_readings_late_total", "counter", "Readings not newer than all their sensor had.")
SET_ASIDE = Family(
    "seduce_ingest_readings_set_aside_total", "counter", "Readings that no store takes, kept beside."
)
SPOOL = Family("seduce_spool_readings", "gauge", "Readings acknowledged and not yet in the store.")
WRITTEN = Family(
    "seduce_store_readings_written_total", "counter", "Readings carried from the spool to the store."
)
WRITES = Family("seduce_store_write_seconds", "histogram", "How long a write to the store takes.")
LAG = Family(
    "seduce_rollup_lag_seconds",
    "gauge",
    "Seconds from the end of the newest window that is rolled up to now, by window.",
    ("window",),
)
DIRTY = Family(
    "seduce_rollup_dirty_spans",
    "gauge",
    f"Spans that wait to be recomputed after late readings; at most {DIRTY_COUNTED} are counted.",
)
SENSORS = Family("seduce_sensors", "gauge", "Sensors of the description.")
REPORTING = Family("seduce_sensors_reporting", "gauge", "Sensors with a reading of the last minute.")
SUBSCRIBERS = Family("seduce_bus_subscribers", "gauge", "Who listens to the live bus in this process.")


def ingest(tally: Tally, depth: Callable[[], int]) -> Collector:
    """The door, the spool and the drain; `depth` is that of the spool."""

    async def read() -> Iterable[Sample]:
        return [
            (ACCEPTED, (), tally.accepted),
            *((REJECTED, (reason,), count) for reason, count in sorted(tally.rejected.items())),
            (LATE, (), tally.late),
            (SET_ASIDE, (), tally.set_aside),
            (SPOOL, (), depth()),
            (WRITTEN, (), tally.drained),
            (WRITES, (), tally.store_writes),
        ]

    return Collector("ingest", (ACCEPTED, REJECTED, LATE, SET_ASIDE, SPOOL, WRITTEN, WRITES), read)


def rollups(state: RollupState, clock: Clock) -> Collector:
    """How far the roll-ups are; a window that never was rolled up has no lag."""

    async def read() -> Iterable[Sample]:
        marks: Mapping[Window, int | None] = {window: await state.watermark(window) for window in Window}
        now = clock.now_ns()
        dirty = len(await state.dirty(DIRTY_COUNTED))
        return [
            *(
                (LAG, (window.value,), (now - mark) / NS_PER_SECOND)
                for window, mark in marks.items()
                if mark is not None
            ),
            (DIRTY, (), dirty),
        ]

    return Collector("rollups", (LAG, DIRTY), read)


def live(now: Callable[[], LastValuesView], subscribers: Callable[[], int], clock: Clock) -> Collector:
    """What is heard now; `now` gives the last values of the sensors that are described."""

    async def read() -> Iterable[Sample]:
        view = now()
        values = view.values(clock.now_ns(), 60 * NS_PER_SECOND)
        return [
            (SENSORS, (), len(view.names)),
            (REPORTING, (), int(np.isfinite(values).sum())),
            (SUBSCRIBERS, (), subscribers()),
        ]

    return Collector("live", (SENSORS, REPORTING, SUBSCRIBERS), read)
