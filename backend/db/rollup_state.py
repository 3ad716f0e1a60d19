"""The state of the roll-ups in the relational database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from backend.core.bucket import SeriesKind
from backend.core.ports import DirtyWindow, LearnedPeriod, SeriesRecord
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.models import LearnedPeriodRow, RollupDirty, RollupMark, RollupSeries

_HORIZON: Final = "horizon"
_IDENTITY: Final = ("sensor", "start_ns", "end_ns")


class SqlRollupState:
    """Stores watermarks, dirty windows, series and learned periods. Each call is one short unit of work."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def watermark(self, window: Window) -> int | None:
        return await self._mark(window.value)

    async def set_watermark(self, window: Window, end_ns: int) -> None:
        await self._set_mark(window.value, end_ns)

    async def horizon(self) -> int | None:
        return await self._mark(_HORIZON)

    async def set_horizon(self, end_ns: int) -> None:
        await self._set_mark(_HORIZON, end_ns)

    async def retained_from(self, window: Window | None) -> int | None:
        return await self._mark(_retention_mark(window))

    async def set_retained_from(self, window: Window | None, start_ns: int) -> None:
        await self._set_mark(_retention_mark(window), start_ns)

    async def mark_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        if not windows:
            return
        version = secrets.randbits(62)
        identities = dict.fromkeys((w.sensor, w.start_ns, w.end_ns) for w in windows)
        rows = [{**dict(zip(_IDENTITY, i, strict=True)), "version": version} for i in sorted(identities)]
        await self._upsert(
            RollupDirty, rows, [RollupDirty.sensor, RollupDirty.start_ns, RollupDirty.end_ns], ("version",)
        )

    async def dirty(self, limit: int) -> Sequence[DirtyWindow]:
        columns = (RollupDirty.sensor, RollupDirty.start_ns, RollupDirty.end_ns, RollupDirty.version)
        order = (RollupDirty.start_ns.desc(), RollupDirty.sensor, RollupDirty.end_ns)
        async with self._db.unit_of_work() as session:
            rows = await session.execute(select(*columns).order_by(*order).limit(limit))
            return [DirtyWindow(*row) for row in rows]

    async def oldest_dirty(self) -> int | None:
        async with self._db.unit_of_work() as session:
            return await session.scalar(select(func.min(RollupDirty.start_ns)))

    async def clear_dirty(self, windows: Sequence[DirtyWindow]) -> None:
        if not windows:
            return
        table: Any = RollupDirty.__table__
        statement = delete(table).where(
            *(table.c[name] == bindparam(f"a_{name}") for name in (*_IDENTITY, "version"))
        )
        rows = [
            {"a_sensor": w.sensor, "a_start_ns": w.start_ns, "a_end_ns": w.end_ns, "a_version": w.version}
            for w in sorted(windows, key=lambda w: (w.sensor, w.start_ns, w.end_ns))
        ]
        async with self._db.unit_of_work() as session:
            connection = await session.connection()
            await connection.execute(statement, rows)

    async def series(self) -> Sequence[SeriesRecord]:
        table = RollupSeries
        columns = (table.kind, table.name, table.shape, table.expects, table.stale_ns, table.recompute)
        async with self._db.unit_of_work() as session:
            rows = await session.execute(select(*columns))
            return [
                SeriesRecord(SeriesKind(kind), name, shape, expects, stale_ns, recompute)
                for kind, name, shape, expects, stale_ns, recompute in rows
            ]

    async def set_series(
        self, changed: Sequence[SeriesRecord], removed: Sequence[tuple[SeriesKind, str]] = ()
    ) -> None:
        rows = [
            asdict(item) | {"kind": item.kind.value}
            for item in sorted(changed, key=lambda s: (s.kind, s.name))
        ]
        table: Any = RollupSeries.__table__
        statement = delete(table).where(
            table.c.kind == bindparam("a_kind"), table.c.name == bindparam("a_name")
        )
        async with self._db.unit_of_work() as session:
            connection = await session.connection()
            if rows:
                key = [RollupSeries.kind, RollupSeries.name]
                columns = ("shape", "expects", "stale_ns", "recompute")
                await connection.execute(self._upsert_statement(RollupSeries, key, columns), rows)
            if removed:
                marks = [{"a_kind": kind.value, "a_name": name} for kind, name in sorted(removed)]
                await connection.execute(statement, marks)

    async def periods(self) -> Mapping[str, LearnedPeriod]:
        columns = (LearnedPeriodRow.sensor, LearnedPeriodRow.period_s, LearnedPeriodRow.at_ns)
        async with self._db.unit_of_work() as session:
            rows = await session.execute(select(*columns))
            return {sensor: LearnedPeriod(period_s, at_ns) for sensor, period_s, at_ns in rows}

    async def set_periods(self, periods: Mapping[str, LearnedPeriod]) -> None:
        rows = [{"sensor": sensor, **asdict(period)} for sensor, period in sorted(periods.items())]
        if rows:
            await self._upsert(LearnedPeriodRow, rows, [LearnedPeriodRow.sensor], ("period_s", "at_ns"))

    async def _mark(self, name: str) -> int | None:
        async with self._db.unit_of_work() as session:
            return await session.scalar(select(RollupMark.at_ns).where(RollupMark.name == name))

    async def _set_mark(self, name: str, at_ns: int) -> None:
        await self._upsert(RollupMark, [{"name": name, "at_ns": at_ns}], [RollupMark.name], ("at_ns",))

    async def _upsert(
        self,
        model: type[Any],
        rows: list[dict[str, Any]],
        key: list[InstrumentedAttribute[Any]],
        columns: Sequence[str],
    ) -> None:
        """Insert rows, or replace `columns` of rows with the same key. Sorted rows prevent deadlocks between two writers."""
        async with self._db.unit_of_work() as session:
            connection = await session.connection()
            await connection.execute(self._upsert_statement(model, key, columns), rows)

    def _upsert_statement(
        self, model: type[Any], key: list[InstrumentedAttribute[Any]], columns: Sequence[str]
    ) -> Executable:
        statement = (postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert)(model)
        return statement.on_conflict_do_update(
            index_elements=key, set_={column: statement.excluded[column] for column in columns}
        )


def _retention_mark(window: Window | None) -> str:
    return f"kept_{window.value if window else 'raw'}"
