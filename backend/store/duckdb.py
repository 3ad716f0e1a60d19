"""The embedded store: readings and roll-ups in one DuckDB file, owned by this process."""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.errors import PermanentError
from backend.core.ports import SensorTags, Written
from backend.core.reading import Float64, Int32, Int64, Points, Reading, Readings
from backend.core.windows import NS_PER_SECOND, Window
from backend.store import clustered, derived, names, sealing
from backend.store.aggregate import Aggregation
from backend.store.clustered import Clustered
from backend.store.derived import STATISTICS
from backend.store.engine import Columns, Cursor, Engine, Transaction, fetch
from backend.store.names import SENSOR, Names
from backend.store.newest import Newest
from backend.store.rows import Rows

T = TypeVar("T")

PART_DAYS: Final = {Window.S30: 10, Window.M1: 30, Window.H1: 720, Window.D1: 7200}

HOUR_NS: Final = 3_600 * NS_PER_SECOND
STRAGGLERS_NS: Final = 120 * NS_PER_SECOND
"""How long an hour stays in the hot table after its end, and a partition unsealed, for what comes a little late."""


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
        self._buckets = {w: Clustered(f"rollup_{w}", STATISTICS, PART_DAYS[w]) for w in Window}
        self._newest = Newest()
        # One at a time: moving, sealing, bulk writes and deleting, which all count on partitions standing still.
        self._house = asyncio.Lock()

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

    async def write(self, readings: Readings, tags: Mapping[str, SensorTags] | None = None) -> Written:
        if not np.isfinite(readings.values).all():
            bad = readings.names[int(readings.codes[np.flatnonzero(~np.isfinite(readings.values))[0]])]
            raise ValueError(f"a value of sensor {bad!r} is not a finite number")
        if not len(readings):
            return Written(0, Readings.empty())

        def work(transaction: Transaction) -> Written:
            codes = self._codes(transaction, SENSOR, readings.names, readings.codes)
            if tags:
                here = (n for n, code in zip(readings.names, codes.tolist(), strict=True) if code >= 0)
                self._names.tag(transaction, {name: tags[name] for name in here if name in tags})
            rows = Rows(codes[readings.codes], readings.times, (readings.values,)).distinct()
            late = rows.take(self._raw.put(transaction, rows, bulk))
            newest = rows.newest()
            transaction.on_commit(lambda: self._newest.renew(newest))
            order = np.argsort(codes, kind="stable").astype(np.int32)
            back = order[np.searchsorted(codes[order], late.sid)] if len(late) else late.sid
            return Written(len(rows), Readings(readings.names, back, late.ts, late.values[0]))

        bulk = len(readings) >= clustered.BULK_ROWS
        return await self._put(self._raw, readings.times, bulk, work)

    async def raw(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, Points]:
        known = self._names.known(SENSOR, sensors)
        return _points(await self._select(self._raw, "sid, ts, value", known, start_ns, end_ns), known)

    async def raw_within(
        self, sensors: Sequence[str], start_ns: int, end_ns: int, most: int
    ) -> Mapping[str, Points] | None:
        known = self._names.known(SENSOR, sensors)
        got = await self._select(self._raw, "sid, ts, value", known, start_ns, end_ns, most + 1)
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
        return await self._stable(self._raw, start_ns, end_ns, lambda cursor: job.run(cursor, tuple(groups)))

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

        return await self._stable(self._raw, clustered.NEVER, clustered.FOREVER, read)

    async def count(self, sensors: Sequence[str], start_ns: int, end_ns: int) -> Mapping[str, int]:
        known = self._names.known(SENSOR, sensors)
        if not known or start_ns >= end_ns:
            return {}

        def read(cursor: Cursor) -> Columns:
            source = self._raw.union("sid", list(known), start_ns, end_ns)
            return fetch(cursor, f"select sid, count(*) as n from ({source}) group by sid")

        got = await self._stable(self._raw, start_ns, end_ns, read)
        return {known[sid]: n for sid, n in zip(got["sid"].tolist(), got["n"].tolist(), strict=True)}

    async def delete(self, sensors: Sequence[str] | None, start_ns: int, end_ns: int) -> None:
        if start_ns >= end_ns:
            return
        chosen = None if sensors is None else list(self._names.known(SENSOR, sensors))
        if chosen == []:
            return
        async with self._house:
            if chosen is None:
                await self._drop_parts(self._raw, start_ns, end_ns)
            await self._engine.write(lambda transaction: self._forget(transaction, chosen, start_ns, end_ns))

    # -- roll-ups --------------------------------------------------------------------------------------------------

    async def write_buckets(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        if not len(buckets):
            return
        table = self._buckets[window]

        bulk = len(buckets) >= clustered.BULK_ROWS

        def work(transaction: Transaction) -> None:
            codes = self._codes(transaction, kind, buckets.names, buckets.codes)
            rows = Rows(codes[buckets.codes], buckets.starts, derived.kept(buckets))
            table.put(transaction, rows.distinct(), bulk)

        await self._put(table, buckets.starts, bulk, work)

    async def buckets(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None = None,
    ) -> Buckets:
        table = self._buckets[window]
        wanted = [name for name in STATISTICS if columns is None or name in columns]
        known = self._names.known(kind, names)
        got = await self._select(table, f"sid, ts, {derived.selected(wanted)}", known, start_ns, end_ns)
        if got is None:
            return Buckets.empty(tuple(names))
        code_of = {sid: code for code, name in enumerate(names) for sid in self._names.known(kind, [name])}
        codes, starts, *values = _in_order(got, ("ts", *wanted), code_of)
        read = dict(zip(wanted, values, strict=True))
        nothing = np.broadcast_to(np.nan, len(starts))
        return Buckets(tuple(names), codes, starts, *(read.get(name, nothing) for name in STATISTICS))

    async def delete_buckets(self, window: Window, end_ns: int) -> None:
        table = self._buckets[window]

        def work(transaction: Transaction) -> None:
            table.recount(transaction, table.delete(transaction, None, clustered.NEVER, end_ns))

        async with self._house:
            await self._drop_parts(table, clustered.NEVER, end_ns)
            await self._engine.write(work)

    async def kept_series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        last = self._buckets[window].last
        return frozenset(self._names.of_kind(kind, np.flatnonzero(last > clustered.NEVER).tolist()))

    async def drop_series(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        table, chosen = self._buckets[window], list(self._names.known(kind, names))

        def work(transaction: Transaction) -> None:
            table.recount(transaction, table.delete(transaction, chosen, clustered.NEVER, clustered.FOREVER))

        if chosen:
            async with self._house:
                await self._engine.write(work)

    # -- house-keeping ---------------------------------------------------------------------------------------------

    async def maintain(self, now_ns: int) -> None:
        settled = now_ns - STRAGGLERS_NS
        for table in (self._raw, *self._buckets.values()):
            async with self._house:
                await self._move(table, settled - settled % HOUR_NS, settled)
                for part in sorted(table.parts):
                    if sealing.needs_seal(table, part, settled):
                        await self._seal(table, part)

    async def _move(self, table: Clustered, edge_ns: int, over_ns: int) -> None:
        pieces = await self._engine.read(lambda cursor: sealing.moves(table, cursor, edge_ns, over_ns))
        new = sorted({piece.part for piece in pieces} - table.parts.keys())
        if new:
            await self._engine.write(lambda transaction: table.make(transaction, new))
        for piece in pieces:
            await self._engine.write(sealing.move(table, piece, edge_ns))
        if pieces:
            await self._engine.write(partial(sealing.measure, table))
            await self._engine.checkpoint()

    async def _seal(self, table: Clustered, part: int) -> None:
        steps = await self._engine.read(lambda cursor: list(sealing.seal_steps(table, part, cursor)))
        try:
            for step in steps:
                await self._engine.write(step)
        finally:
            table.stage(None)
        await self._engine.checkpoint()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _load(self, transaction: Transaction) -> None:
        transaction.cursor.execute(names.SCHEMA + clustered.SCHEMA)
        self._names.load(transaction)
        for table in (self._raw, *self._buckets.values()):
            table.create(transaction)
            newest = table.load(transaction)
            if table is self._raw:
                self._newest = Newest()
                self._newest.renew(newest)

    def _codes(self, transaction: Transaction, kind: str, names: Sequence[str], codes: Int32) -> Int32:
        """The id of each name that a row has; -1 for the others, which get none."""
        seen = np.zeros(len(names), bool)
        seen[codes] = True
        used = np.flatnonzero(seen)
        ids = np.full(len(names), -1, np.int32)
        ids[used] = self._names.ids(transaction, kind, [names[code] for code in used.tolist()])
        return ids

    async def _put(self, table: Clustered, times: Int64, bulk: bool, work: Callable[[Transaction], T]) -> T:
        if not bulk:
            return await self._engine.write(work)
        async with self._house:
            missing = table.missing(times)
            if missing:
                await self._engine.write(lambda transaction: table.make(transaction, missing))
            return await self._engine.write(work)

    async def _select(
        self,
        table: Clustered,
        columns: str,
        known: Mapping[int, str],
        start_ns: int,
        end_ns: int,
        most: int | None = None,
    ) -> Columns | None:
        """Rows of the known series in the interval, at most so many; None where there are none."""
        if not known or start_ns >= end_ns:
            return None

        def read(cursor: Cursor) -> Columns:
            rows = table.union(columns, list(known), start_ns, end_ns)
            return fetch(cursor, rows if most is None else f"select * from ({rows}) limit {most}")

        got = await self._stable(table, start_ns, end_ns, read)
        return got if len(got["sid"]) else None

    async def _stable(self, table: Clustered, start_ns: int, end_ns: int, read: Callable[[Cursor], T]) -> T:
        """Run a read again if partitions came or went meanwhile: its list of them may have missed moved rows."""
        while True:
            before = table.touched(start_ns, end_ns)
            try:
                result = await self._engine.read(read)
            except PermanentError:
                if table.touched(start_ns, end_ns) == before:
                    raise
                continue
            if table.touched(start_ns, end_ns) == before:
                return result

    async def _drop_parts(self, table: Clustered, start_ns: int, end_ns: int) -> None:
        """Drop the partitions that lie in the interval as a whole."""
        dropped = False
        for part in table.touched(start_ns, end_ns):
            if start_ns <= part * table.part_ns and (part + 1) * table.part_ns <= end_ns:
                state = table.parts[part]
                table.publish(part, None)  # before the commit: no reader may name a table that is gone
                try:
                    await self._engine.write(partial(table.drop, part=part))
                except BaseException:
                    table.publish(part, state)
                    raise
                dropped = True
        if dropped:
            await self._engine.checkpoint()

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


def _in_order(got: Columns, columns: Sequence[str], code_of: Mapping[int, int]) -> tuple[Any, ...]:
    """Codes in place of ids, int32, and the columns, the first of which is the time: sorted by (code, time)."""
    table = np.zeros(max(code_of) + 1, np.int32)
    table[list(code_of)] = list(code_of.values())
    codes: Int32 = table[got["sid"]]
    found = (codes, *(got[name] for name in columns))
    if not np.all(codes[1:] >= codes[:-1]):
        # Sorting by small integers is a radix sort, and most reads come sorted by time.
        narrow = codes.astype(np.uint16) if len(table) <= 1 << 16 else codes
        order = np.argsort(narrow, kind="stable")
        found = tuple(column[order] for column in found)
    codes, ts = found[:2]
    if np.any((codes[1:] == codes[:-1]) & (ts[1:] < ts[:-1])):
        order = np.lexsort((ts, codes))
        found = tuple(column[order] for column in found)
    return found
