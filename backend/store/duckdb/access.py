"""Access to clustered tables from the event loop: bulk writes, consistent reads, drops and maintenance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar

from backend.core.errors import PermanentError
from backend.core.reading import Int64
from backend.core.windows import NS_PER_SECOND
from backend.store.duckdb import maintenance
from backend.store.duckdb.engine import Columns, Cursor, Engine, Transaction, fetch, fetch_large
from backend.store.duckdb.partitions import ClusteredTable

T = TypeVar("T")

HOUR_NS: Final = 3_600 * NS_PER_SECOND
SETTLE_NS: Final = 120 * NS_PER_SECOND
"""Time after its end for which an hour stays in the hot table, and a partition unsealed, for readings that are a little
late.
"""


class TableAccess:
    """The engine and the maintenance lock, which all tables of one file share."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Held by moves, seals, bulk writes and deletes: each relies on the set of partitions not changing.
        self.maintenance_lock = asyncio.Lock()

    async def write(
        self, table: ClusteredTable, times: Int64, bulk: bool, work: Callable[[Transaction], T]
    ) -> T:
        """Run a write of rows with these times; a bulk write creates missing partitions first."""
        if not bulk:
            return await self.engine.write(work)
        async with self.maintenance_lock:
            missing = table.missing_partitions(times)
            if missing:
                await self.engine.write(lambda transaction: table.create_partitions(transaction, missing))
            return await self.engine.write(work)

    async def select(
        self,
        table: ClusteredTable,
        columns: str,
        known: Mapping[int, str],
        start_ns: int,
        end_ns: int,
        *,
        large: bool = False,
        limit: int | None = None,
    ) -> Columns | None:
        """Return rows of the known series in the interval, at most `limit`; None if there are none.

        `large` expects many rows.
        """
        if not known or start_ns >= end_ns:
            return None

        def read(cursor: Cursor) -> Columns:
            rows = table.union(columns, list(known), start_ns, end_ns)
            statement = rows if limit is None else f"select * from ({rows}) limit {limit}"  # noqa: S608
            return (fetch_large if large else fetch)(cursor, statement)

        rows_read = await self.read_consistently(table, start_ns, end_ns, read)
        return rows_read if len(rows_read["sid"]) else None

    async def read_consistently(
        self, table: ClusteredTable, start_ns: int, end_ns: int, read: Callable[[Cursor], T]
    ) -> T:
        """Repeat a read if partitions were added or dropped meanwhile: it may have missed rows that moved."""
        while True:
            before = table.partitions_in(start_ns, end_ns)
            try:
                result = await self.engine.read(read)
            except PermanentError:
                if table.partitions_in(start_ns, end_ns) == before:
                    raise
                continue
            if table.partitions_in(start_ns, end_ns) == before:
                return result

    async def drop_partitions(self, table: ClusteredTable, start_ns: int, end_ns: int) -> None:
        """Drop the partitions that lie entirely in the interval. Call it with the maintenance lock held."""
        dropped = False
        for part in table.partitions_in(start_ns, end_ns):
            if start_ns <= part * table.part_ns and (part + 1) * table.part_ns <= end_ns:
                state = table.parts[part]
                table.publish(part, None)  # before the commit: no reader may name a dropped table
                try:
                    await self.engine.write(partial(table.drop, part=part))
                except BaseException:
                    table.publish(part, state)
                    raise
                dropped = True
        if dropped:
            await self.engine.checkpoint()

    async def maintain(self, table: ClusteredTable, now_ns: int) -> None:
        """Move rows of finished hours out of the hot table, and sort partitions where that pays off."""
        settled = now_ns - SETTLE_NS
        async with self.maintenance_lock:
            await self._move(table, settled - settled % HOUR_NS, settled)
            for part in sorted(table.parts):
                if maintenance.needs_seal(table, part, settled):
                    await self._seal(table, part)

    async def _move(self, table: ClusteredTable, edge_ns: int, over_ns: int) -> None:
        pieces = await self.engine.read(
            lambda cursor: maintenance.find_moves(table, cursor, edge_ns, over_ns)
        )
        new = sorted({piece.part for piece in pieces} - table.parts.keys())
        if new:
            await self.engine.write(lambda transaction: table.create_partitions(transaction, new))
        for piece in pieces:
            await self.engine.write(maintenance.move_step(table, piece, edge_ns))
        if pieces:
            await self.engine.write(partial(maintenance.measure_hot_table, table))
            await self.engine.checkpoint()

    async def _seal(self, table: ClusteredTable, part: int) -> None:
        steps = await self.engine.read(lambda cursor: list(maintenance.seal_steps(table, part, cursor)))
        try:
            for step in steps:
                await self.engine.write(step)
        finally:
            table.set_staging(None)
        await self.engine.checkpoint()
