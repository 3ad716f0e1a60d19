"""A table of (series, time) rows that is fast to append to and fast to read one series from.

Rows arrive in `<name>_hot`, in the order they came. Maintenance moves them, sorted by (sid, ts), into one table per
time partition, and sorts such a table again once enough of it is out of order. A row is in exactly one of these
tables; a read is the union of those that its interval overlaps. There is no primary key, since its index would have
to fit in memory. A row newer than the last of its series cannot exist yet, so only older rows are looked up.

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
from backend.store.duckdb.engine import Cursor, Transaction, as_scannable, fetch
from backend.store.duckdb.rows import Rows, partitions_of

DAY_NS: Final = 86_400_000_000_000
NEVER: Final = np.iinfo(np.int64).min
FOREVER: Final = np.iinfo(np.int64).max

BULK_ROWS: Final = 50_000
"""Minimum rows of a batch that goes straight into the partitions."""

BRANCH_VALUES: Final = 500_000
"""Number of values whose reading takes as long as planning one more SELECT of a union."""

BLOCK_ROWS: Final = 122_880
"""DuckDB's row group: the smallest unit that it reads, or skips by the column's statistics."""

MANY_RUNS: Final = 8

SCHEMA: Final = """
create table if not exists parts(family varchar, part bigint, rows bigint, loose bigint, tail_sid integer, tail_ts bigint);
create table if not exists heads(family varchar, sid integer, ts bigint, value double);
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A partition: its rows, how many of them are out of order, and the end (sid, ts) of its ordered rows."""

    rows: int = 0
    loose: int = 0
    tail: tuple[int, int] = (-1, NEVER)

    def grown(self, rows: int, head: tuple[int, int], tail: tuple[int, int]) -> Part:
        """Return the state after a sorted run from `head` to `tail`, both (sid, ts), was appended."""
        if self.loose or (self.rows and head <= self.tail):
            return replace(self, rows=self.rows + rows, loose=self.loose + rows)
        return Part(self.rows + rows, 0, tail)


class ClusteredTable:
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
        # Replaced, never changed in place: a reader compares the object it started from.
        self.parts: dict[int, Part] = {}
        self.staging: int | None = None
        # First and last time in the hot table; may be wider than the actual span, never narrower.
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

    def partitions_in(self, start_ns: int, end_ns: int) -> list[int]:
        """Return the existing partitions that may hold rows of [start_ns, end_ns), oldest first."""
        return sorted(self._states_in(start_ns, end_ns))

    def _states_in(self, start_ns: int, end_ns: int) -> dict[int, Part]:
        low, high = start_ns // self.part_ns, (end_ns - 1) // self.part_ns
        return {part: state for part, state in self.parts.items() if low <= part <= high}

    def union(self, columns: str, sids: Sequence[int], start_ns: int, end_ns: int) -> str:
        """Return a SELECT of rows of these series (ascending ids) over the tables that the interval overlaps."""
        span = f"ts >= {start_ns} and ts < {end_ns}"
        runs = consecutive_runs(sids)
        ranged: list[str] = []
        listed: list[str] = []
        for part, state in sorted(self._states_in(start_ns, end_ns).items()):
            (ranged if self._by_range(state, len(runs)) else listed).append(self.table(part))
        if self.hot_span[0] < end_ns and start_ns <= self.hot_span[1]:
            listed.append(self.hot)
        # In this order the rows of sorted partitions are returned sorted by (sid, ts).
        branches = [f"from {table} where {sid_range(*run)} and {span}" for run in runs for table in ranged]
        branches += [f"from {table} where {sid_condition(sids)} and {span}" for table in listed]
        branches = branches or [f"from {self.hot} where false"]
        return " union all ".join(f"select {columns} {branch}" for branch in branches)

    def _by_range(self, part: Part, runs: int) -> bool:
        """Return whether to query each run of series alone.

        A range is looked up block by block, but each range costs planning. A list reads every column of all blocks
        that may match.
        """
        values = min(part.rows, 2 * BLOCK_ROWS * runs) * (2 + len(self.values))
        return runs == 1 or values > runs * BRANCH_VALUES

    # -- start -----------------------------------------------------------------------------------------------------

    def create(self, transaction: Transaction) -> None:
        transaction.cursor.execute(f"create table if not exists {self.hot}({self.definition})")

    def load(self, transaction: Transaction) -> Rows:
        """Load the in-memory state from the file. Return the newest row of each series, first value column only."""
        cursor = transaction.cursor
        self._drop_staging(cursor)
        rows = cursor.execute(
            "select part, rows, loose, tail_sid, tail_ts from parts where family = ?", [self.name]
        ).fetchall()
        self.parts = {part: Part(rows, loose, (sid, ts)) for part, rows, loose, sid, ts in rows}
        self.hot_span = self.measure_hot(cursor)
        newest = self.newest(cursor)
        self.last = np.empty(0, np.int64)
        self.raise_last_times(newest)
        return newest

    def newest(self, cursor: Cursor) -> Rows:
        """Return the newest row of each series, from the stored heads of the partitions and from the hot table."""
        value = self.values[0]
        # If both have the same time, the hot row was written later.
        heads = fetch(
            cursor,
            f"""select sid, max(ts) as ts, arg_max(value, (ts, hot)) as value from (
                  select sid, max(ts) as ts, arg_max({value}, ts) as value, 1 as hot from {self.hot} group by sid
                  union all select sid, ts, value, 0 from heads where family = '{self.name}')
                group by sid order by sid""",
        )
        return Rows(heads["sid"], heads["ts"], (heads["value"],))

    def measure_hot(self, cursor: Cursor) -> tuple[int, int]:
        first, last = cursor.execute(f"select min(ts), max(ts) from {self.hot}").fetchall()[0]
        return (FOREVER, NEVER) if first is None else (first, last)

    # -- writing ---------------------------------------------------------------------------------------------------

    def late(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which rows are not newer than the last row of their series."""
        oldest = rows.oldest()
        if np.all(oldest.ts > self._last_of(oldest.sid)):
            return np.zeros(len(rows), bool)
        late: npt.NDArray[np.bool_] = rows.ts <= self._last_of(rows.sid)
        return late

    def put(self, transaction: Transaction, rows: Rows, bulk: bool) -> npt.NDArray[np.bool_]:
        """Write distinct rows. Return which of them are late.

        `bulk` rows go straight into their partitions, which must exist (`missing_partitions`, `create_partitions`).
        """
        late = self.late(rows)
        if late.any():
            self._forget(transaction.cursor, rows.take(late))
        if bulk:
            for part, run in rows.by_partition(self.part_ns):
                self._append(transaction, part, run)
            self.save_heads(transaction, rows.newest())
        else:
            first, last = self.hot_span
            self.hot_span = (min(first, int(rows.ts.min())), max(last, int(rows.ts.max())))
            self._insert(transaction.cursor, self.hot, rows)
        newest = rows.newest()
        transaction.on_commit(lambda: self.raise_last_times(newest))
        return late

    def missing_partitions(self, times: Int64) -> list[int]:
        """Return the partitions of these times that do not exist yet."""
        return [part for part in partitions_of(times, self.part_ns) if part not in self.parts]

    def create_partitions(self, transaction: Transaction, parts: Sequence[int]) -> None:
        """Create empty partitions. Readers see them before any row is in them."""
        for part in parts:
            transaction.cursor.execute(f"create table {self.table(part)}({self.definition})")
            self.save_state(transaction, part, Part())

    def raise_last_times(self, newest: Rows) -> None:
        """Raise the last time of each series; one row per series."""
        if not len(newest):
            return
        size = int(newest.sid.max()) + 1
        if size > len(self.last):
            self.last = np.append(self.last, np.full(size - len(self.last), NEVER))
        self.last[newest.sid] = np.maximum(self.last[newest.sid], newest.ts)

    def may_have_rows_from(self, sid: int, time_ns: int) -> bool:
        """Return whether a series may have rows at or after a time."""
        return sid < len(self.last) and int(self.last[sid]) >= time_ns

    def save_heads(self, transaction: Transaction, newest: Rows) -> None:
        """Store the newest row of each series in the file, so that a start need not read the partitions."""
        newest = newest.take(newest.ts >= self._last_of(newest.sid))
        if not len(newest):
            return
        cursor = transaction.cursor
        condition = sid_condition(newest.sid.tolist())
        cursor.execute(f"delete from heads where family = '{self.name}' and {condition}")
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
        self.save_state(transaction, part, self.parts[part].grown(len(run), head, tail))

    def _insert(self, cursor: Cursor, table: str, rows: Rows) -> None:
        cursor.register("new_rows", as_scannable(rows.columns(self.values)))
        cursor.execute(f"insert into {table} select {self.columns} from new_rows")
        cursor.unregister("new_rows")

    def _forget(self, cursor: Cursor, rows: Rows) -> None:
        """Delete the rows with these (sid, ts)."""
        low, high = int(rows.ts.min()), int(rows.ts.max())
        touched = self.partitions_in(low, high + 1)
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

    # -- deleting --------------------------------------------------------------------------------------------------

    def drop(self, transaction: Transaction, part: int) -> None:
        """Drop a partition that was unpublished before."""
        transaction.cursor.execute(f"drop table {self.table(part)}")
        transaction.cursor.execute("delete from parts where family = ? and part = ?", [self.name, part])

    def delete(
        self, transaction: Transaction, sids: Sequence[int] | None, start_ns: int, end_ns: int
    ) -> list[int]:
        """Delete rows of the interval. Return the series that lost their newest row."""
        condition = f"ts >= {start_ns} and ts < {end_ns}"
        if sids is not None:
            condition += f" and {sid_condition(sids)}"
        for table in [self.hot, *(self.table(part) for part in self.partitions_in(start_ns, end_ns))]:
            transaction.cursor.execute(f"delete from {table} where {condition}")
        lost = np.flatnonzero((self.last >= start_ns) & (self.last < end_ns)).tolist()
        return lost if sids is None else sorted(set(lost) & set(sids))

    def refresh_newest(self, transaction: Transaction, sids: Sequence[int]) -> Rows:
        """Find the newest remaining row of these series, and store it."""
        cursor, value = transaction.cursor, self.values[0]
        union = self.union(f"sid, ts, {value} as value", sids, NEVER, FOREVER)
        heads = fetch(
            cursor,
            f"select sid, max(ts) as ts, arg_max(value, ts) as value from ({union}) group by sid order by sid",
        )
        newest = Rows(heads["sid"], heads["ts"], (heads["value"],))
        last = self.last.copy()
        last[list(sids)] = NEVER
        last[newest.sid] = newest.ts
        cursor.execute(f"delete from heads where family = '{self.name}' and {sid_condition(sids)}")
        self._insert_heads(cursor, newest)
        transaction.on_commit(lambda: setattr(self, "last", last))
        return newest

    # -- partitions ------------------------------------------------------------------------------------------------

    def save_state(self, transaction: Transaction, part: int, state: Part) -> None:
        """Store a partition's state: in the file now, in memory once it is committed."""
        cursor = transaction.cursor
        cursor.execute("delete from parts where family = ? and part = ?", [self.name, part])
        cursor.execute(
            "insert into parts values (?, ?, ?, ?, ?, ?)",
            [self.name, part, state.rows, state.loose, *state.tail],
        )
        transaction.on_commit(lambda: self.publish(part, state))

    def set_staging(self, part: int | None) -> None:
        """Set the partition that is being copied."""
        self.staging = part

    def publish(self, part: int, state: Part | None) -> None:
        parts = {number: part_state for number, part_state in self.parts.items() if number != part}
        if state is not None:
            parts[part] = state
        self.parts = parts

    def _drop_staging(self, cursor: Cursor) -> None:
        """Drop what an interrupted seal left behind."""
        names = cursor.execute(
            "select table_name from duckdb_tables() where starts_with(table_name, ?) and ends_with(table_name, '_new')",
            [f"{self.name}_"],
        ).fetchall()
        for (name,) in names:
            cursor.execute(f"drop table {name}")

    @property
    def definition(self) -> str:
        return "sid integer, ts bigint, " + ", ".join(f"{value} double" for value in self.values)


def sid_condition(sids: Sequence[int]) -> str:
    """Return a condition on `sid` for ascending ids; of no ids, one that is always false."""
    runs = consecutive_runs(sids)
    if len(runs) > MANY_RUNS:
        return f"sid in ({', '.join(map(str, sids))})"
    return "(" + " or ".join(sid_range(*run) for run in runs) + ")" if runs else "false"


def sid_range(first: int, last: int) -> str:
    return f"sid = {first}" if first == last else f"sid between {first} and {last}"


def consecutive_runs(sids: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last of each run of consecutive ids; the ids ascend."""
    runs: list[tuple[int, int]] = []
    for sid in sids:
        if runs and sid == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], sid)
        else:
            runs.append((sid, sid))
    return runs
