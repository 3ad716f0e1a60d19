"""Events of sensors in the relational database."""

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
    """One unit of work a call; what is noticed is stamped here."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def open(self) -> Sequence[SensorEvent]:
        return await self._select(select(EventRow).where(EventRow.ended_ns.is_(None)).order_by(EventRow.id))

    async def record(self, begun: Sequence[SensorEvent], ended: Sequence[SensorEvent]) -> None:
        if not begun and not ended:
            return
        now = self._clock.now_ns()
        async with self._db.unit_of_work() as session:
            for event in ended:
                mark = update(EventRow).where(EventRow.id == event.id, EventRow.ended_ns.is_(None))
                await session.execute(mark.values(ended_ns=event.ended_ns, changed_ns=now))
            if begun:
                rows = [_values(event) | {"noticed_ns": now, "changed_ns": now} for event in begun]
                adding = (postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert)(EventRow)
                connection = await session.connection()
                await connection.execute(adding.on_conflict_do_nothing(), rows)

    async def page(self, chosen: EventFilter, limit: int) -> Sequence[SensorEvent]:
        asked = _where(select(EventRow), chosen)
        if chosen.before_id is not None:
            asked = asked.where(EventRow.id < chosen.before_id)
        return await self._select(asked.order_by(EventRow.id.desc()).limit(limit))

    async def count(self, chosen: EventFilter) -> int:
        async with self._db.unit_of_work() as session:
            return await session.scalar(_where(select(func.count(EventRow.id)), chosen)) or 0

    async def changed(self, since_ns: int) -> Sequence[SensorEvent]:
        return await self._select(
            select(EventRow).where(EventRow.changed_ns >= since_ns).order_by(EventRow.id)
        )

    async def delete_ended_before(self, before_ns: int) -> int:
        async with self._db.unit_of_work() as session:
            result: Any = await session.execute(delete(EventRow).where(EventRow.ended_ns < before_ns))
            return int(result.rowcount)

    async def _select(self, chosen: Select[Any]) -> Sequence[SensorEvent]:
        async with self._db.unit_of_work() as session:
            return [_event(row) for row in await session.scalars(chosen)]


def _where(asked: Select[Any], chosen: EventFilter) -> Select[Any]:
    if chosen.sensors is not None:
        asked = asked.where(EventRow.sensor.in_(chosen.sensors))
    if chosen.kinds is not None:
        asked = asked.where(EventRow.kind.in_([kind.value for kind in chosen.kinds]))
    if chosen.start_ns is not None:
        asked = asked.where((EventRow.ended_ns.is_(None)) | (EventRow.ended_ns >= chosen.start_ns))
    if chosen.end_ns is not None:
        asked = asked.where(EventRow.at_ns < chosen.end_ns)
    if chosen.lasting is not None:
        asked = asked.where(EventRow.ended_ns.is_(None) if chosen.lasting else EventRow.ended_ns.is_not(None))
    return asked


def _values(event: SensorEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _FIELDS if name != "id"} | {"kind": event.kind.value}


def _event(row: EventRow) -> SensorEvent:
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    return SensorEvent(**values | {"kind": EventKind(row.kind)})
