"""Maintenance of clustered tables, as short steps.

Each step is one transaction and leaves everything readable and complete. So writes go on between steps, and a process
that is killed at any point neither loses nor doubles a row.
"""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.store.duckdb.engine import Cursor, Transaction, fetch
from backend.store.duckdb.partitions import FOREVER, NEVER, ClusteredTable, Part
from backend.store.duckdb.rows import Rows

STEP_ROWS: Final = 250_000
"""Rows that one step handles; about a tenth of a second."""

MOVE_ROWS: Final = 200_000
"""Minimum rows to move out of the hot table while their partition still grows."""

LOOSE_SHARE: Final = 0.34
"""Share of a growing partition that may be out of order before it is sorted."""

Step = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a partition with the series ids first..last."""

    part: int
    first: int
    last: int
    rows: int


def find_moves(table: ClusteredTable, cursor: Cursor, edge_ns: int, over_ns: int) -> list[Slice]:
    """Return the slices to move out of the hot table: rows before `edge_ns`.

    Only partitions with many such rows are moved, or those that ended by `over_ns`.
    """
    width = table.part_ns
    counts_read = fetch(
        cursor,
        f"""select (ts - ((ts % {width}) + {width}) % {width}) // {width} as part, sid, count(*) as n
            from {table.hot} where ts < {edge_ns} group by part, sid order by part, sid""",
    )
    slices: list[Slice] = []
    for part in np.unique(counts_read["part"]).tolist():
        is_in_part = counts_read["part"] == part
        sids, counts = counts_read["sid"][is_in_part], counts_read["n"][is_in_part]
        if counts.sum() >= MOVE_ROWS or (part + 1) * width <= over_ns:
            slices += slice_series(part, sids.tolist(), counts.tolist())
    return slices


def slice_series(part: int, sids: list[int], counts: list[int]) -> Iterator[Slice]:
    """Yield slices of about `STEP_ROWS` rows; a series is never divided."""
    first, rows = None, 0
    for at, (sid, count) in enumerate(zip(sids, counts, strict=True)):
        first, rows = (sid if first is None else first), rows + count
        if rows >= STEP_ROWS or at + 1 == len(sids):
            yield Slice(part, first, sid, rows)
            first, rows = None, 0


def move_step(table: ClusteredTable, piece: Slice, edge_ns: int) -> Step:
    """Return the step that moves one slice from the hot table to its partition, which must exist."""

    def step(transaction: Transaction) -> None:
        cursor = transaction.cursor
        low = piece.part * table.part_ns
        high = min(low + table.part_ns, edge_ns)
        condition = f"ts >= {low} and ts < {high} and sid between {piece.first} and {piece.last}"
        count = cursor.execute(
            f"insert into {table.table(piece.part)} select {table.columns} from {table.hot} where {condition} order by sid, ts"
        ).fetchall()[0][0]
        _save_moved_heads(table, transaction, condition)
        cursor.execute(f"delete from {table.hot} where {condition}")
        grown = table.parts[piece.part].grown(count, (piece.first, NEVER), (piece.last, FOREVER))
        table.save_state(transaction, piece.part, grown)

    return step


def _save_moved_heads(table: ClusteredTable, transaction: Transaction, condition: str) -> None:
    value = table.values[0]
    newest = fetch(
        transaction.cursor,
        f"select sid, max(ts) as ts, arg_max({value}, ts) as value from {table.hot} where {condition} group by sid",
    )
    table.save_heads(transaction, Rows(newest["sid"], newest["ts"], (newest["value"],)))


def measure_hot_table(table: ClusteredTable, transaction: Transaction) -> None:
    """Update the time span of the hot table, so that reads of the past need not look there."""
    span = table.measure_hot(transaction.cursor)
    transaction.on_commit(lambda: setattr(table, "hot_span", span))


def needs_seal(table: ClusteredTable, part: int, over_ns: int) -> bool:
    """Return whether sorting a partition pays off: much of it is loose, or it has ended and is not in order."""
    state = table.parts[part]
    if state.rows < 2 or not state.loose:
        return False
    has_ended = (part + 1) * table.part_ns <= over_ns
    # A few late rows at the end of a sorted partition cost a read next to nothing; sorting for them would cost more.
    return state.loose > state.rows * (0.02 if has_ended else LOOSE_SHARE)


def seal_steps(table: ClusteredTable, part: int, cursor: Cursor) -> Iterator[Step]:
    """Yield the steps that copy a partition, sorted, slice by slice, and replace it.

    Nothing may append to the partition meanwhile.
    """
    counts = fetch(cursor, f"select sid, count(*) as n from {table.table(part)} group by sid order by sid")
    yield _begin(table, part)
    for piece in slice_series(part, counts["sid"].tolist(), counts["n"].tolist()):
        yield _copy(table, piece)
    yield _swap(table, part)


def _begin(table: ClusteredTable, part: int) -> Step:
    def step(transaction: Transaction) -> None:
        name = table.staging_table(part)
        transaction.cursor.execute(f"drop table if exists {name}")
        transaction.cursor.execute(f"create table {name}({table.definition})")
        # From here on a replaced row is deleted from the copy too.
        transaction.on_commit(lambda: table.set_staging(part))

    return step


def _copy(table: ClusteredTable, piece: Slice) -> Step:
    def step(transaction: Transaction) -> None:
        transaction.cursor.execute(
            f"insert into {table.staging_table(piece.part)} select {table.columns} from {table.table(piece.part)} "
            f"where sid between {piece.first} and {piece.last} order by sid, ts"
        )

    return step


def _swap(table: ClusteredTable, part: int) -> Step:
    def step(transaction: Transaction) -> None:
        cursor, name, copy = transaction.cursor, table.table(part), table.staging_table(part)
        rows, last = cursor.execute(f"select count(*), coalesce(max(sid), -1) from {copy}").fetchall()[0]
        cursor.execute(f"drop table {name}")
        cursor.execute(f"alter table {copy} rename to {name}")
        table.save_state(transaction, part, Part(rows, 0, (last, FOREVER)))
        transaction.on_commit(lambda: table.set_staging(None))

    return step
