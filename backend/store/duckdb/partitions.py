"""A table of (series, time) rows that is quick to append to and quick to read one series from.

Rows arrive in `<name>_hot`, in the order they came. Maintenance moves them, sorted by (sid, ts), into one table a
partition of time, and sorts such a table anew once enough of it is out of order. A row is in exactly one of these
tables; reads are the union of those their interval touches. There is no primary key (its index would have to fit in
memory): what is newer than its series' last time cannot be there yet, and only older rows are looked for.

Everything that changes rows runs inside a `Transaction` on the writer thread.
"""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.core.reading import Int64
from backend.store.duckdb.engine import Cursor, Transaction, fetch, scanned
from backend.store.duckdb.rows import Rows, parts_of

DAY_NS: Final = 86_400_000_000_000
NEVER: Final = np.iinfo(np.int64).min
FOREVER: Final = np.iinfo(np.int64).max

BULK_ROWS: Final = 50_000
"""A batch of at least this many rows goes straight into the partitions."""

BRANCH_VALUES: Final = 500_000
"""Planning one more SELECT of a union takes as long as reading about this many values."""

BLOCK_ROWS: Final = 122_880
"""DuckDB's row group, the least it reads or skips by what it knows of a column."""

MANY_RUNS: Final = 8

SCHEMA: Final = """
create table if not exists parts(family varchar, part bigint, rows bigint, loose bigint, tail_sid integer, tail_ts bigint);
create table if not exists heads(family varchar, sid integer, ts bigint, value double);
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A partition: rows put into it, how many of them out of order, and where its ordered rows end."""

    rows: int = 0
    loose: int = 0
    tail: tuple[int, int] = (-1, NEVER)

    def grown(self, rows: int, head: tuple[int, int], tail: tuple[int, int]) -> Part:
        """After a sorted run from `head` to `tail`, both (sid, ts), was put behind."""
        if self.loose or (self.rows and head <= self.tail):
            return replace(self, rows=self.rows + rows, loose=self.loose + rows)
        return Part(self.rows + rows, 0, tail)


class Clustered:
    """One family of tables.

    name       prefix of its tables
    values     names of its value columns, all doubles
    part_days  days in a partition
    """

    def __init__(self, name: str, values: tuple[str, ...], part_days: int) -> None:
        self.name = name
        self.values = values
        self.part_ns = part_days * DAY_NS
        self.hot = f"{name}_hot"
        # Replaced, never changed in place: a reader compares what it started from.
        self.parts: dict[int, Part] = {}
        self.staging: int | None = None
        # What the hot table may hold, first and last time: never narrower than the truth.
        self.hot_span = (FOREVER, NEVER)
        self.last: Int64 = np.empty(0, np.int64)

    # -- names -----------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> str:
        return ", ".join(("sid", "ts", *self.values))

    def table(self, part: int) -> str:
        start = date(1970, 1, 1) + timedelta(days=part * (self.part_ns // DAY_NS))
        return f"{self.name}_{start:%Y%m%d}"

    def staging_table(self, part: int) -> str:
        return f"{self.table(part)}_new"

    def touched(self, start_ns: int, end_ns: int) -> list[int]:
        """Existing partitions that may hold rows of [start_ns, end_ns), oldest first."""
        return sorted(self._touched(start_ns, end_ns))

    def _touched(self, start_ns: int, end_ns: int) -> dict[int, Part]:
        low, high = start_ns // self.part_ns, (end_ns - 1) // self.part_ns
        return {part: state for part, state in self.parts.items() if low <= part <= high}

    def union(self, columns: str, sids: Sequence[int], start_ns: int, end_ns: int) -> str:
        """A SELECT of rows of these series (ascending ids) over the tables the interval touches."""
        span = f"ts >= {start_ns} and ts < {end_ns}"
        runs = runs_of(sids)
        ranged: list[str] = []
        listed: list[str] = []
        for part, state in sorted(self._touched(start_ns, end_ns).items()):
            (ranged if self._by_range(state, len(runs)) else listed).append(self.table(part))
        if self.hot_span[0] < end_ns and start_ns <= self.hot_span[1]:
            listed.append(self.hot)
        # In this order the rows of sorted partitions come sorted by (sid, ts).
        found = [f"from {table} where {within(*run)} and {span}" for run in runs for table in ranged]
        found += [f"from {table} where {among(sids)} and {span}" for table in listed]
        found = found or [f"from {self.hot} where false"]
        return " union all ".join(f"select {columns} {branch}" for branch in found)

    def _by_range(self, part: Part, runs: int) -> bool:
        """Whether to ask for each run of series alone.

        A range is looked up block by block, but each costs planning; a list reads every column of all blocks that may match.
        """
        values = min(part.rows, 2 * BLOCK_ROWS * runs) * (2 + len(self.values))
        return runs == 1 or values > runs * BRANCH_VALUES

    # -- start -----------------------------------------------------------------------------------------------------

    def create(self, transaction: Transaction) -> None:
        transaction.cursor.execute(f"create table if not exists {self.hot}({self.definition})")

    def load(self, transaction: Transaction) -> Rows:
        """Learn from the file what is kept in memory; answers the newest row of each series, first value column only."""
        cursor = transaction.cursor
        self._drop_staging(cursor)
        found = cursor.execute(
            "select part, rows, loose, tail_sid, tail_ts from parts where family = ?", [self.name]
        ).fetchall()
        self.parts = {part: Part(rows, loose, (sid, ts)) for part, rows, loose, sid, ts in found}
        self.hot_span = self.measure_hot(cursor)
        newest = self.newest(cursor)
        self.last = np.empty(0, np.int64)
        self.remember(newest)
        return newest

    def newest(self, cursor: Cursor) -> Rows:
        """The newest row of each series, by what was noted of the partitions and what the hot table holds."""
        value = self.values[0]
        # Where both know the same time the hot row is the later write.
        got = fetch(
            cursor,
            f"""select sid, max(ts) as ts, arg_max(value, (ts, hot)) as value from (
                  select sid, max(ts) as ts, arg_max({value}, ts) as value, 1 as hot from {self.hot} group by sid
                  union all select sid, ts, value, 0 from heads where family = '{self.name}')
                group by sid order by sid""",
        )
        return Rows(got["sid"], got["ts"], (got["value"],))

    def measure_hot(self, cursor: Cursor) -> tuple[int, int]:
        first, last = cursor.execute(f"select min(ts), max(ts) from {self.hot}").fetchall()[0]
        return (FOREVER, NEVER) if first is None else (first, last)

    # -- writing ---------------------------------------------------------------------------------------------------

    def late(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows are not newer than all their series has."""
        oldest = rows.oldest()
        if np.all(oldest.ts > self._last_of(oldest.sid)):
            return np.zeros(len(rows), bool)
        late: npt.NDArray[np.bool_] = rows.ts <= self._last_of(rows.sid)
        return late

    def put(self, transaction: Transaction, rows: Rows, bulk: bool) -> npt.NDArray[np.bool_]:
        """Keep distinct rows; answers which of them came late.

        `bulk` rows go straight into their partitions, which must be there (`missing`, `make`).
        """
        late = self.late(rows)
        if late.any():
            self._forget(transaction.cursor, rows.take(late))
        if bulk:
            for part, run in rows.by_part(self.part_ns):
                self._append(transaction, part, run)
            self.note_heads(transaction, rows.newest())
        else:
            first, last = self.hot_span
            self.hot_span = (min(first, int(rows.ts.min())), max(last, int(rows.ts.max())))
            self._insert(transaction.cursor, self.hot, rows)
        newest = rows.newest()
        transaction.on_commit(lambda: self.remember(newest))
        return late

    def missing(self, times: Int64) -> list[int]:
        """Partitions of these times that are not there yet."""
        return [part for part in parts_of(times, self.part_ns) if part not in self.parts]

    def make(self, transaction: Transaction, parts: Sequence[int]) -> None:
        """Make empty partitions. They are known to readers before any row is in them."""
        for part in parts:
            transaction.cursor.execute(f"create table {self.table(part)}({self.definition})")
            self.note(transaction, part, Part())

    def remember(self, newest: Rows) -> None:
        """Lift the last time of each series; one row a series."""
        if not len(newest):
            return
        size = int(newest.sid.max()) + 1
        if size > len(self.last):
            self.last = np.append(self.last, np.full(size - len(self.last), NEVER))
        self.last[newest.sid] = np.maximum(self.last[newest.sid], newest.ts)

    def reaches(self, sid: int, time_ns: int) -> bool:
        """Whether a series may have rows at or after a time."""
        return sid < len(self.last) and int(self.last[sid]) >= time_ns

    def note_heads(self, transaction: Transaction, newest: Rows) -> None:
        """Note in the file what is the newest of each series, so that a start need not read the partitions."""
        newest = newest.take(newest.ts >= self._last_of(newest.sid))
        if not len(newest):
            return
        cursor = transaction.cursor
        chosen = among(newest.sid.tolist())
        cursor.execute(f"delete from heads where family = '{self.name}' and {chosen}")
        self._insert_heads(cursor, newest)

    def _insert_heads(self, cursor: Cursor, newest: Rows) -> None:
        cursor.register("newest_rows", {"sid": newest.sid, "ts": newest.ts, "value": newest.values[0]})
        cursor.execute(f"insert into heads select '{self.name}', sid, ts, value from newest_rows")
        cursor.unregister("newest_rows")

    def _last_of(self, sid: npt.NDArray[np.int32]) -> Int64:
        if not len(self.last):
            return np.full(len(sid), NEVER)
        known = sid < len(self.last)
        return np.where(known, self.last[np.where(known, sid, 0)], NEVER)

    def _append(self, transaction: Transaction, part: int, run: Rows) -> None:
        self._insert(transaction.cursor, self.table(part), run)
        head, tail = (int(run.sid[0]), int(run.ts[0])), (int(run.sid[-1]), int(run.ts[-1]))
        self.note(transaction, part, self.parts[part].grown(len(run), head, tail))

    def _insert(self, cursor: Cursor, table: str, rows: Rows) -> None:
        cursor.register("new_rows", scanned(rows.columns(self.values)))
        cursor.execute(f"insert into {table} select {self.columns} from new_rows")
        cursor.unregister("new_rows")

    def _forget(self, cursor: Cursor, rows: Rows) -> None:
        """Delete what stands under these identities."""
        low, high = int(rows.ts.min()), int(rows.ts.max())
        touched = self.touched(low, high + 1)
        tables = [self.hot, *(self.table(part) for part in touched)]
        if self.staging in touched:
            tables.append(self.staging_table(self.staging))
        cursor.register("old_rows", {"sid": rows.sid, "ts": rows.ts})
        for table in tables:
            cursor.execute(
                f"delete from {table} using old_rows o where {table}.sid = o.sid and {table}.ts = o.ts "
                f"and {table}.ts between {low} and {high}"
            )
        cursor.unregister("old_rows")

    # -- forgetting ------------------------------------------------------------------------------------------------

    def drop(self, transaction: Transaction, part: int) -> None:
        """Drop a partition that readers no longer know of."""
        transaction.cursor.execute(f"drop table {self.table(part)}")
        transaction.cursor.execute("delete from parts where family = ? and part = ?", [self.name, part])

    def delete(
        self, transaction: Transaction, sids: Sequence[int] | None, start_ns: int, end_ns: int
    ) -> list[int]:
        """Delete rows of the interval; answers the series that lost their newest."""
        chosen = f"ts >= {start_ns} and ts < {end_ns}"
        if sids is not None:
            chosen += f" and {among(sids)}"
        for table in [self.hot, *(self.table(part) for part in self.touched(start_ns, end_ns))]:
            transaction.cursor.execute(f"delete from {table} where {chosen}")
        lost = np.flatnonzero((self.last >= start_ns) & (self.last < end_ns)).tolist()
        return lost if sids is None else sorted(set(lost) & set(sids))

    def recount(self, transaction: Transaction, sids: Sequence[int]) -> Rows:
        """Find the newest row of these series among all that is left, and note it."""
        cursor, value = transaction.cursor, self.values[0]
        union = self.union(f"sid, ts, {value} as value", sids, NEVER, FOREVER)
        got = fetch(
            cursor,
            f"select sid, max(ts) as ts, arg_max(value, ts) as value from ({union}) group by sid order by sid",
        )
        newest = Rows(got["sid"], got["ts"], (got["value"],))
        last = self.last.copy()
        last[list(sids)] = NEVER
        last[newest.sid] = newest.ts
        cursor.execute(f"delete from heads where family = '{self.name}' and {among(sids)}")
        self._insert_heads(cursor, newest)
        transaction.on_commit(lambda: setattr(self, "last", last))
        return newest

    # -- partitions ------------------------------------------------------------------------------------------------

    def note(self, transaction: Transaction, part: int, state: Part) -> None:
        """Keep a partition's state, in the file now and in memory once it is committed."""
        cursor = transaction.cursor
        cursor.execute("delete from parts where family = ? and part = ?", [self.name, part])
        cursor.execute(
            "insert into parts values (?, ?, ?, ?, ?, ?)",
            [self.name, part, state.rows, state.loose, *state.tail],
        )
        transaction.on_commit(lambda: self.publish(part, state))

    def stage(self, part: int | None) -> None:
        """Name the partition that is being copied."""
        self.staging = part

    def publish(self, part: int, state: Part | None) -> None:
        parts = {known: kept for known, kept in self.parts.items() if known != part}
        if state is not None:
            parts[part] = state
        self.parts = parts

    def _drop_staging(self, cursor: Cursor) -> None:
        """What a seal that was cut off left behind."""
        names = cursor.execute(
            "select table_name from duckdb_tables() where starts_with(table_name, ?) and ends_with(table_name, '_new')",
            [f"{self.name}_"],
        ).fetchall()
        for (name,) in names:
            cursor.execute(f"drop table {name}")

    @property
    def definition(self) -> str:
        return "sid integer, ts bigint, " + ", ".join(f"{value} double" for value in self.values)


def among(sids: Sequence[int]) -> str:
    """A condition on `sid`; the ids ascend. Of no ids, one that nothing meets."""
    runs = runs_of(sids)
    if len(runs) > MANY_RUNS:
        return f"sid in ({', '.join(map(str, sids))})"
    return "(" + " or ".join(within(*run) for run in runs) + ")" if runs else "false"


def within(first: int, last: int) -> str:
    return f"sid = {first}" if first == last else f"sid between {first} and {last}"


def runs_of(sids: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive ids; the ids ascend."""
    runs: list[tuple[int, int]] = []
    for sid in sids:
        if runs and sid == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], sid)
        else:
            runs.append((sid, sid))
    return runs
