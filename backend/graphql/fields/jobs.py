"""Recomputation jobs: asked for, watched, paused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import Enum
from typing import Annotated

import strawberry

from backend.core import bucket, jobs
from backend.core import windows as core_windows
from backend.core.errors import NotFound as Absent
from backend.core.errors import UserError
from backend.core.rights import Right
from backend.graphql.arguments import is_id, parse_cursor
from backend.graphql.context import Info
from backend.graphql.enums import Window
from backend.graphql.execution.failures import Conflict, InvalidInput, NotAllowed, NotFound
from backend.graphql.execution.rules import COUNTED_ABOVE, READS_RANGE, page_cost, rules
from backend.graphql.field import NOT_GIVEN, member, mutation, query, resolver, subscription, value_or_none
from backend.graphql.fields.sensors import PageInfo
from backend.graphql.scalars import TimeNs
from backend.jobs import selection
from backend.jobs.service import JobPlan as Planned
from backend.jobs.service import JobService

DEFAULT_PAGE = 100
_MOST = 2**31 - 1


@strawberry.enum(description="What a rolled-up series is of.")
class SeriesKind(Enum):
    SENSOR = member("sensor", "One sensor.")
    TYPE = member("type", "All sensors of a type.")
    NODE = member("node", "A node of an energy tree.")


@strawberry.enum(description="Where a job stands.")
class JobState(Enum):
    CREATED = member("created", "It is kept, and has not begun.")
    RUNNING = member("running", "A slice of its interval is prepared, or being computed.")
    WAITING = member("waiting", "A slice is done, and the next one is not prepared yet.")
    FINISHED = member("finished", "All its windows are computed again.")
    PAUSED = member("paused", "It stands still until it is resumed.")
    CANCELLED = member("cancelled", "It was ended before all was done; what was done stays done.")
    FAILED = member("failed", "Several runs of one slice ended without a result.")


@strawberry.enum(description="Which jobs go first.")
class JobPriority(Enum):
    LOW = member("low", "After all jobs of high priority.")
    HIGH = member("high", "Before all jobs of low priority.")


@strawberry.enum(description="Which nodes of a tree a named node stands for.")
class NodeScope(Enum):
    SELF = member("self", "Itself alone.")
    BELOW = member("below", "Itself and all nodes below it.")
    ABOVE = member("above", "Itself and all nodes above it, up to the root.")
    ALL = member("all", "Itself, all nodes below it and all above it.")


@strawberry.type(
    description="One continuous query, or some of its series, to be computed again over an interval: backwards from its end, "
    "in slices of about 5 s of work."
)
class Job:
    id: strawberry.ID = strawberry.field(description="Unique id; later jobs have greater ones.")
    batch: strawberry.ID = strawberry.field(
        description="Jobs that were asked for together have one batch, and share their slices."
    )
    cq_name: str = strawberry.field(description="Name of the continuous query, such as cq_datacenter_1h.")
    kind: SeriesKind = strawberry.field(description="What the query's series are of.")
    window: Window = strawberry.field(description="The window of the query; never RAW or AUTO.")
    series: list[strawberry.ID] = strawberry.field(
        description="The series that are computed: names of sensors or types, or the node's id."
    )
    whole: bool = strawberry.field(description="Whether these are all series of the query.")
    priority: JobPriority = strawberry.field(description="Which jobs go first.")
    state: JobState = strawberry.field(description="Where it stands.")
    time_interval_start: TimeNs = strawberry.field(
        description="Start of the interval, an edge of the window."
    )
    time_interval_end: TimeNs = strawberry.field(description="End of the interval, not included.")
    done_from: TimeNs = strawberry.field(
        description="All windows from here to the end of the interval are done; it goes downwards."
    )
    last_run_start: TimeNs | None = strawberry.field(
        description="Start of the slice that is prepared, or was computed last; null before the first."
    )
    last_run_end: TimeNs | None = strawberry.field(description="End of that slice; null before the first.")
    last_execution_seconds: float | None = strawberry.field(
        description="How long the last slice took, which the jobs of a batch share; null before the first."
    )
    progress: float = strawberry.field(description="Share of the windows that is done, 0 to 1.")
    windows: int = strawberry.field(description="Windows of all its series in the interval.")
    windows_done: int = strawberry.field(description="How many of them are done.")
    windows_per_second: float | None = strawberry.field(
        description="How many windows a second of work has computed so far; null before the first slice."
    )
    seconds_left: float | None = strawberry.field(
        description="Seconds of work that are left at that speed; null before the first slice."
    )
    attempts: int = strawberry.field(
        description="Runs of the present slice that began and have not ended well; at five the job fails."
    )
    last_error: str = strawberry.field(description="Why the last run failed; empty if it did not.")
    created: TimeNs = strawberry.field(description="When it was asked for.")
    changed: TimeNs = strawberry.field(description="When any of this changed last.")
    ended: TimeNs | None = strawberry.field(
        description="When it finished, failed or was cancelled; null before that."
    )

    @resolver(
        "Labels of the sensors or names of the node in `series`, in the same order; of types, the types."
    )
    def series_labels(self, info: Info) -> list[str]:
        return info.context.queries.labels.series(bucket.SeriesKind(self.kind.value), self.series)


@strawberry.type(description="A job in a list, with the cursor to continue behind it.")
class JobEdge:
    cursor: str = strawberry.field(description="Give it as `after` to get what follows.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs.")
class JobConnection:
    total_count: int = strawberry.field(description="How many jobs match, on all pages.")
    edges: list[JobEdge] = strawberry.field(
        description="The jobs of this page.", metadata=rules(cost=COUNTED_ABOVE)
    )
    page_info: PageInfo = strawberry.field(description="Where this page begins and ends.")


@strawberry.type(description="Jobs, all that matter or those that changed.")
class JobBatch:
    snapshot: bool = strawberry.field(
        description="True for the first batch, which has all jobs that have not ended and the newest others; false for what "
        "changed since."
    )
    jobs: list[Job] = strawberry.field(description="The jobs, newest first.")


@strawberry.type(description="What was asked for: jobs that were created or, of a dry run, would be.")
class JobPlan:
    dry_run: bool = strawberry.field(description="Whether nothing was created; the jobs then have no id.")
    jobs: list[Job] = strawberry.field(description="A job for each continuous query.")
    windows: int = strawberry.field(description="Windows of all jobs.")
    seconds: float = strawberry.field(description="About how many seconds of work that is.")
    measured: bool = strawberry.field(
        description="Whether that rests on how long such jobs took here; else on what is usual."
    )
    from_: TimeNs = strawberry.field(
        name="from",
        description="Start of the interval that is computed: what can no longer be computed is left out.",
    )
    to: TimeNs = strawberry.field(
        description="End of the interval: what is not rolled up yet is left out, it will be rolled up anyway."
    )


@strawberry.type(description="Jobs that a step was taken with.")
class Jobs:
    jobs: list[Job] = strawberry.field(description="The jobs as they are now.")


@strawberry.input(
    description="What to compute again. All that is named adds up; at least something must be named."
)
class CreateJobsInput:
    queries: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Names of continuous queries, with all their series."
    )
    kinds: list[SeriesKind] | None = strawberry.field(
        default=strawberry.UNSET, description="All series of these kinds."
    )
    sensors: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Names of sensors."
    )
    types: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Names of sensor types.")
    nodes: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Ids of nodes of either energy tree."
    )
    node_scope: NodeScope = strawberry.field(
        default=NodeScope.SELF, description="Which nodes each of `nodes` stands for."
    )
    with_sensors: bool = strawberry.field(
        default=False, description="Also the sensors at or below these nodes, from their raw readings."
    )
    windows: list[Window] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only these windows; null is all of them. Of `queries` their own ones.",
    )
    from_: TimeNs | None = strawberry.field(
        name="from", default=strawberry.UNSET, description="Start, included; null is the first reading."
    )
    to: TimeNs | None = strawberry.field(
        default=strawberry.UNSET, description="End, not included; null is up to what is rolled up."
    )
    priority: JobPriority = strawberry.field(default=JobPriority.LOW, description="Which jobs go first.")


CreateJobsResult = Annotated[
    JobPlan | InvalidInput | NotFound | NotAllowed,
    strawberry.union("CreateJobsResult", description="The jobs, or why there are none."),
]
JobsResult = Annotated[
    Jobs | InvalidInput | NotFound | NotAllowed | Conflict,
    strawberry.union("JobsResult", description="The jobs as they are now, or why nothing was done."),
]
JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]
BatchId = Annotated[strawberry.ID, strawberry.argument(description="The batch of the jobs.")]


def to_job(job: jobs.Job) -> Job:
    return Job(
        id=strawberry.ID(str(job.id)),
        batch=strawberry.ID(job.batch),
        cq_name=job.cq_name,
        kind=SeriesKind(job.kind.value),
        window=Window(job.window.value),
        series=[strawberry.ID(name) for name in job.series],
        whole=job.whole,
        priority=JobPriority(job.priority.value),
        state=JobState(job.state.value),
        time_interval_start=TimeNs(job.interval_start_ns),
        time_interval_end=TimeNs(job.interval_end_ns),
        done_from=TimeNs(min(job.done_from_ns, job.interval_end_ns)),
        last_run_start=_time(job.last_run_start_ns),
        last_run_end=_time(job.last_run_end_ns),
        last_execution_seconds=job.last_execution_s,
        progress=job.progress,
        windows=min(job.windows, _MOST),
        windows_done=min(job.windows_done, _MOST),
        windows_per_second=job.windows_per_s,
        seconds_left=job.remaining_s,
        attempts=job.attempts,
        last_error=job.last_error,
        created=TimeNs(job.created_ns),
        changed=TimeNs(job.changed_ns),
        ended=_time(job.ended_ns),
    )


def _time(time_ns: int | None) -> TimeNs | None:
    return None if time_ns is None else TimeNs(time_ns)


def _number(text: str, path: str) -> int:
    if not is_id(text):
        raise Absent(f"There is no job {text[:60]!r}.", path=(path,))
    return int(text)


def window_of(window: Window) -> core_windows.Window:
    """The window of a roll-up. Raises `UserError` for RAW and AUTO."""
    try:
        return core_windows.Window(window.value)
    except ValueError:
        raise UserError(f"{window.name} is no window of a roll-up.", path=("input", "windows")) from None


def _request(asked: CreateJobsInput) -> selection.JobRequest:
    return selection.JobRequest(
        queries=asked.queries or (),
        kinds=[bucket.SeriesKind(kind.value) for kind in asked.kinds or ()],
        sensors=asked.sensors or (),
        types=asked.types or (),
        nodes=asked.nodes or (),
        scope=selection.Scope(asked.node_scope.value),
        with_sensors=asked.with_sensors,
        windows=[window_of(window) for window in asked.windows or ()],
        start_ns=value_or_none(asked.from_),
        end_ns=value_or_none(asked.to),
        priority=jobs.Priority(asked.priority.value),
    )


def _plan(plan: Planned, dry_run: bool) -> JobPlan:
    return JobPlan(
        dry_run=dry_run,
        jobs=[to_job(job) for job in plan.jobs],
        windows=min(plan.windows, _MOST),
        seconds=plan.seconds,
        measured=plan.measured,
        from_=TimeNs(plan.start_ns),
        to=TimeNs(plan.end_ns),
    )


def _states(states: Sequence[JobState] | None) -> list[jobs.JobState] | None:
    return None if states is None else [jobs.JobState(state.value) for state in states]


def _service(info: Info) -> JobService:
    return info.context.queries.work.jobs


@strawberry.type
class JobQuery:
    @query("Recomputation jobs, newest first.", right=Right.ADMIN, cost=page_cost(DEFAULT_PAGE))
    async def jobs(
        self,
        info: Info,
        states: Annotated[
            list[JobState] | None, strawberry.argument(description="Only jobs in these states; null is any.")
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="How many to answer, at most 1000.")
        ] = DEFAULT_PAGE,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor: answer what follows it.")
        ] = NOT_GIVEN,
    ) -> JobConnection:
        before = parse_cursor("jobs", value_or_none(after))
        size = DEFAULT_PAGE if first is None else first
        total, found, more = await _service(info).page(_states(value_or_none(states)), size, before)
        edges = [JobEdge(cursor=str(job.id), node=to_job(job)) for job in found]
        return JobConnection(
            total_count=total,
            edges=edges,
            page_info=PageInfo(
                has_next_page=more,
                has_previous_page=before is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )

    @query("One job by its id; null if there is none.", right=Right.ADMIN)
    async def job(self, info: Info, id: JobId) -> Job | None:
        found = await _service(info).find(int(id)) if is_id(id) else None
        return None if found is None else to_job(found)


@strawberry.type
class JobMutation:
    @mutation(
        "Ask for continuous queries to be computed again. A dry run tells what that would be, and creates nothing.",
        right=Right.ADMIN,
        cost=READS_RANGE,
    )
    async def create_jobs(
        self,
        info: Info,
        input: Annotated[CreateJobsInput, strawberry.argument(description="What to compute again.")],
        dry_run: Annotated[bool, strawberry.argument(description="Only tell what would be created.")] = False,
    ) -> CreateJobsResult:
        service, request = _service(info), _request(input)
        if not dry_run:
            await info.context.audit_correction("createJobs", str(input))
        plan = await (service.plan(request) if dry_run else service.create(request))
        return _plan(plan, dry_run)

    @mutation("End a job before all is done.", right=Right.ADMIN)
    async def cancel_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "cancel")

    @mutation("Let a job stand still.", right=Right.ADMIN)
    async def pause_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "pause")

    @mutation("Let a paused job go on.", right=Right.ADMIN)
    async def resume_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "resume")

    @mutation("Let a job that failed or was cancelled go on where it was.", right=Right.ADMIN)
    async def retry_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "retry")

    @mutation("End all jobs of a batch that have not ended.", right=Right.ADMIN)
    async def cancel_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "cancel")

    @mutation("Let all jobs of a batch that go on stand still.", right=Right.ADMIN)
    async def pause_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "pause")

    @mutation("Let all paused jobs of a batch go on.", right=Right.ADMIN)
    async def resume_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "resume")

    @mutation(
        "Let all jobs of a batch that failed or were cancelled go on where they were.", right=Right.ADMIN
    )
    async def retry_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "retry")


async def _step(info: Info, job_id: str, step: str) -> Jobs:
    await info.context.audit_correction(f"{step}Job", job_id)
    return Jobs(jobs=[to_job(job) for job in await _service(info).step([_number(job_id, "id")], step)])


async def _step_batch(info: Info, batch: str, step: str) -> Jobs:
    await info.context.audit_correction(f"{step}Jobs", batch)
    return Jobs(jobs=[to_job(job) for job in await _service(info).step_batch(batch, step)])


@strawberry.type
class JobSubscription:
    @subscription(
        "Jobs: all that matter at once, then those that change, at most once a second.", right=Right.ADMIN
    )
    async def jobs(self, info: Info) -> AsyncGenerator[JobBatch, None]:
        async with aclosing(_service(info).watch()) as batches:
            async for snapshot, found in batches:
                yield JobBatch(snapshot=snapshot, jobs=[to_job(job) for job in found])
