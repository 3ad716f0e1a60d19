"""Recomputation jobs in the relational database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from sqlalchemy import Select, bindparam, delete, func, insert, select, update

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.jobs import ENDED, Job, JobState, Priority
from backend.core.windows import Window
from backend.db.engine import Database
from backend.db.models import JobRow

_FIELDS: Final = tuple(f.name for f in fields(Job))
_COLUMNS: Final = {name: getattr(JobRow, name).expression.name for name in _FIELDS}
_SELECTED: Final = tuple(getattr(JobRow, name) for name in _FIELDS)
_MAX_IDS: Final = 500
"""Maximum number of ids in one statement."""


class SqlJobs:
    """Stores jobs. Each call is one unit of work. Sets `changed_ns` itself."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock

    async def add(self, jobs: Sequence[Job]) -> Sequence[Job]:
        if not jobs:
            return []
        now = self._clock.now_ns()
        rows = [_values(replace(job, changed_ns=now, version=1)) for job in jobs]
        for row in rows:
            del row["id"]
        async with self._db.unit_of_work() as session:
            statement = insert(JobRow).returning(*_SELECTED, sort_by_parameter_order=True)
            return [_job(row) for row in await session.execute(statement, rows)]

    async def find(self, ids: Sequence[int]) -> Sequence[Job]:
        jobs: list[Job] = []
        async with self._db.unit_of_work() as session:
            for at in range(0, len(ids), _MAX_IDS):
                query = select(*_SELECTED).where(JobRow.id.in_(ids[at : at + _MAX_IDS]))
                jobs += [_job(row) for row in await session.execute(query)]
        return jobs

    async def in_states(self, states: Sequence[JobState]) -> Sequence[Job]:
        jobs = await self._select(_in(select(*_SELECTED), states).order_by(JobRow.id))
        return sorted(jobs, key=lambda job: job.priority is not Priority.HIGH)

    async def page(
        self, states: Sequence[JobState] | None, limit: int, before_id: int | None
    ) -> Sequence[Job]:
        query = _in(select(*_SELECTED), states)
        if before_id is not None:
            query = query.where(JobRow.id < before_id)
        return await self._select(query.order_by(JobRow.id.desc()).limit(limit))

    async def count(self, states: Sequence[JobState] | None) -> int:
        async with self._db.unit_of_work() as session:
            return await session.scalar(_in(select(func.count(JobRow.id)), states)) or 0

    async def changed(self, since_ns: int, limit: int) -> Sequence[Job]:
        query = select(*_SELECTED).where(JobRow.changed_ns >= since_ns)
        return await self._select(query.order_by(JobRow.changed_ns.desc(), JobRow.id.desc()).limit(limit))

    async def save(self, jobs: Sequence[Job]) -> Sequence[Job]:
        if not jobs:
            return []
        # One statement changes all rows but does not report which ones. The new version number identifies them afterwards.
        version, now = secrets.randbits(31), self._clock.now_ns()
        new = [replace(job, changed_ns=now, version=version) for job in sorted(jobs, key=lambda job: job.id)]
        old_versions = {job.id: job.version for job in jobs}
        table: Any = JobRow.__table__
        change = update(table).where(
            table.c.id == bindparam("a_id"), table.c.version == bindparam("a_version")
        )
        values: dict[str, Any] = {_COLUMNS[name]: bindparam(f"b_{name}") for name in _FIELDS if name != "id"}
        rows = [
            {f"b_{name}": value for name, value in _values(job).items() if name != "id"}
            | {"a_id": job.id, "a_version": old_versions[job.id]}
            for job in new
        ]
        async with self._db.unit_of_work() as session:
            connection = await session.connection()
            await connection.execute(change.values(values), rows)
            saved_ids: set[int] = set()
            for at in range(0, len(new), _MAX_IDS):
                ids = [job.id for job in new[at : at + _MAX_IDS]]
                statement = select(JobRow.id).where(JobRow.id.in_(ids), JobRow.version == version)
                saved_ids.update(await session.scalars(statement))
        return [job for job in new if job.id in saved_ids]

    async def speeds(self) -> Mapping[tuple[SeriesKind, Window], float]:
        query = (
            select(JobRow.kind, JobRow.window, func.sum(JobRow.windows_done), func.sum(JobRow.run_s))
            .where(JobRow.run_s > 0)
            .group_by(JobRow.kind, JobRow.window)
        )
        async with self._db.unit_of_work() as session:
            rows = await session.execute(query)
            return {
                (SeriesKind(kind), Window(window)): float(done) / seconds
                for kind, window, done, seconds in rows
                if done
            }

    async def delete_ended_before(self, before_ns: int) -> int:
        statement = delete(JobRow).where(JobRow.state.in_(ENDED), JobRow.changed_ns < before_ns)
        async with self._db.unit_of_work() as session:
            result: Any = await session.execute(statement)
            return int(result.rowcount)

    async def _select(self, query: Select[Any]) -> Sequence[Job]:
        async with self._db.unit_of_work() as session:
            return [_job(row) for row in await session.execute(query)]


def _in(query: Select[Any], states: Sequence[JobState] | None) -> Select[Any]:
    return query if states is None else query.where(JobRow.state.in_(states))


def _values(job: Job) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in _FIELDS}
    words = {name: str(values[name]) for name in ("kind", "window", "priority", "state")}
    return {**values, **words, "series": json.dumps(job.series, ensure_ascii=False)}


def _job(row: Sequence[Any]) -> Job:
    """Return the job of a row that was read with `_SELECTED`."""
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    values["kind"] = SeriesKind(values["kind"])
    values["window"] = Window(values["window"])
    values["priority"] = Priority(values["priority"])
    values["state"] = JobState(values["state"])
    values["series"] = tuple(json.loads(values["series"]))
    return Job(**values)
