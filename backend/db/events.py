"""Sensor events in the relational database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from backend.core.clock import Clock
from backend.core.events import EventFilter, EventKind, SensorEvent
from backend.db.engine import Database
from backend.db.models import EventRow

_FIELDS = ("id", "sensor", "kind", "at_ns", "message", "value", "ended_ns", "noticed_ns")


class SqlEvents:
    """Stores sensor events. Each call is one unit of work. Sets `noticed_ns` and `changed_ns` itself."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def open(self) -> Sequence[SensorEvent]:
        return await self._select(select(EventRow).where(EventRow.ended_ns.is_(None)).order_by(EventRow.id))

    async def record(self, started: Sequence[SensorEvent], ended: Sequence[SensorEvent]) -> None:
        if not started and not ended:
            return
        now = self._clock.now_ns()
        async with self._db.unit_of_work() as session:
            for event in ended:
                change = update(EventRow).where(EventRow.id == event.id, EventRow.ended_ns.is_(None))
                await session.execute(change.values(ended_ns=event.ended_ns, changed_ns=now))
            if started:
                rows = [_values(event) | {"noticed_ns": now, "changed_ns": now} for event in started]
                insertion = (postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert)(
                    EventRow
                )
                connection = await session.connection()
                await connection.execute(insertion.on_conflict_do_nothing(), rows)

    async def page(self, event_filter: EventFilter, limit: int) -> Sequence[SensorEvent]:
        statement = _where(select(EventRow), event_filter)
        if event_filter.before_id is not None:
            statement = statement.where(EventRow.id < event_filter.before_id)
        return await self._select(statement.order_by(EventRow.id.desc()).limit(limit))

    async def count(self, event_filter: EventFilter) -> int:
        async with self._db.unit_of_work() as session:
            return await session.scalar(_where(select(func.count(EventRow.id)), event_filter)) or 0

    async def changed(self, since_ns: int) -> Sequence[SensorEvent]:
        return await self._select(
            select(EventRow).where(EventRow.changed_ns >= since_ns).order_by(EventRow.id)
        )

    async def delete_ended_before(self, before_ns: int) -> int:
        async with self._db.unit_of_work() as session:
            result: Any = await session.execute(delete(EventRow).where(EventRow.ended_ns < before_ns))
            return int(result.rowcount)

    async def _select(self, statement: Select[Any]) -> Sequence[SensorEvent]:
        async with self._db.unit_of_work() as session:
            return [_event(row) for row in await session.scalars(statement)]


def _where(statement: Select[Any], event_filter: EventFilter) -> Select[Any]:
    if event_filter.sensors is not None:
        statement = statement.where(EventRow.sensor.in_(event_filter.sensors))
    if event_filter.kinds is not None:
        statement = statement.where(EventRow.kind.in_([kind.value for kind in event_filter.kinds]))
    if event_filter.start_ns is not None:
        statement = statement.where(
            (EventRow.ended_ns.is_(None)) | (EventRow.ended_ns >= event_filter.start_ns)
        )
    if event_filter.end_ns is not None:
        statement = statement.where(EventRow.at_ns < event_filter.end_ns)
    if event_filter.lasting is not None:
        statement = statement.where(
            EventRow.ended_ns.is_(None) if event_filter.lasting else EventRow.ended_ns.is_not(None)
        )
    return statement


def _values(event: SensorEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _FIELDS if name != "id"} | {"kind": event.kind.value}


def _event(row: EventRow) -> SensorEvent:
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    return SensorEvent(**values | {"kind": EventKind(row.kind)})
