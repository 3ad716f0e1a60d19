"""The embedded store: readings and roll-ups in one DuckDB file, which this process owns."""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import SensorTags, SeriesAlias, WriteResult
from backend.core.reading import Float64, Int64, Points, Reading, Readings
from backend.core.windows import Window
from backend.store.duckdb import names, partitions
from backend.store.duckdb.access import TableAccess
from backend.store.duckdb.aggregate import Aggregation
from backend.store.duckdb.engine import Columns, Cursor, Engine, Transaction, fetch
from backend.store.duckdb.latest import LatestReadings
from backend.store.duckdb.names import SENSOR, SeriesIds
from backend.store.duckdb.partitions import ClusteredTable
from backend.store.duckdb.rollups import RollupTables
from backend.store.duckdb.rows import Rows

T = TypeVar("T")


class DuckDBStore:
    """A `TimeSeriesStore` in a DuckDB file (or in memory, for tests). See `Engine` for the parameters."""

    def __init__(
        self,
        path: Path | Literal[":memory:"],
        *,
        memory_limit: str = "1GB",
        threads: int | None = None,
        readers: int = 4,
    ) -> None:
        self._engine = Engine(path, memory_limit=memory_limit, threads=threads, readers=readers)
        self._series_ids = SeriesIds()
        self._raw = ClusteredTable("raw", ("value",), part_days=1)
        self._latest = LatestReadings()
        self._access = TableAccess(self._engine)
        self._rollups = RollupTables(self._access, self._series_ids)

    async def open(self) -> None:
        await self._engine.open()
        try:
            await self._engine.write(self._load)
        except BaseException:
            await self._engine.close()
            raise

    async def close(self) -> None:
        await self._engine.close()

    @property
    def path(self) -> Path | Literal[":memory:"]:
        return self._engine.path

    def hold_writes(self) -> AbstractAsyncContextManager[None]:
        """Hold all writes while the block runs, so that the file may be copied: see `Engine.hold_writes`.

        Copy it in another process: closing a second handle of the file in this one would release its lock.
        """
        return self._engine.hold_writes()

    # -- readings --------------------------------------------------------------------------------------------------

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        if not np.isfinite(readings.values).all():
            sensor = readings.names[int(readings.codes[np.flatnonzero(~np.isfinite(readings.values))[0]])]
            raise ValueError(f"a value of sensor {sensor!r} is not a finite number")
        if not len(readings):
            return WriteResult(0, Readings.empty())

        def work(transaction: Transaction) -> WriteResult:
            codes = self._series_ids.codes(transaction, SENSOR, readings.names, readings.codes)
            if tags:
                present = (n for n, code in zip(readings.names, codes.tolist(), strict=True) if code >= 0)
                self._series_ids.tag(transaction, {name: tags[name] for name in present if name in tags})
            rows = Rows(codes[readings.codes], readings.times, (readings.values,)).distinct()
            late = rows.take(self._raw.put(transaction, rows, bulk))
            newest = rows.newest()
            transaction.on_commit(lambda: self._latest.update(newest))
            order = np.argsort(codes, kind="stable").astype(np.int32)
            late_codes = order[np.searchsorted(codes[order], late.sid)] if len(late) else late.sid
            return WriteResult(len(rows), Readings(readings.names, late_codes, late.ts, late.values[0]))

        bulk = len(readings) >= partitions.BULK_ROWS
        return await self._access.write(self._raw, readings.times, bulk, work)

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        known = self._series_ids.lookup(SENSOR, sensors)
        return _points(await self._access.select(self._raw, "sid, ts, value", known, start_ns, end_ns), known)

    async def raw_up_to(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, max_rows: int
    ) -> Mapping[str, Points] | None:
        known = self._series_ids.lookup(SENSOR, sensors)
        rows = await self._access.select(
            self._raw, "sid, ts, value", known, start_ns, end_ns, large=True, limit=max_rows + 1
        )
        return None if rows is not None and len(rows["sid"]) > max_rows else _points(rows, known)

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        requested = None if sensors is None else self._series_ids.lookup(SENSOR, sensors)
        return self._latest.readings(self._series_ids.name, requested)

    async def aggregate(
        self, groups: Mapping[str, Sequence[str]], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        return (await self.aggregate_many(groups, (window,), start_ns, end_ns))[window]

    async def aggregate_many(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Mapping[Window, Buckets]:
        members = [list(self._series_ids.lookup(SENSOR, sensors)) for sensors in groups.values()]
        if start_ns >= end_ns:
            return {window: Buckets.empty(tuple(groups)) for window in windows}
        job = Aggregation(self._raw.union, members, windows, start_ns, end_ns)
        return await self._access.read_consistently(
            self._raw, start_ns, end_ns, lambda cursor: job.run(cursor, tuple(groups))
        )

    async def tags(self, sensors: Sequence[str] | None = None) -> Mapping[str, SensorTags]:
        return self._series_ids.tags(sensors)

    async def first_time(self) -> int | None:
        def read(cursor: Cursor) -> int | None:
            firsts = [_first_of(cursor, self._raw.hot)]
            for part in sorted(self._raw.parts):  # a partition may have been emptied
                first = _first_of(cursor, self._raw.table(part))
                if first is not None:
                    firsts.append(first)
                    break
            return min((first for first in firsts if first is not None), default=None)

        return await self._access.read_consistently(self._raw, partitions.NEVER, partitions.FOREVER, read)

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        known = self._series_ids.lookup(SENSOR, sensors)
        if not known or start_ns >= end_ns:
            return {}

        def read(cursor: Cursor) -> Columns:
            source = self._raw.union("sid", list(known), start_ns, end_ns)
            return fetch(cursor, f"select sid, count(*) as n from ({source}) group by sid")

        counts = await self._access.read_consistently(self._raw, start_ns, end_ns, read)
        return {known[sid]: n for sid, n in zip(counts["sid"].tolist(), counts["n"].tolist(), strict=True)}

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        if start_ns >= end_ns:
            return
        sids = None if sensors is None else list(self._series_ids.lookup(SENSOR, sensors))
        if sids == []:
            return
        async with self._access.maintenance_lock:
            if sids is None:
                await self._access.drop_partitions(self._raw, start_ns, end_ns)
            await self._engine.write(
                lambda transaction: self._delete_rows(transaction, sids, start_ns, end_ns)
            )

    # -- roll-ups --------------------------------------------------------------------------------------------------

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        if len(buckets):
            await self._rollups.write(kind, window, buckets)

    async def set_aliases(
        self, window: Window, aliases: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        return await self._rollups.set_aliases(window, aliases, start_ns, end_ns)

    async def buckets(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None = None,
    ) -> Buckets:
        return await self._rollups.read(kind, names, window, start_ns, end_ns, columns)

    async def delete_buckets(self, window: Window, end_ns: int) -> None:
        await self._rollups.delete(window, end_ns)

    async def rollup_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        return self._rollups.series(kind, window)

    async def drop_series(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        await self._rollups.drop(kind, window, names)

    # -- maintenance -----------------------------------------------------------------------------------------------

    async def maintain(self, now_ns: int) -> None:
        for table in (self._raw, *self._rollups.tables.values()):
            await self._access.maintain(table, now_ns)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _load(self, transaction: Transaction) -> None:
        transaction.cursor.execute(names.SCHEMA + partitions.SCHEMA)
        self._series_ids.load(transaction)
        self._raw.create(transaction)
        self._latest = LatestReadings()
        self._latest.update(self._raw.load(transaction))
        self._rollups.load(transaction)

    def _delete_rows(
        self, transaction: Transaction, sids: list[int] | None, start_ns: int, end_ns: int
    ) -> None:
        emptied = self._raw.delete(transaction, sids, start_ns, end_ns)
        newest = self._raw.refresh_newest(transaction, emptied)

        def update_latest() -> None:
            self._latest.remove(emptied)
            self._latest.update(newest)

        transaction.on_commit(update_latest)


def _first_of(cursor: Cursor, table: str) -> int | None:
    first: int | None = cursor.execute(f"select min(ts) from {table}").fetchall()[0][0]
    return first


def _points(rows: Columns | None, known: Mapping[int, str]) -> Mapping[str, Points]:
    series = () if rows is None else _series(rows, ("value",))
    return {known[sid]: Points(times, values) for sid, times, (values,) in series}


def _series(rows: Columns, values: Sequence[str]) -> Iterator[tuple[int, Int64, tuple[Float64, ...]]]:
    """Yield each series of a read: id, times ascending, value columns."""
    columns = [rows["ts"], *(rows[name] for name in values)]
    sid = rows["sid"]
    if np.any(sid[1:] < sid[:-1]):
        order = np.argsort(sid, kind="stable")
        sid, columns = sid[order], [column[order] for column in columns]
    edges = [0, *(np.flatnonzero(sid[1:] != sid[:-1]) + 1).tolist(), len(sid)]
    for start, end in pairwise(edges):
        ts, *value_columns = (column[start:end] for column in columns)
        if np.any(ts[1:] < ts[:-1]):
            order = np.argsort(ts, kind="stable")
            ts, value_columns = ts[order], [column[order] for column in value_columns]
        yield int(sid[start]), ts, tuple(value_columns)
