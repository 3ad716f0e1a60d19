"""How clustered tables are reached from the event loop: bulk writes, steady reads, dropping, house-keeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar

from backend.core.errors import PermanentError
from backend.core.reading import Int64
from backend.core.windows import NS_PER_SECOND
from backend.store.duckdb import maintenance as sealing
from backend.store.duckdb.engine import Columns, Cursor, Engine, Transaction, fetch, fetch_large
from backend.store.duckdb.partitions import Clustered

T = TypeVar("T")

HOUR_NS: Final = 3_600 * NS_PER_SECOND
STRAGGLERS_NS: Final = 120 * NS_PER_SECOND
"""How long an hour stays in the hot table after its end, and a partition unsealed, for what comes a little late."""


class Access:
    """What all tables of one file share."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # One at a time: moving, sealing, bulk writes and deleting, which all count on partitions standing still.
        self.house = asyncio.Lock()

    async def put(self, table: Clustered, times: Int64, bulk: bool, work: Callable[[Transaction], T]) -> T:
        """Run a write of rows with these times; of a bulk one, after making the partitions it goes to."""
        if not bulk:
            return await self.engine.write(work)
        async with self.house:
            missing = table.missing(times)
            if missing:
                await self.engine.write(lambda transaction: table.make(transaction, missing))
            return await self.engine.write(work)

    async def select(
        self,
        table: Clustered,
        columns: str,
        known: Mapping[int, str],
        start_ns: int,
        end_ns: int,
        *,
        large: bool = False,
        most: int | None = None,
    ) -> Columns | None:
        """Rows of the known series in the interval, at most so many; None where there are none. `large`: many are awaited."""
        if not known or start_ns >= end_ns:
            return None

        def read(cursor: Cursor) -> Columns:
            rows = table.union(columns, list(known), start_ns, end_ns)
            statement = rows if most is None else f"select * from ({rows}) limit {most}"  # noqa: S608
            return (fetch_large if large else fetch)(cursor, statement)

        got = await self.stable(table, start_ns, end_ns, read)
        return got if len(got["sid"]) else None

    async def stable(self, table: Clustered, start_ns: int, end_ns: int, read: Callable[[Cursor], T]) -> T:
        """Run a read again if partitions came or went meanwhile: its list of them may have missed moved rows."""
        while True:
            before = table.touched(start_ns, end_ns)
            try:
                result = await self.engine.read(read)
            except PermanentError:
                if table.touched(start_ns, end_ns) == before:
                    raise
                continue
            if table.touched(start_ns, end_ns) == before:
                return result

    async def drop_parts(self, table: Clustered, start_ns: int, end_ns: int) -> None:
        """Drop the partitions that lie in the interval as a whole. To be called with the house locked."""
        dropped = False
        for part in table.touched(start_ns, end_ns):
            if start_ns <= part * table.part_ns and (part + 1) * table.part_ns <= end_ns:
                state = table.parts[part]
                table.publish(part, None)  # before the commit: no reader may name a table that is gone
                try:
                    await self.engine.write(partial(table.drop, part=part))
                except BaseException:
                    table.publish(part, state)
                    raise
                dropped = True
        if dropped:
            await self.engine.checkpoint()

    async def maintain(self, table: Clustered, now_ns: int) -> None:
        """Move what has settled out of the hot table, and sort partitions that are worth it."""
        settled = now_ns - STRAGGLERS_NS
        async with self.house:
            await self._move(table, settled - settled % HOUR_NS, settled)
            for part in sorted(table.parts):
                if sealing.needs_seal(table, part, settled):
                    await self._seal(table, part)

    async def _move(self, table: Clustered, edge_ns: int, over_ns: int) -> None:
        pieces = await self.engine.read(lambda cursor: sealing.moves(table, cursor, edge_ns, over_ns))
        new = sorted({piece.part for piece in pieces} - table.parts.keys())
        if new:
            await self.engine.write(lambda transaction: table.make(transaction, new))
        for piece in pieces:
            await self.engine.write(sealing.move(table, piece, edge_ns))
        if pieces:
            await self.engine.write(partial(sealing.measure, table))
            await self.engine.checkpoint()

    async def _seal(self, table: Clustered, part: int) -> None:
        steps = await self.engine.read(lambda cursor: list(sealing.seal_steps(table, part, cursor)))
        try:
            for step in steps:
                await self.engine.write(step)
        finally:
            table.stage(None)
        await self.engine.checkpoint()
