"""Run statistics of periodic tasks in the relational database, which every process can read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import select

from backend.core.measure import Timing
from backend.core.tasks import TaskRecord
from backend.db.engine import Database
from backend.db.models import TaskRow

MAX_ERROR = 500


class SqlTaskLog:
    """Stores run statistics. Each call is one unit of work. The row is locked during an update, so no run is lost."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def record(self, name: str, started_ns: int, seconds: float, error: str | None) -> None:
        async with self._db.unit_of_work() as session:
            row = await session.get(TaskRow, name, with_for_update=True)
            if row is None:
                row = TaskRow(
                    name=name, failures=0, failures_in_a_row=0, sum_s=0.0, bucket_counts="[]", last_error=""
                )
                session.add(row)
            timing = Timing.restore(json.loads(row.bucket_counts), row.sum_s)
            timing.observe(seconds)
            row.bucket_counts, row.sum_s = json.dumps(timing.buckets), timing.sum_s
            row.started_ns, row.last_s = started_ns, seconds
            row.last_error = (error or "")[:MAX_ERROR]
            if error is None:
                row.failures_in_a_row, row.succeeded_ns = 0, started_ns
            else:
                row.failures += 1
                row.failures_in_a_row += 1

    async def records(self) -> Mapping[str, TaskRecord]:
        async with self._db.unit_of_work() as session:
            return {row.name: _record(row) for row in await session.scalars(select(TaskRow))}


def _record(row: TaskRow) -> TaskRecord:
    return TaskRecord(
        name=row.name,
        timing=Timing.restore(json.loads(row.bucket_counts), row.sum_s),
        failures=row.failures,
        failures_in_a_row=row.failures_in_a_row,
        started_ns=row.started_ns,
        succeeded_ns=row.succeeded_ns,
        last_s=row.last_s,
        last_error=row.last_error,
    )
