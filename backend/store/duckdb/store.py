"""The embedded store: readings and roll-ups in one DuckDB file, owned by this process."""

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
from backend.store.duckdb import names
from backend.store.duckdb import partitions as clustered
from backend.store.duckdb.access import Access
from backend.store.duckdb.aggregate import Aggregation
from backend.store.duckdb.engine import Columns, Cursor, Engine, Transaction, fetch
from backend.store.duckdb.latest import Newest
from backend.store.duckdb.names import SENSOR, Names
from backend.store.duckdb.partitions import Clustered
from backend.store.duckdb.rollups import KeptRollups
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
        self._names = Names()
        self._raw = Clustered("raw", ("value",), part_days=1)
        self._newest = Newest()
        self._access = Access(self._engine)
        self._rollups = KeptRollups(self._access, self._names)

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

    def standing_still(self) -> AbstractAsyncContextManager[None]:
        """The file may be copied while the block runs: see `Engine.standing_still`.

        By another process, that is: to close a file that one has open gives up its lock.
        """
        return self._engine.standing_still()

    # -- readings --------------------------------------------------------------------------------------------------

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> WriteResult:
        if not np.isfinite(readings.values).all():
            bad = readings.names[int(readings.codes[np.flatnonzero(~np.isfinite(readings.values))[0]])]
            raise ValueError(f"a value of sensor {bad!r} is not a finite number")
        if not len(readings):
            return WriteResult(0, Readings.empty())

        def work(transaction: Transaction) -> WriteResult:
            codes = self._names.codes(transaction, SENSOR, readings.names, readings.codes)
            if tags:
                here = (n for n, code in zip(readings.names, codes.tolist(), strict=True) if code >= 0)
                self._names.tag(transaction, {name: tags[name] for name in here if name in tags})
            rows = Rows(codes[readings.codes], readings.times, (readings.values,)).distinct()
            late = rows.take(self._raw.put(transaction, rows, bulk))
            newest = rows.newest()
            transaction.on_commit(lambda: self._newest.renew(newest))
            order = np.argsort(codes, kind="stable").astype(np.int32)
            back = order[np.searchsorted(codes[order], late.sid)] if len(late) else late.sid
            return WriteResult(len(rows), Readings(readings.names, back, late.ts, late.values[0]))

        bulk = len(readings) >= clustered.BULK_ROWS
        return await self._access.put(self._raw, readings.times, bulk, work)

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        known = self._names.known(SENSOR, sensors)
        return _points(await self._access.select(self._raw, "sid, ts, value", known, start_ns, end_ns), known)

    async def raw_up_to(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, most: int
    ) -> Mapping[str, Points] | None:
        known = self._names.known(SENSOR, sensors)
        got = await self._access.select(
            self._raw, "sid, ts, value", known, start_ns, end_ns, large=True, most=most + 1
        )
        return None if got is not None and len(got["sid"]) > most else _points(got, known)

    async def latest(self, sensors: Sequence[str] | None = None) -> Mapping[str, Reading]:
        wanted = None if sensors is None else self._names.known(SENSOR, sensors)
        return self._newest.readings(self._names.name, wanted)

    async def aggregate(
        self, groups: Mapping[str, Sequence[str]], window: Window, start_ns: int, end_ns: int
    ) -> Buckets:
        return (await self.aggregate_many(groups, (window,), start_ns, end_ns))[window]

    async def aggregate_many(
        self, groups: Mapping[str, Sequence[str]], windows: Sequence[Window], start_ns: int, end_ns: int
    ) -> Mapping[Window, Buckets]:
        members = [list(self._names.known(SENSOR, sensors)) for sensors in groups.values()]
        if start_ns >= end_ns:
            return {window: Buckets.empty(tuple(groups)) for window in windows}
        job = Aggregation(self._raw.union, members, windows, start_ns, end_ns)
        return await self._access.stable(
            self._raw, start_ns, end_ns, lambda cursor: job.run(cursor, tuple(groups))
        )

    async def tags(self, sensors: Sequence[str] | None = None) -> Mapping[str, SensorTags]:
        return self._names.tags(sensors)

    async def first_time(self) -> int | None:
        def read(cursor: Cursor) -> int | None:
            found = [_first_of(cursor, self._raw.hot)]
            for part in sorted(self._raw.parts):  # a partition may have been emptied
                first = _first_of(cursor, self._raw.table(part))
                if first is not None:
                    found.append(first)
                    break
            return min((first for first in found if first is not None), default=None)

        return await self._access.stable(self._raw, clustered.NEVER, clustered.FOREVER, read)

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        known = self._names.known(SENSOR, sensors)
        if not known or start_ns >= end_ns:
            return {}

        def read(cursor: Cursor) -> Columns:
            source = self._raw.union("sid", list(known), start_ns, end_ns)
            return fetch(cursor, f"select sid, count(*) as n from ({source}) group by sid")

        got = await self._access.stable(self._raw, start_ns, end_ns, read)
        return {known[sid]: n for sid, n in zip(got["sid"].tolist(), got["n"].tolist(), strict=True)}

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        if start_ns >= end_ns:
            return
        chosen = None if sensors is None else list(self._names.known(SENSOR, sensors))
        if chosen == []:
            return
        async with self._access.house:
            if chosen is None:
                await self._access.drop_parts(self._raw, start_ns, end_ns)
            await self._engine.write(lambda transaction: self._forget(transaction, chosen, start_ns, end_ns))

    # -- roll-ups --------------------------------------------------------------------------------------------------

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        if len(buckets):
            await self._rollups.write(kind, window, buckets)

    async def set_aliases(
        self, window: Window, copies: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        return await self._rollups.note(window, copies, start_ns, end_ns)

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

    # -- house-keeping ---------------------------------------------------------------------------------------------

    async def maintain(self, now_ns: int) -> None:
        for table in (self._raw, *self._rollups.tables.values()):
            await self._access.maintain(table, now_ns)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _load(self, transaction: Transaction) -> None:
        transaction.cursor.execute(names.SCHEMA + clustered.SCHEMA)
        self._names.load(transaction)
        self._raw.create(transaction)
        self._newest = Newest()
        self._newest.renew(self._raw.load(transaction))
        self._rollups.load(transaction)

    def _forget(self, transaction: Transaction, sids: list[int] | None, start_ns: int, end_ns: int) -> None:
        gone = self._raw.delete(transaction, sids, start_ns, end_ns)
        newest = self._raw.recount(transaction, gone)

        def renew() -> None:
            self._newest.forget(gone)
            self._newest.renew(newest)

        transaction.on_commit(renew)


def _first_of(cursor: Cursor, table: str) -> int | None:
    first: int | None = cursor.execute(f"select min(ts) from {table}").fetchall()[0][0]
    return first


def _points(got: Columns | None, known: Mapping[int, str]) -> Mapping[str, Points]:
    found = () if got is None else _series(got, ("value",))
    return {known[sid]: Points(times, values) for sid, times, (values,) in found}


def _series(got: Columns, values: Sequence[str]) -> Iterator[tuple[int, Int64, tuple[Float64, ...]]]:
    """Each series of a read: id, times ascending, value columns."""
    columns = [got["ts"], *(got[name] for name in values)]
    sid = got["sid"]
    if np.any(sid[1:] < sid[:-1]):
        order = np.argsort(sid, kind="stable")
        sid, columns = sid[order], [column[order] for column in columns]
    edges = [0, *(np.flatnonzero(sid[1:] != sid[:-1]) + 1).tolist(), len(sid)]
    for a, b in pairwise(edges):
        ts, *rest = (column[a:b] for column in columns)
        if np.any(ts[1:] < ts[:-1]):
            order = np.argsort(ts, kind="stable")
            ts, rest = ts[order], [column[order] for column in rest]
        yield int(sid[a]), ts, tuple(rest)
