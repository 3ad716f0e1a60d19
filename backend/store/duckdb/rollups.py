"""Roll-ups in the embedded store: one family of tables per window, and aliases for nodes that equal another series."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import SeriesAlias
from backend.core.reading import Int32
from backend.core.windows import Window, slices
from backend.store.duckdb import aliases, derived, partitions
from backend.store.duckdb.access import TableAccess
from backend.store.duckdb.aliases import Aliases, Span, Spans
from backend.store.duckdb.derived import STATISTICS
from backend.store.duckdb.engine import Columns, Transaction
from backend.store.duckdb.names import SeriesIds
from backend.store.duckdb.partitions import DAY_NS, ClusteredTable
from backend.store.duckdb.rows import Rows

MANY_ROWS: Final = 300_000
"""Number of buckets from which a read counts as large."""

PART_DAYS: Final = {Window.S30: 10, Window.M1: 30, Window.H1: 720, Window.D1: 7200}


class RollupTables:
    """Writes, reads and deletes buckets of all kinds of series."""

    def __init__(self, access: TableAccess, names: SeriesIds) -> None:
        self._access = access
        self._names = names
        self._aliases = Aliases()
        self.tables = {w: ClusteredTable(f"rollup_{w}", STATISTICS, PART_DAYS[w]) for w in Window}

    def load(self, transaction: Transaction) -> None:
        self._aliases.load(transaction)
        for table in self.tables.values():
            table.create(transaction)
            table.load(transaction)

    async def write(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        table, bulk = self.tables[window], len(buckets) >= partitions.BULK_ROWS

        def work(transaction: Transaction) -> None:
            codes = self._names.codes(transaction, kind, buckets.names, buckets.codes)
            rows = Rows(codes[buckets.codes], buckets.starts, derived.stored_columns(buckets))
            table.put(transaction, rows.distinct(), bulk)

        await self._access.write(table, buckets.starts, bulk, work)

    async def set_aliases(
        self, window: Window, series_aliases: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        if window not in aliases.WINDOWS:
            return False

        def work(transaction: Transaction) -> dict[int, Span]:
            nodes = self._names.ids(transaction, SeriesKind.NODE, list(series_aliases)).tolist()
            sources = [
                int(self._names.ids(transaction, alias.kind, [alias.name])[0])
                for alias in series_aliases.values()
            ]
            spans = {
                sid: Span(start_ns, end_ns, source, alias.weight)
                for sid, source, alias in zip(nodes, sources, series_aliases.values(), strict=True)
            }
            self._aliases.set_spans(transaction, window, spans)
            return spans

        if start_ns < end_ns and series_aliases:
            spans_set = await self._access.engine.write(work)
            # Only after the alias is stored: a row takes precedence until it is deleted.
            table = self.tables[window]
            await self._delete_rows_of(
                table, [sid for sid in spans_set if table.may_have_rows_from(sid, start_ns)], start_ns, end_ns
            )
        return True

    async def _delete_rows_of(
        self, table: ClusteredTable, sids: list[int], start_ns: int, end_ns: int
    ) -> None:
        if sids:
            async with self._access.maintenance_lock:
                await self._access.engine.write(partial(_delete_rows, table, sorted(sids), start_ns, end_ns))

    async def read(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None,
    ) -> Buckets:
        statistics = [name for name in STATISTICS if columns is None or name in columns]
        known = self._names.lookup(kind, names)
        while True:
            alias_spans = self._aliases.spans(window) if kind is SeriesKind.NODE else None
            spans = self._aliases.spans_in(window, known, start_ns, end_ns) if alias_spans else {}
            columns_read = await self._read(window, known, spans, start_ns, end_ns, statistics)
            if alias_spans is None or alias_spans is self._aliases.spans(window):
                break
        if columns_read is None:
            return Buckets.empty(tuple(names))
        code_of = {sid: code for code, name in enumerate(names) for sid in self._names.lookup(kind, [name])}
        codes, starts, *values = _with_codes(columns_read, ("ts", *statistics), code_of)
        read = dict(zip(statistics, values, strict=True))
        missing = np.broadcast_to(np.nan, len(starts))
        return Buckets(tuple(names), codes, starts, *(read.get(name, missing) for name in STATISTICS))

    async def _read(
        self,
        window: Window,
        known: Mapping[int, str],
        spans: Mapping[int, Spans],
        start_ns: int,
        end_ns: int,
        statistics: Sequence[str],
    ) -> Columns | None:
        """Return the columns sid, ts and `statistics`, of rows and of the buckets that the spans stand for."""
        table = self.tables[window]
        rows = {
            sid: name
            for sid, name in known.items()
            if sid not in spans or table.may_have_rows_from(sid, start_ns)
        }
        select, large = (
            f"sid, ts, {derived.select_list(statistics)}",
            _is_large(window, rows, start_ns, end_ns),
        )
        rows_read = await self._access.select(table, select, rows, start_ns, end_ns, large=large)
        if not spans:
            return rows_read
        halves = await self._source_buckets(spans, aliases.source_columns(statistics))
        parts = [] if rows_read is None else [rows_read]
        for nodes, buckets in aliases.resolve(spans, halves, window):
            resolved: Columns = {"sid": np.array(nodes, np.int32)[buckets.codes], "ts": buckets.starts}
            parts.append(resolved | {name: getattr(buckets, name) for name in statistics})
        joined = _concatenate(parts)
        # Only a node with rows and aliases can have a bucket twice.
        may_overlap = rows_read is not None and not rows.keys().isdisjoint(spans)
        return _drop_duplicates(joined) if may_overlap else joined

    async def _source_buckets(self, spans: Mapping[int, Spans], columns: Sequence[str]) -> Columns:
        """Return the 30 s buckets of the series that the spans point to."""
        sids, first, end = aliases.source_series(spans)
        # A node that aliases itself may be an alias there, too.
        self_aliases = [sid for sid in sids if sid in spans]
        parts: list[Columns] = []
        if self_aliases:
            nodes = [self._names.name(sid) for sid in self_aliases]
            own_buckets = await self.read(SeriesKind.NODE, nodes, Window.S30, first, end, columns)
            part: Columns = {
                "sid": np.array(self_aliases, np.int32)[own_buckets.codes],
                "ts": own_buckets.starts,
            }
            parts.append(part | {name: getattr(own_buckets, name) for name in columns})
        other_series = {sid: "" for sid in sids if sid not in spans}
        # Of a sensor, count and sum are enough.
        columns_needed = columns if self_aliases else ("count", "sum")
        large = _is_large(Window.S30, other_series, first, end)
        rows_read = await self._access.select(
            self.tables[Window.S30],
            f"sid, ts, {derived.select_list(columns_needed)}",
            other_series,
            first,
            end,
            large=large,
        )
        if rows_read is not None:
            parts.append(rows_read)
        return _concatenate(parts) if parts else _NO_HALVES

    async def delete(self, window: Window, end_ns: int) -> None:
        """Delete buckets that start before `end_ns`.

        Aliases of other windows that depend on them are written out first.
        """
        table = self.tables[window]
        if window is Window.S30:
            await self._write_out(Window.M1, self._aliases.spans(Window.M1), end_ns)
        await self._access.engine.write(lambda t: self._aliases.trim(t, window, end_ns))

        def work(transaction: Transaction) -> None:
            table.refresh_newest(transaction, table.delete(transaction, None, partitions.NEVER, end_ns))

        async with self._access.maintenance_lock:
            await self._access.drop_partitions(table, partitions.NEVER, end_ns)
            await self._access.engine.write(work)

    def series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        """Return the series that have any bucket or alias."""
        rows = np.flatnonzero(self.tables[window].last > partitions.NEVER).tolist()
        return frozenset(self._names.of_kind(kind, [*rows, *self._aliases.spans(window)]))

    async def drop(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        """Delete all buckets of some series. Aliases to them are written out first."""
        table, sids = self.tables[window], list(self._names.lookup(kind, names))
        if not sids:
            return
        for other in aliases.WINDOWS if window is Window.S30 else ():
            dependants = self._aliases.aliasing_nodes(other, frozenset(sids))
            await self._write_out(
                other, dependants - set(sids) if other is window else dependants, partitions.FOREVER
            )

        def work(transaction: Transaction) -> None:
            self._aliases.trim(transaction, window, partitions.FOREVER, sids)
            _delete_rows(table, sids, partitions.NEVER, partitions.FOREVER, transaction)

        async with self._access.maintenance_lock:
            await self._access.engine.write(work)

    async def _write_out(self, window: Window, sids: Collection[int], end_ns: int) -> None:
        spans = self._aliases.spans_in(window, sids, partitions.NEVER, end_ns)
        if not spans:
            return
        _, first, end = aliases.source_series(spans)
        nodes = [self._names.name(sid) for sid in spans]
        for start, stop in slices(first, end, DAY_NS):
            buckets = await self.read(SeriesKind.NODE, nodes, window, start, stop, None)
            if len(buckets):
                await self.write(SeriesKind.NODE, window, buckets)
        await self._access.engine.write(lambda t: self._aliases.trim(t, window, end_ns, spans))


_NO_HALVES: Final[Columns] = {
    "sid": np.empty(0, np.int32),
    "ts": np.empty(0, np.int64),
    "count": np.empty(0),
    "sum": np.empty(0),
}


def _concatenate(parts: Sequence[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _is_large(window: Window, sids: Collection[int], start_ns: int, end_ns: int) -> bool:
    return len(sids) * ((end_ns - start_ns) // window.ns) > MANY_ROWS


def _delete_rows(
    table: ClusteredTable, sids: Sequence[int], start_ns: int, end_ns: int, transaction: Transaction
) -> None:
    table.refresh_newest(transaction, table.delete(transaction, sids, start_ns, end_ns))


def _drop_duplicates(rows: Columns) -> Columns:
    """Return the first of several rows with one (sid, ts)."""
    order = np.lexsort((rows["ts"], rows["sid"]))
    sid, ts = rows["sid"][order], rows["ts"][order]
    is_duplicate = np.concatenate(([False], (sid[1:] == sid[:-1]) & (ts[1:] == ts[:-1])))
    return {name: column[order[~is_duplicate]] for name, column in rows.items()}


def _with_codes(columns_read: Columns, columns: Sequence[str], code_of: Mapping[int, int]) -> tuple[Any, ...]:
    """Return codes (int32) in place of ids, and the columns, the first of which is the time: sorted by (code, time)."""
    table = np.zeros(max(code_of) + 1, np.int32)
    table[list(code_of)] = list(code_of.values())
    codes: Int32 = table[columns_read["sid"]]
    result = (codes, *(columns_read[name] for name in columns))
    if not np.all(codes[1:] >= codes[:-1]):
        # Small integers are sorted by radix, and most reads arrive sorted by time.
        narrow = codes.astype(np.uint16) if len(table) <= 1 << 16 else codes
        order = np.argsort(narrow, kind="stable")
        result = tuple(column[order] for column in result)
    codes, ts = result[:2]
    if np.any((codes[1:] == codes[:-1]) & (ts[1:] < ts[:-1])):
        order = np.lexsort((ts, codes))
        result = tuple(column[order] for column in result)
    return result
