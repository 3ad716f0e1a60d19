"""Roll-ups in the embedded store: a family of tables a window, and notes of nodes that say what a sensor says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from backend.core.bucket import Buckets, SeriesKind
from backend.core.ports import SeriesAlias
from backend.core.reading import Int32
from backend.core.windows import Window, slices
from backend.store.duckdb import aliases as copies
from backend.store.duckdb import derived
from backend.store.duckdb import partitions as clustered
from backend.store.duckdb.access import Access
from backend.store.duckdb.aliases import Copies, Span, Spans
from backend.store.duckdb.derived import STATISTICS
from backend.store.duckdb.engine import Columns, Transaction
from backend.store.duckdb.names import Names
from backend.store.duckdb.partitions import DAY_NS, Clustered
from backend.store.duckdb.rows import Rows

MANY_ROWS: Final = 300_000
"""Buckets from which on a read is a large one."""

PART_DAYS: Final = {Window.S30: 10, Window.M1: 30, Window.H1: 720, Window.D1: 7200}


class KeptRollups:
    """Writes, reads and forgets buckets of all kinds of series."""

    def __init__(self, access: Access, names: Names) -> None:
        self._access = access
        self._names = names
        self._copies = Copies()
        self.tables = {w: Clustered(f"rollup_{w}", STATISTICS, PART_DAYS[w]) for w in Window}

    def load(self, transaction: Transaction) -> None:
        self._copies.load(transaction)
        for table in self.tables.values():
            table.create(transaction)
            table.load(transaction)

    async def write(self, kind: SeriesKind, window: Window, buckets: Buckets) -> None:
        table, bulk = self.tables[window], len(buckets) >= clustered.BULK_ROWS

        def work(transaction: Transaction) -> None:
            codes = self._names.codes(transaction, kind, buckets.names, buckets.codes)
            rows = Rows(codes[buckets.codes], buckets.starts, derived.kept(buckets))
            table.put(transaction, rows.distinct(), bulk)

        await self._access.put(table, buckets.starts, bulk, work)

    async def note(
        self, window: Window, copied: Mapping[str, SeriesAlias], start_ns: int, end_ns: int
    ) -> bool:
        if window not in copies.WINDOWS:
            return False

        def work(transaction: Transaction) -> dict[int, Span]:
            nodes = self._names.ids(transaction, SeriesKind.NODE, list(copied)).tolist()
            sources = [
                int(self._names.ids(transaction, copy.kind, [copy.name])[0]) for copy in copied.values()
            ]
            spans = {
                sid: Span(start_ns, end_ns, source, copy.weight)
                for sid, source, copy in zip(nodes, sources, copied.values(), strict=True)
            }
            self._copies.note(transaction, window, spans)
            return spans

        if start_ns < end_ns and copied:
            noted = await self._access.engine.write(work)
            # After the note is kept: until they are gone, the rows stand.
            table = self.tables[window]
            await self._forget_rows(
                table, [sid for sid in noted if table.reaches(sid, start_ns)], start_ns, end_ns
            )
        return True

    async def _forget_rows(self, table: Clustered, sids: list[int], start_ns: int, end_ns: int) -> None:
        if sids:
            async with self._access.house:
                await self._access.engine.write(partial(_forget, table, sorted(sids), start_ns, end_ns))

    async def read(
        self,
        kind: SeriesKind,
        names: Sequence[str],
        window: Window,
        start_ns: int,
        end_ns: int,
        columns: Sequence[str] | None,
    ) -> Buckets:
        wanted = [name for name in STATISTICS if columns is None or name in columns]
        known = self._names.known(kind, names)
        while True:
            noted = self._copies.of(window) if kind is SeriesKind.NODE else None
            spans = self._copies.over(window, known, start_ns, end_ns) if noted else {}
            found = await self._read(window, known, spans, start_ns, end_ns, wanted)
            if noted is None or noted is self._copies.of(window):
                break
        if found is None:
            return Buckets.empty(tuple(names))
        code_of = {sid: code for code, name in enumerate(names) for sid in self._names.known(kind, [name])}
        codes, starts, *values = _in_order(found, ("ts", *wanted), code_of)
        read = dict(zip(wanted, values, strict=True))
        nothing = np.broadcast_to(np.nan, len(starts))
        return Buckets(tuple(names), codes, starts, *(read.get(name, nothing) for name in STATISTICS))

    async def _read(
        self,
        window: Window,
        known: Mapping[int, str],
        spans: Mapping[int, Spans],
        start_ns: int,
        end_ns: int,
        wanted: Sequence[str],
    ) -> Columns | None:
        """Columns sid, ts and those wanted, of rows and of what the spans stand for."""
        table = self.tables[window]
        rows = {sid: name for sid, name in known.items() if sid not in spans or table.reaches(sid, start_ns)}
        chosen, large = f"sid, ts, {derived.selected(wanted)}", _many(window, rows, start_ns, end_ns)
        got = await self._access.select(table, chosen, rows, start_ns, end_ns, large=large)
        if not spans:
            return got
        halves = await self._halves(spans, copies.needed(wanted))
        parts = [] if got is None else [got]
        for nodes, buckets in copies.written_out(spans, halves, window):
            part: Columns = {"sid": np.array(nodes, np.int32)[buckets.codes], "ts": buckets.starts}
            parts.append(part | {name: getattr(buckets, name) for name in wanted})
        found = _together(parts)
        # Only a node that has rows and notes can have a bucket twice.
        both = got is not None and not rows.keys().isdisjoint(spans)
        return _first_stands(found) if both else found

    async def _halves(self, spans: Mapping[int, Spans], columns: Sequence[str]) -> Columns:
        """The 30 s buckets that the spans stand on."""
        sids, first, end = copies.sources(spans)
        # A node that copies itself may be a copy there, too.
        own = [sid for sid in sids if sid in spans]
        parts: list[Columns] = []
        if own:
            nodes = [self._names.name(sid) for sid in own]
            kept = await self.read(SeriesKind.NODE, nodes, Window.S30, first, end, columns)
            part: Columns = {"sid": np.array(own, np.int32)[kept.codes], "ts": kept.starts}
            parts.append(part | {name: getattr(kept, name) for name in columns})
        others = {sid: "" for sid in sids if sid not in spans}
        # Of a sensor it is enough to know whether there is a mean.
        fewer = columns if own else ("count", "sum")
        large = _many(Window.S30, others, first, end)
        got = await self._access.select(
            self.tables[Window.S30], f"sid, ts, {derived.selected(fewer)}", others, first, end, large=large
        )
        if got is not None:
            parts.append(got)
        return _together(parts) if parts else _NOTHING

    async def delete(self, window: Window, end_ns: int) -> None:
        """Forget what starts before `end_ns`; what follows from it in other windows is written out first."""
        table = self.tables[window]
        if window is Window.S30:
            await self._write_out(Window.M1, self._copies.of(Window.M1), end_ns)
        await self._access.engine.write(lambda t: self._copies.trim(t, window, end_ns))

        def work(transaction: Transaction) -> None:
            table.recount(transaction, table.delete(transaction, None, clustered.NEVER, end_ns))

        async with self._access.house:
            await self._access.drop_parts(table, clustered.NEVER, end_ns)
            await self._access.engine.write(work)

    def series(self, kind: SeriesKind, window: Window) -> frozenset[str]:
        """The series of which anything is kept."""
        rows = np.flatnonzero(self.tables[window].last > clustered.NEVER).tolist()
        return frozenset(self._names.of_kind(kind, [*rows, *self._copies.of(window)]))

    async def drop(self, kind: SeriesKind, window: Window, names: Sequence[str]) -> None:
        """Forget all of some series; what others copy of it is written out first."""
        table, chosen = self.tables[window], list(self._names.known(kind, names))
        if not chosen:
            return
        for length in copies.WINDOWS if window is Window.S30 else ():
            on = self._copies.on(length, frozenset(chosen))
            await self._write_out(length, on - set(chosen) if length is window else on, clustered.FOREVER)

        def work(transaction: Transaction) -> None:
            self._copies.trim(transaction, window, clustered.FOREVER, chosen)
            _forget(table, chosen, clustered.NEVER, clustered.FOREVER, transaction)

        async with self._access.house:
            await self._access.engine.write(work)

    async def _write_out(self, window: Window, sids: Collection[int], end_ns: int) -> None:
        spans = self._copies.over(window, sids, clustered.NEVER, end_ns)
        if not spans:
            return
        _, first, end = copies.sources(spans)
        nodes = [self._names.name(sid) for sid in spans]
        for start, stop in slices(first, end, DAY_NS):
            kept = await self.read(SeriesKind.NODE, nodes, window, start, stop, None)
            if len(kept):
                await self.write(SeriesKind.NODE, window, kept)
        await self._access.engine.write(lambda t: self._copies.trim(t, window, end_ns, spans))


_NOTHING: Final[Columns] = {
    "sid": np.empty(0, np.int32),
    "ts": np.empty(0, np.int64),
    "count": np.empty(0),
    "sum": np.empty(0),
}


def _together(parts: Sequence[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _many(window: Window, sids: Collection[int], start_ns: int, end_ns: int) -> bool:
    return len(sids) * ((end_ns - start_ns) // window.ns) > MANY_ROWS


def _forget(
    table: Clustered, sids: Sequence[int], start_ns: int, end_ns: int, transaction: Transaction
) -> None:
    table.recount(transaction, table.delete(transaction, sids, start_ns, end_ns))


def _first_stands(rows: Columns) -> Columns:
    """Of rows of one identity the first one."""
    order = np.lexsort((rows["ts"], rows["sid"]))
    sid, ts = rows["sid"][order], rows["ts"][order]
    again = np.concatenate(([False], (sid[1:] == sid[:-1]) & (ts[1:] == ts[:-1])))
    return {name: column[order[~again]] for name, column in rows.items()}


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
