"""The time series store in an InfluxDB, with the names of series, tags and fields that existing deployments use.

Several ingest endpoints may write readings. A reading is late by what this process has written, and by the clock; see
docs/decisions/0020. Raw readings are written in seconds if all times of a batch are whole seconds, else in
nanoseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.clock import Clock, SystemClock
from backend.core.ports import SensorTags, SeriesAlias, WriteResult
from backend.core.reading import Points, Reading, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.store.influxdb import influxql as ql
from backend.store.influxdb import line_protocol as lines
from backend.store.influxdb.address import Address
from backend.store.influxdb.heads import Heads, assign_to_series
from backend.store.influxdb.reads import NAMES, Reads
from backend.store.influxdb.server import Server

T = TypeVar("T")

READERS: Final = 4

ELSEWHERE_NS: Final = 60 * NS_PER_SECOND
"""Age from which a reading may have been written by another process, whatever this one has written."""


class InfluxDBStore:
    """A `TimeSeriesStore` in the database (1.x) or bucket (2.x) that a URL names, created if it does not exist.

    `open` fails if the server cannot be reached. The store may be used all the same, and connects when it can. Raises
    `UserError` for a URL that cannot be parsed.
    """

    def __init__(
        self,
        url: str,
        *,
        org: str | None = None,
        token: str | None = None,
        timeout_s: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        self._server = Server(Address.parse(url, org=org, token=token), timeout_s=timeout_s)
        self._reads = Reads(self._server)
        self._clock = clock or SystemClock()
        self._readers = ThreadPoolExecutor(READERS, "influxdb-read")
        # One thread: writes are serial, and the heads belong to this thread.
        self._writer = ThreadPoolExecutor(1, "influxdb-write")
        self._heads: Heads | None = None

    async def open(self) -> None:
        await self._run_in(self._writer, self._load_heads)

    async def close(self) -> None:
        for pool in (self._writer, self._readers):
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._server.close)

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        if not np.isfinite(readings.values).all():
            sensor = readings.names[int(readings.codes[np.flatnonzero(~np.isfinite(readings.values))[0]])]
            raise ValueError(f"a value of sensor {sensor!r} is not a finite number")
        if not len(readings):
            return WriteResult(0, Readings.empty())
        return await self._run_in(self._writer, lambda: self._write(readings, tags or {}))

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        return await self._run_in(self._readers, lambda: self._reads.raw(sensors, start_ns, end_ns))

    async def raw_up_to(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, max_rows: int
    ) -> Mapping[str, Points] | None:
        rows = await self.count(sensors, start_ns, end_ns)  # InfluxQL's LIMIT applies to each series
        return None if sum(rows.values()) > max_rows else await self.raw(list(rows), start_ns, end_ns)

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        now_ns = self._clock.now_ns()
        return await self._run_in(self._readers, lambda: self._reads.latest(sensors, now_ns))

    async def aggregate(
        self, groups: Mapping[str, Sequence[str]], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        return (await self.aggregate_many(groups, (window,), start_ns, end_ns))[window]

    async def aggregate_many(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Mapping[Window, Buckets]:
        return await self._run_in(
            self._readers, lambda: self._reads.aggregate(groups, windows, start_ns, end_ns)
        )

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        await self._run_in(
            self._writer, lambda: self._server.write(list(lines.bucket_lines(kind, window, buckets)), "s")
        )

    async def set_aliases(
        self, window: Window, aliases: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        """Return False: users of the measurements on the server expect every point there."""
        return False

    async def buckets(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None = None,
    ) -> Buckets:
        return await self._run_in(
            self._readers, lambda: self._reads.buckets(kind, names, window, start_ns, end_ns)
        )

    async def tags(self, sensors: Sequence[str] | None = None) -> Mapping[str, SensorTags]:
        return await self._run_in(self._writer, lambda: self._load_heads().tags_of(sensors))

    async def first_time(self) -> int | None:
        return await self._run_in(self._readers, self._reads.first_time)

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        if start_ns >= end_ns:
            return {}
        return await self._run_in(self._readers, lambda: self._reads.count(sensors, start_ns, end_ns))

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        if start_ns < end_ns and (sensors is None or sensors):
            await self._run_in(self._writer, lambda: self._delete(sensors, start_ns, end_ns))

    async def delete_buckets(self, window: Window, end_ns: int) -> None:
        tables = f"^(measurement_downsample(_all)?|cq_.*)_{window}$"
        await self._run_in(self._writer, lambda: self._server.run(ql.delete_before(tables, end_ns)))

    async def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        return await self._run_in(self._readers, lambda: self._reads.rollup_series(kind, window))

    async def drop_series(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        statements = ql.drop_series(kind, window, names)
        await self._run_in(self._writer, lambda: [self._server.run(statement) for statement in statements])

    async def maintain(self, now_ns: int) -> None:
        """Do nothing: the server compacts by itself."""

    # -- internals: the rest runs on the writer thread -------------------------------------------------------------

    async def _run_in(self, pool: Executor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _load_heads(self) -> Heads:
        if self._heads is None:
            heads = Heads()
            heads.replace(None, self._reads.heads(None))
            self._heads = heads
            self._reads.known_sensors = heads.sensor_count()
        return self._heads

    def _write(self, readings: Readings, tags: Mapping[str, SensorTags]) -> WriteResult:
        heads = self._load_heads()
        elsewhere_ns = self._clock.now_ns() - ELSEWHERE_NS
        unit_ns, precision = (NS_PER_SECOND, "s") if lines.are_whole_seconds(readings.times) else (1, "ns")
        code_of = {name: code for code, name in enumerate(readings.names)}
        late: list[Readings] = []
        text: list[str] = []
        ends: list[tuple[str, int, str]] = []
        rows = 0
        for name, points in readings.by_sensor().items():
            newest = heads.newest(name)
            old = 0 if newest is None else int(np.searchsorted(points.times, newest, side="right"))
            maybe_stored = max(old, int(np.searchsorted(points.times, elsewhere_ns, side="right")))
            for tag_set, part in self._place_points(heads, name, points, maybe_stored, tags.get(name)):
                text += lines.point_lines(tag_set, part, unit_ns)
                ends.append((name, int(part.times[-1]), tag_set))
            rows += len(points)
            codes = np.full(old, code_of[name], np.int32)
            late.append(Readings(readings.names, codes, points.times[:old], points.values[:old]))
        self._server.write(text, precision)
        for end in ends:
            heads.advance(*end)
        self._reads.known_sensors = heads.sensor_count()
        return WriteResult(rows, Readings.concat(late))

    def _place_points(
        self, heads: Heads, name: str, points: Points, late: int, tags: SensorTags | None
    ) -> list[tuple[str, Points]]:
        """Return points by the tag set to write them under. The first `late` points may exist under another tag set."""
        tag_set = heads.tags(name, tags)
        if not late or not heads.has_other_series(name, tag_set):
            return [(tag_set, points)]
        existing = self._reads.series_of(name, int(points.times[0]), int(points.times[late - 1]) + 1)
        return list(assign_to_series(points, existing, tag_set))

    def _delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        heads = self._load_heads()
        if sensors is None:
            self._server.run(ql.delete(None, start_ns, end_ns))
        else:
            for at in range(0, len(sensors), NAMES):
                self._server.run(ql.delete(sensors[at : at + NAMES], start_ns, end_ns))
        heads.replace(sensors, self._reads.heads(sensors))
