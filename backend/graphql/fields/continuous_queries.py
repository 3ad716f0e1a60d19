"""The health of continuous queries and periodic tasks, and their repair."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

import strawberry

from backend.core import bucket
from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow
from backend.graphql.execution.failures import InvalidInput, NotAllowed, NotFound
from backend.graphql.execution.rules import READS_RANGE
from backend.graphql.field import NOT_GIVEN, member, mutation, query, resolver, value_or_none
from backend.graphql.fields.job_types import Job, SeriesKind, to_job
from backend.graphql.scalars import MAX_INT, TimeNs
from backend.jobs import diagnostic
from backend.jobs.background_services import TaskHealth
from backend.jobs.repair import RepairResult


@strawberry.enum(description="A fault of a continuous query.")
class QueryFault(Enum):
    LATE = member("late", "Windows that ended more than a minute ago are not rolled up.")
    MISSING = member("missing", "Series of the site description have readings but no roll-ups.")
    UNKNOWN = member("unknown", "There are roll-ups of series that are not in the site description.")
    WRONG = member("wrong", "There are roll-ups of a definition other than that of the site description.")
    DIRTY = member("dirty", "Readings arrived late, and their windows are not recomputed yet.")


@strawberry.type(
    description="A continuous query: one window of all sensors, of all types, or of a tree node."
)
class ContinuousQuery:
    name: strawberry.ID = strawberry.field(
        description="Name, such as measurement_downsample_1m or cq_datacenter_1h."
    )
    kind: SeriesKind = strawberry.field(description="Kind of its series.")
    window: ApiWindow = strawberry.field(description="Its window; never RAW or AUTO.")
    expected: bool = strawberry.field(
        description="True if the site description contains it. Roll-ups can exist without it."
    )
    series: int = strawberry.field(description="Number of its series.")
    faults: list[QueryFault] = strawberry.field(description="Its faults; empty if there are none.")
    rolled_up_to: TimeNs | None = strawberry.field(
        description="Its watermark: the end of the newest window that is rolled up; null before the first."
    )
    lag_seconds: float | None = strawberry.field(
        description="Seconds from the watermark to now. A lag of up to one window is normal."
    )
    missing: list[strawberry.ID] = strawberry.field(description="Its series that are MISSING.")
    unknown: list[strawberry.ID] = strawberry.field(description="Series that are UNKNOWN.")
    wrong: list[strawberry.ID] = strawberry.field(description="Its series that are WRONG.")
    dirty_windows: int = strawberry.field(
        description="Number of windows to recompute after late readings. At most 10000 spans are counted."
    )
    last_execution_seconds: float | None = strawberry.field(
        description="Duration in seconds of the last run of the roll-up task; null before the first."
    )
    last_error: str = strawberry.field(description="The error of that run; empty if it succeeded.")

    @resolver("Labels of the series in `missing`, in the same order.")
    def missing_labels(self, info: Info) -> list[str]:
        return _labels(info, self.kind, self.missing)

    @resolver("Labels of the series in `wrong`, in the same order.")
    def wrong_labels(self, info: Info) -> list[str]:
        return _labels(info, self.kind, self.wrong)


def _labels(info: Info, kind: SeriesKind, names: Sequence[str]) -> list[str]:
    return info.context.queries.labels.series(bucket.SeriesKind(kind.value), names)


@strawberry.type(description="The repair of one continuous query.")
class MendedQuery:
    name: strawberry.ID = strawberry.field(description="Name of the query.")
    faults: list[QueryFault] = strawberry.field(description="Faults that were repaired.")
    actions: list[str] = strawberry.field(description="Repair steps, as sentences.")
    jobs: list[Job] = strawberry.field(description="Jobs that were created for the repair.")


@strawberry.type(description="The repair of continuous queries.")
class MendedQueries:
    queries: list[MendedQuery] = strawberry.field(description="One entry per requested query.")


MendResult = Annotated[
    MendedQueries | InvalidInput | NotFound | NotAllowed,
    strawberry.union("MendResult", description="The repairs, or the reason for the failure."),
]


@strawberry.type(description="A task that runs periodically, in any process.")
class PeriodicTask:
    name: strawberry.ID = strawberry.field(description="Name of the task.")
    period_seconds: float = strawberry.field(description="Seconds between two starts.")
    late: bool = strawberry.field(
        description="True if the task is overdue: no success for five periods and for a minute."
    )
    runs: int = strawberry.field(description="Number of completed runs in all processes.")
    failures: int = strawberry.field(description="Number of failed runs.")
    failures_in_a_row: int = strawberry.field(description="Number of failed runs since the last success.")
    last_start: TimeNs | None = strawberry.field(
        description="Start of the last completed run; null before the first."
    )
    last_success: TimeNs | None = strawberry.field(
        description="Start of the last successful run; null before the first."
    )
    last_execution_seconds: float | None = strawberry.field(
        description="Duration of the last run in seconds; null before the first."
    )
    last_error: str = strawberry.field(description="The error of the last run; empty if it succeeded.")


def _query(health: diagnostic.RollupHealth) -> ContinuousQuery:
    return ContinuousQuery(
        name=strawberry.ID(health.query.name),
        kind=SeriesKind(health.query.kind.value),
        window=ApiWindow(health.query.window.value),
        expected=health.expected,
        series=len(health.query.series),
        faults=[QueryFault(fault.value) for fault in health.faults],
        rolled_up_to=None if health.watermark_ns is None else TimeNs(health.watermark_ns),
        lag_seconds=health.lag_s,
        missing=[strawberry.ID(name) for name in health.missing],
        unknown=[strawberry.ID(name) for name in health.unknown],
        wrong=[strawberry.ID(name) for name in health.wrong],
        dirty_windows=min(health.dirty_windows, MAX_INT),
        last_execution_seconds=health.last_s,
        last_error=health.last_error,
    )


def _repaired(repair: RepairResult) -> MendedQuery:
    return MendedQuery(
        name=strawberry.ID(repair.name),
        faults=[QueryFault(fault.value) for fault in repair.faults],
        actions=list(repair.actions),
        jobs=[to_job(job) for job in repair.jobs],
    )


def _task(task: TaskHealth) -> PeriodicTask:
    record = task.record
    times = (None, None) if record is None else (record.started_ns, record.succeeded_ns)
    started, succeeded = (None if time is None else TimeNs(time) for time in times)
    return PeriodicTask(
        name=strawberry.ID(task.name),
        period_seconds=task.period_s,
        late=task.late,
        runs=min(record.timing.count, MAX_INT) if record else 0,
        failures=min(record.failures, MAX_INT) if record else 0,
        failures_in_a_row=min(record.failures_in_a_row, MAX_INT) if record else 0,
        last_start=started,
        last_success=succeeded,
        last_execution_seconds=record.last_s if record else None,
        last_error=record.last_error if record else "",
    )


@strawberry.type
class ContinuousQueryQuery:
    @query(
        "The health of the continuous queries: those of the site description first, then other roll-ups.",
        right=Right.ADMIN,
        cost=READS_RANGE,
    )
    async def continuous_queries(
        self,
        info: Info,
        faulty: Annotated[bool, strawberry.argument(description="Only queries with faults.")] = False,
        search: Annotated[
            str | None, strawberry.argument(description="Only queries whose name contains this text.")
        ] = NOT_GIVEN,
    ) -> list[ContinuousQuery]:
        text = value_or_none(search) or ""
        return [
            _query(health)
            for health in await info.context.queries.background.diagnostic.read()
            if text in health.query.name and (health.faults or not faulty)
        ]

    @query("The health of the periodic tasks, by name.", right=Right.ADMIN)
    async def periodic_tasks(self, info: Info) -> list[PeriodicTask]:
        return [_task(task) for task in await info.context.queries.background.tasks.all()]


@strawberry.type
class ContinuousQueryMutation:
    @mutation(
        "Repair continuous queries. LATE: start the roll-up task. DIRTY: start the healing task. MISSING and "
        "WRONG: create jobs of high priority that recompute those series, as far as readings are kept, and "
        "start the healing of those whose definition changed. UNKNOWN: delete those roll-ups permanently.",
        right=Right.ADMIN,
        cost=READS_RANGE,
    )
    async def mend_continuous_queries(
        self,
        info: Info,
        names: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="Names of the queries, as `continuousQueries` returns them."),
        ],
        faults: Annotated[
            list[QueryFault] | None,
            strawberry.argument(description="Only these faults. Null: all faults of each query."),
        ] = NOT_GIVEN,
    ) -> MendResult:
        only = value_or_none(faults)
        only_faults = None if only is None else [diagnostic.RollupFault(fault.value) for fault in only]
        await info.context.audit_correction("mendContinuousQueries", ", ".join(names))
        repairs = await info.context.queries.background.repair.repair(names, only_faults)
        return MendedQueries(queries=[_repaired(repair) for repair in repairs])
