"""How the continuous queries and the periodic tasks fare, and what mends them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

import strawberry

from backend.core import bucket
from backend.core.rights import Right
from backend.graphql.context import Info
from backend.graphql.enums import Window
from backend.graphql.execution.failures import InvalidInput, NotAllowed, NotFound
from backend.graphql.execution.rules import READS_RANGE
from backend.graphql.field import NOT_GIVEN, given, member, mutation, query, resolver
from backend.graphql.fields.jobs import Job, SeriesKind, to_job
from backend.graphql.scalars import TimeNs
from backend.jobs import diagnostic
from backend.jobs.repair import RepairResult
from backend.jobs.work import TaskHealth

_MOST = 2**31 - 1


@strawberry.enum(description="What may be wrong with a continuous query.")
class QueryFault(Enum):
    LATE = member("late", "Windows are over for more than a minute and are not rolled up.")
    MISSING = member("missing", "Series that are described and have readings have no roll-up at all.")
    UNKNOWN = member("unknown", "Roll-ups are kept of series that are not described (any more).")
    WRONG = member("wrong", "Kept roll-ups are of another definition than the one described.")
    DIRTY = member("dirty", "Readings came late, and their windows are not computed again yet.")


@strawberry.type(
    description="A continuous query: one window of all sensors, of all types, or of a tree node."
)
class ContinuousQuery:
    name: strawberry.ID = strawberry.field(
        description="Name, such as measurement_downsample_1m or cq_datacenter_1h."
    )
    kind: SeriesKind = strawberry.field(description="What its series are of.")
    window: Window = strawberry.field(description="Its window; never RAW or AUTO.")
    expected: bool = strawberry.field(
        description="Whether it is described; one that is not has roll-ups all the same."
    )
    series: int = strawberry.field(description="How many series it has.")
    faults: list[QueryFault] = strawberry.field(description="What is wrong with it; empty when all is well.")
    rolled_up_to: TimeNs | None = strawberry.field(
        description="End of its newest window that is rolled up; null before the first."
    )
    lag_seconds: float | None = strawberry.field(
        description="Seconds from there to now. Up to the length of a window is as it must be."
    )
    missing: list[strawberry.ID] = strawberry.field(description="Its series that are MISSING.")
    unknown: list[strawberry.ID] = strawberry.field(description="Series beside it that are UNKNOWN.")
    wrong: list[strawberry.ID] = strawberry.field(description="Its series that are WRONG.")
    dirty_windows: int = strawberry.field(
        description="Windows that wait to be computed again after late readings; at most 10000 spans are looked at."
    )
    last_execution_seconds: float | None = strawberry.field(
        description="How long the last run took of the task that rolls up; null before the first."
    )
    last_error: str = strawberry.field(description="Why that run failed; empty if it did not.")

    @resolver("Labels of the series in `missing`, in the same order.")
    def missing_labels(self, info: Info) -> list[str]:
        return _labels(info, self.kind, self.missing)

    @resolver("Labels of the series in `wrong`, in the same order.")
    def wrong_labels(self, info: Info) -> list[str]:
        return _labels(info, self.kind, self.wrong)


def _labels(info: Info, kind: SeriesKind, names: Sequence[str]) -> list[str]:
    return info.context.queries.labels.series(bucket.SeriesKind(kind.value), names)


@strawberry.type(description="What was done about a continuous query.")
class MendedQuery:
    name: strawberry.ID = strawberry.field(description="Name of the query.")
    faults: list[QueryFault] = strawberry.field(description="The faults that something was done about.")
    actions: list[str] = strawberry.field(description="What was done, as sentences.")
    jobs: list[Job] = strawberry.field(description="Jobs that were created for it.")


@strawberry.type(description="What was done about continuous queries.")
class MendedQueries:
    queries: list[MendedQuery] = strawberry.field(description="An entry for each named query.")


MendResult = Annotated[
    MendedQueries | InvalidInput | NotFound | NotAllowed,
    strawberry.union("MendResult", description="What was done, or why nothing was."),
]


@strawberry.type(description="A task that runs again and again, in whatever process.")
class PeriodicTask:
    name: strawberry.ID = strawberry.field(description="Name of the task.")
    period_seconds: float = strawberry.field(description="Seconds from one start to the next.")
    late: bool = strawberry.field(
        description="Whether it has not succeeded for five periods, and for a minute."
    )
    runs: int = strawberry.field(description="Runs that have ended, of all processes.")
    failures: int = strawberry.field(description="Runs that failed.")
    failures_in_a_row: int = strawberry.field(description="Runs that failed since one succeeded.")
    last_start: TimeNs | None = strawberry.field(
        description="Start of the last run that ended; null before that."
    )
    last_success: TimeNs | None = strawberry.field(
        description="Start of the last run that succeeded; null before that."
    )
    last_execution_seconds: float | None = strawberry.field(
        description="How long the last run took; null before the first."
    )
    last_error: str = strawberry.field(description="Why the last run failed; empty if it did not.")


def _query(health: diagnostic.QueryHealth) -> ContinuousQuery:
    return ContinuousQuery(
        name=strawberry.ID(health.query.name),
        kind=SeriesKind(health.query.kind.value),
        window=Window(health.query.window.value),
        expected=health.expected,
        series=len(health.query.series),
        faults=[QueryFault(fault.value) for fault in health.faults],
        rolled_up_to=None if health.watermark_ns is None else TimeNs(health.watermark_ns),
        lag_seconds=health.lag_s,
        missing=[strawberry.ID(name) for name in health.missing],
        unknown=[strawberry.ID(name) for name in health.unknown],
        wrong=[strawberry.ID(name) for name in health.wrong],
        dirty_windows=min(health.dirty_windows, _MOST),
        last_execution_seconds=health.last_s,
        last_error=health.last_error,
    )


def _mended(mended: RepairResult) -> MendedQuery:
    return MendedQuery(
        name=strawberry.ID(mended.name),
        faults=[QueryFault(fault.value) for fault in mended.faults],
        actions=list(mended.actions),
        jobs=[to_job(job) for job in mended.jobs],
    )


def _task(task: TaskHealth) -> PeriodicTask:
    record = task.record
    times = (None, None) if record is None else (record.started_ns, record.succeeded_ns)
    started, succeeded = (None if time is None else TimeNs(time) for time in times)
    return PeriodicTask(
        name=strawberry.ID(task.name),
        period_seconds=task.period_s,
        late=task.late,
        runs=min(record.timing.count, _MOST) if record else 0,
        failures=min(record.failures, _MOST) if record else 0,
        failures_in_a_row=min(record.failures_in_a_row, _MOST) if record else 0,
        last_start=started,
        last_success=succeeded,
        last_execution_seconds=record.last_s if record else None,
        last_error=record.last_error if record else "",
    )


@strawberry.type
class ContinuousQueryQuery:
    @query(
        "How the continuous queries fare: those that are described, then what is kept beside them.",
        right=Right.ADMIN,
        cost=READS_RANGE,
    )
    async def continuous_queries(
        self,
        info: Info,
        faulty: Annotated[
            bool, strawberry.argument(description="Only those that something is wrong with.")
        ] = False,
        search: Annotated[
            str | None, strawberry.argument(description="Only those whose name holds this text.")
        ] = NOT_GIVEN,
    ) -> list[ContinuousQuery]:
        text = given(search) or ""
        return [
            _query(health)
            for health in await info.context.queries.work.diagnostic.read()
            if text in health.query.name and (health.faults or not faulty)
        ]

    @query("How the periodic tasks fare, by name.", right=Right.ADMIN)
    async def periodic_tasks(self, info: Info) -> list[PeriodicTask]:
        return [_task(task) for task in await info.context.queries.work.tasks.all()]


@strawberry.type
class ContinuousQueryMutation:
    @mutation(
        "Mend continuous queries. LATE: rolling up is asked for; DIRTY: healing is; MISSING and WRONG: jobs of high priority "
        "compute those series again, as far as their readings are kept, and healing those whose description changed; "
        "UNKNOWN: those roll-ups are deleted for good.",
        right=Right.ADMIN,
        cost=READS_RANGE,
    )
    async def mend_continuous_queries(
        self,
        info: Info,
        names: Annotated[
            list[strawberry.ID], strawberry.argument(description="Names of the queries, as they are listed.")
        ],
        faults: Annotated[
            list[QueryFault] | None,
            strawberry.argument(description="Only these faults; null is all that a query has."),
        ] = NOT_GIVEN,
    ) -> MendResult:
        only = given(faults)
        chosen = None if only is None else [diagnostic.QueryFault(fault.value) for fault in only]
        await info.context.correcting("mendContinuousQueries", ", ".join(names))
        mended = await info.context.queries.work.repair.repair(names, chosen)
        return MendedQueries(queries=[_mended(one) for one in mended])
