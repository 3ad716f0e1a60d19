"""Metrics of readings: ingest, spool, store, roll-ups and live values."""

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

MAX_DIRTY_COUNTED: Final = 100_000


class IngestCounters(Protocol):
    """The counters of ingest since the start."""

    accepted: int
    drained: int
    late: int
    set_aside: int
    rejected: Counter[str]
    store_writes: Timing


ACCEPTED = Family(
    "seduce_ingest_readings_accepted_total",
    "counter",
    "Readings accepted: they are on disk and acknowledged.",
)
REJECTED = Family(
    "seduce_ingest_readings_rejected_total",
    "counter",
    "Readings rejected permanently, by reason.",
    ("reason",),
)
LATE = Family(
    "seduce_ingest_readings_late_total",
    "counter",
    "Out-of-order readings: not newer than the sensor's newest reading.",
)
SET_ASIDE = Family(
    "seduce_ingest_readings_set_aside_total",
    "counter",
    "Readings that the store rejected, moved to the quarantine file.",
)
SPOOL = Family("seduce_spool_readings", "gauge", "Readings acknowledged but not yet in the store.")
WRITTEN = Family(
    "seduce_store_readings_written_total", "counter", "Readings written from the spool to the store."
)
WRITES = Family("seduce_store_write_seconds", "histogram", "Duration of a write to the store.")
LAG = Family(
    "seduce_rollup_lag_seconds",
    "gauge",
    "Seconds since the end of the newest rolled-up window, by window.",
    ("window",),
)
DIRTY = Family(
    "seduce_rollup_dirty_spans",
    "gauge",
    f"Dirty spans: waiting for recomputation after late readings; at most {MAX_DIRTY_COUNTED} are counted.",
)
SENSORS = Family("seduce_sensors", "gauge", "Sensors of the site description.")
REPORTING = Family("seduce_sensors_reporting", "gauge", "Sensors with a reading in the last minute.")
SUBSCRIBERS = Family("seduce_bus_subscribers", "gauge", "Subscribers of the live bus in this process.")


def ingest(counters: IngestCounters, depth: Callable[[], int]) -> Collector:
    """Return the collector of ingest endpoint, spool and drain; `depth` returns the depth of the spool."""

    async def read() -> Iterable[Sample]:
        return [
            (ACCEPTED, (), counters.accepted),
            *((REJECTED, (reason,), count) for reason, count in sorted(counters.rejected.items())),
            (LATE, (), counters.late),
            (SET_ASIDE, (), counters.set_aside),
            (SPOOL, (), depth()),
            (WRITTEN, (), counters.drained),
            (WRITES, (), counters.store_writes),
        ]

    return Collector("ingest", (ACCEPTED, REJECTED, LATE, SET_ASIDE, SPOOL, WRITTEN, WRITES), read)


def rollups(state: RollupState, clock: Clock) -> Collector:
    """Return the collector of the roll-ups' progress. A window without any roll-up has no lag."""

    async def read() -> Iterable[Sample]:
        watermarks: Mapping[Window, int | None] = {window: await state.watermark(window) for window in Window}
        now_ns = clock.now_ns()
        dirty = len(await state.dirty(MAX_DIRTY_COUNTED))
        return [
            *(
                (LAG, (window.value,), (now_ns - watermark) / NS_PER_SECOND)
                for window, watermark in watermarks.items()
                if watermark is not None
            ),
            (DIRTY, (), dirty),
        ]

    return Collector("rollups", (LAG, DIRTY), read)


def live(read_view: Callable[[], LastValuesView], subscribers: Callable[[], int], clock: Clock) -> Collector:
    """Return the collector of live values; `read_view` returns the last values of the described sensors."""

    async def read() -> Iterable[Sample]:
        view = read_view()
        values = view.values(clock.now_ns(), 60 * NS_PER_SECOND)
        return [
            (SENSORS, (), len(view.names)),
            (REPORTING, (), int(np.isfinite(values).sum())),
            (SUBSCRIBERS, (), subscribers()),
        ]

    return Collector("live", (SENSORS, REPORTING, SUBSCRIBERS), read)
