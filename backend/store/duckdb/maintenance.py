"""House-keeping of clustered tables, as short steps.

Each step is one transaction of its own and leaves everything readable and complete, so that writes go on in between
and a process killed at any point loses and doubles nothing.
"""

# ruff: noqa: S608 (names and numbers in statements are our own; values travel as arrays)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.store.duckdb.engine import Cursor, Transaction, fetch
from backend.store.duckdb.partitions import FOREVER, NEVER, Clustered, Part
from backend.store.duckdb.rows import Rows

STEP_ROWS: Final = 250_000
"""Rows one step handles; about a tenth of a second."""

MOVE_ROWS: Final = 200_000
"""Rows worth moving out of the hot table while their partition is still growing."""

LOOSE_SHARE: Final = 0.34
"""Share of a growing partition that may be out of order before it is sorted anew."""

Step = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a partition with series ids first..last."""

    part: int
    first: int
    last: int
    rows: int


def moves(
    table: Clustered, cursor: Cursor, edge_ns: int, over_ns: int, least: int = MOVE_ROWS
) -> list[Slice]:
    """What to move out of the hot table: its rows before `edge_ns`, if they are many or their partition ended by `over_ns`."""
    width = table.part_ns
    got = fetch(
        cursor,
        f"""select (ts - ((ts % {width}) + {width}) % {width}) // {width} as part, sid, count(*) as n
            from {table.hot} where ts < {edge_ns} group by part, sid order by part, sid""",
    )
    found: list[Slice] = []
    for part in np.unique(got["part"]).tolist():
        here = got["part"] == part
        sids, counts = got["sid"][here], got["n"][here]
        if counts.sum() >= MOVE_ROWS or (part + 1) * width <= over_ns:
            found += cut(part, sids.tolist(), counts.tolist())
    return found


def cut(part: int, sids: list[int], counts: list[int]) -> Iterator[Slice]:
    """Slices of about `STEP_ROWS` rows; a series is never divided."""
    first, rows = None, 0
    for at, (sid, count) in enumerate(zip(sids, counts, strict=True)):
        first, rows = (sid if first is None else first), rows + count
        if rows >= STEP_ROWS or at + 1 == len(sids):
            yield Slice(part, first, sid, rows)
            first, rows = None, 0


def move(table: Clustered, piece: Slice, edge_ns: int) -> Step:
    """The step that moves one slice from the hot table to its partition, which must be there."""

    def step(transaction: Transaction) -> None:
        cursor = transaction.cursor
        low = piece.part * table.part_ns
        high = min(low + table.part_ns, edge_ns)
        chosen = f"ts >= {low} and ts < {high} and sid between {piece.first} and {piece.last}"
        count = cursor.execute(
            f"insert into {table.table(piece.part)} select {table.columns} from {table.hot} where {chosen} order by sid, ts"
        ).fetchall()[0][0]
        _note_moved_heads(table, transaction, chosen)
        cursor.execute(f"delete from {table.hot} where {chosen}")
        grown = table.parts[piece.part].grown(count, (piece.first, NEVER), (piece.last, FOREVER))
        table.note(transaction, piece.part, grown)

    return step


def _note_moved_heads(table: Clustered, transaction: Transaction, chosen: str) -> None:
    value = table.values[0]
    got = fetch(
        transaction.cursor,
        f"select sid, max(ts) as ts, arg_max({value}, ts) as value from {table.hot} where {chosen} group by sid",
    )
    table.note_heads(transaction, Rows(got["sid"], got["ts"], (got["value"],)))


def measure(table: Clustered, transaction: Transaction) -> None:
    """Learn what is left in the hot table, so that reads of the past need not look there."""
    span = table.measure_hot(transaction.cursor)
    transaction.on_commit(lambda: setattr(table, "hot_span", span))


def needs_seal(table: Clustered, part: int, over_ns: int) -> bool:
    """Whether a partition is worth sorting anew: too much of it is loose, or it has ended and is not in order."""
    state = table.parts[part]
    if state.rows < 2 or not state.loose:
        return False
    over = (part + 1) * table.part_ns <= over_ns
    # A few late rows behind a sorted partition cost a read next to nothing; sorting it for them would.
    return state.loose > state.rows * (0.02 if over else LOOSE_SHARE)


def seal_steps(table: Clustered, part: int, cursor: Cursor) -> Iterator[Step]:
    """Copy a partition, sorted, slice by slice, and put the copy in its place. Nobody else may append to it meanwhile."""
    got = fetch(cursor, f"select sid, count(*) as n from {table.table(part)} group by sid order by sid")
    yield _begin(table, part)
    for piece in cut(part, got["sid"].tolist(), got["n"].tolist()):
        yield _copy(table, piece)
    yield _swap(table, part)


def _begin(table: Clustered, part: int) -> Step:
    def step(transaction: Transaction) -> None:
        name = table.staging_table(part)
        transaction.cursor.execute(f"drop table if exists {name}")
        transaction.cursor.execute(f"create table {name}({table.definition})")
        # From here on a late row is forgotten in the copy too.
        transaction.on_commit(lambda: table.stage(part))

    return step


def _copy(table: Clustered, piece: Slice) -> Step:
    def step(transaction: Transaction) -> None:
        transaction.cursor.execute(
            f"insert into {table.staging_table(piece.part)} select {table.columns} from {table.table(piece.part)} "
            f"where sid between {piece.first} and {piece.last} order by sid, ts"
        )

    return step


def _swap(table: Clustered, part: int) -> Step:
    def step(transaction: Transaction) -> None:
        cursor, name, copy = transaction.cursor, table.table(part), table.staging_table(part)
        rows, last = cursor.execute(f"select count(*), coalesce(max(sid), -1) from {copy}").fetchall()[0]
        cursor.execute(f"drop table {name}")
        cursor.execute(f"alter table {copy} rename to {name}")
        table.note(transaction, part, Part(rows, 0, (last, FOREVER)))
        transaction.on_commit(lambda: table.stage(None))

    return step
