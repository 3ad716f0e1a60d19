"""Types of recomputation jobs, and their conversion from and to the types of `backend.jobs`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from backend.core import bucket, jobs
from backend.core import windows as core_windows
from backend.core.errors import UserError
from backend.graphql.context import Info
from backend.graphql.enums import ApiWindow
from backend.graphql.execution.failures import Conflict, InvalidInput, NotAllowed, NotFound
from backend.graphql.execution.rules import COUNTED_ABOVE, rules
from backend.graphql.field import member, resolver, value_or_none
from backend.graphql.fields.pages import PageInfo
from backend.graphql.scalars import MAX_INT, TimeNs, optional_time
from backend.jobs import selection
from backend.jobs.service import JobPlan as Planned


@strawberry.enum(description="The kind of a rolled-up series.")
class SeriesKind(Enum):
    SENSOR = member("sensor", "One sensor.")
    TYPE = member("type", "All sensors of a type.")
    NODE = member("node", "A node of an energy tree.")


@strawberry.enum(description="The state of a job.")
class JobState(Enum):
    CREATED = member("created", "The job is stored and has not started.")
    RUNNING = member("running", "A slice of its interval is prepared, or being computed.")
    WAITING = member("waiting", "A slice is done, and the next one is not prepared yet.")
    FINISHED = member("finished", "All its windows are recomputed.")
    PAUSED = member("paused", "The job makes no progress until it is resumed.")
    CANCELLED = member(
        "cancelled", "The job was cancelled before its end. Recomputed windows stay recomputed."
    )
    FAILED = member("failed", "Several runs of one slice ended without a result.")


@strawberry.enum(description="The priority of a job.")
class JobPriority(Enum):
    LOW = member("low", "Runs after all jobs of high priority.")
    HIGH = member("high", "Runs before all jobs of low priority.")


@strawberry.enum(description="The nodes of a tree that a node id selects.")
class NodeScope(Enum):
    SELF = member("self", "The node only.")
    BELOW = member("below", "The node and all nodes below it.")
    ABOVE = member("above", "The node and all nodes above it, up to the root.")
    ALL = member("all", "The node, all nodes below it and all nodes above it.")


@strawberry.type(
    description="The recomputation of one continuous query, or of some of its series, over an interval. It proceeds "
    "backwards from the end, in slices of about 5 s of work."
)
class Job:
    id: strawberry.ID = strawberry.field(description="Unique id; newer jobs have larger ids.")
    batch: strawberry.ID = strawberry.field(
        description="Id of the batch. Jobs of one request have one batch and share their slices."
    )
    cq_name: str = strawberry.field(description="Name of the continuous query, such as cq_datacenter_1h.")
    kind: SeriesKind = strawberry.field(description="Kind of the query's series.")
    window: ApiWindow = strawberry.field(description="The window of the query; never RAW or AUTO.")
    series: list[strawberry.ID] = strawberry.field(
        description="The series to recompute: names of sensors or types, or the node's id."
    )
    whole: bool = strawberry.field(description="True if the job recomputes all series of the query.")
    priority: JobPriority = strawberry.field(description="Priority of the job.")
    state: JobState = strawberry.field(description="State of the job.")
    time_interval_start: TimeNs = strawberry.field(
        description="Start of the interval, aligned to the window."
    )
    time_interval_end: TimeNs = strawberry.field(description="End of the interval, not included.")
    done_from: TimeNs = strawberry.field(
        description="Windows from here to the end of the interval are done. This time moves backwards."
    )
    last_run_start: TimeNs | None = strawberry.field(
        description="Start of the prepared slice, or of the last computed one; null before the first."
    )
    last_run_end: TimeNs | None = strawberry.field(description="End of that slice; null before the first.")
    last_execution_seconds: float | None = strawberry.field(
        description="Duration of the last slice in seconds, shared by the jobs of a batch; null before the first."
    )
    progress: float = strawberry.field(description="Share of the windows that are done, 0 to 1.")
    windows: int = strawberry.field(description="Number of windows of all its series in the interval.")
    windows_done: int = strawberry.field(description="Number of windows that are done.")
    windows_per_second: float | None = strawberry.field(
        description="Windows computed per second of work so far; null before the first slice."
    )
    seconds_left: float | None = strawberry.field(
        description="Remaining seconds of work at that speed; null before the first slice."
    )
    attempts: int = strawberry.field(
        description="Failed or unfinished runs of the present slice. The job fails at five."
    )
    last_error: str = strawberry.field(description="The error of the last run; empty if it succeeded.")
    created: TimeNs = strawberry.field(description="Time of creation.")
    changed: TimeNs = strawberry.field(description="Time of the last change of any field.")
    ended: TimeNs | None = strawberry.field(
        description="Time at which it finished, failed or was cancelled; null before that."
    )

    @resolver("Labels of the sensors in `series`, in the same order; names of nodes; types as they are.")
    def series_labels(self, info: Info) -> list[str]:
        return info.context.queries.labels.series(bucket.SeriesKind(self.kind.value), self.series)


@strawberry.type(description="A job in a list, with its cursor.")
class JobEdge:
    cursor: str = strawberry.field(
        description="Cursor of this entry: pass it as `after` to get the entries after it."
    )
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs.")
class JobConnection:
    total_count: int = strawberry.field(description="Number of matching jobs on all pages.")
    edges: list[JobEdge] = strawberry.field(
        description="The jobs of this page.", metadata=rules(cost=COUNTED_ABOVE)
    )
    page_info: PageInfo = strawberry.field(description="Position of this page in the list.")


@strawberry.type(description="Current jobs, or jobs that changed.")
class JobBatch:
    snapshot: bool = strawberry.field(
        description="True for the first batch, which contains all unfinished jobs and the newest others; false for later "
        "batches, which contain changes."
    )
    jobs: list[Job] = strawberry.field(description="The jobs, newest first.")


@strawberry.type(description="The jobs of a request: created, or in a dry run only planned.")
class JobPlan:
    dry_run: bool = strawberry.field(
        description="True if this is a dry run. Its jobs are not created and have no id."
    )
    jobs: list[Job] = strawberry.field(description="One job per continuous query.")
    windows: int = strawberry.field(description="Number of windows of all jobs.")
    seconds: float = strawberry.field(description="Estimated seconds of work.")
    measured: bool = strawberry.field(
        description="True if the estimate is based on earlier jobs of this server; else on typical values."
    )
    from_: TimeNs = strawberry.field(
        name="from",
        description="Start of the interval. Windows that can no longer be recomputed are excluded.",
    )
    to: TimeNs = strawberry.field(
        description="End of the interval. Windows that are not rolled up yet are excluded: they will be."
    )


@strawberry.type(description="The jobs that an operation changed.")
class Jobs:
    jobs: list[Job] = strawberry.field(description="The jobs in their present state.")


@strawberry.input(description="The series to recompute. The selections add up; at least one is required.")
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
        default=NodeScope.SELF, description="The nodes that each of `nodes` selects."
    )
    with_sensors: bool = strawberry.field(
        default=False,
        description="Also recompute the sensors at or below these nodes, from their raw readings.",
    )
    windows: list[ApiWindow] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only these windows. Null: all windows; for `queries`, the window of each query.",
    )
    from_: TimeNs | None = strawberry.field(
        name="from", default=strawberry.UNSET, description="Start, included. Null: the first reading."
    )
    to: TimeNs | None = strawberry.field(
        default=strawberry.UNSET, description="End, not included. Null: the end of the roll-ups."
    )
    priority: JobPriority = strawberry.field(default=JobPriority.LOW, description="Priority of the jobs.")


CreateJobsResult = Annotated[
    JobPlan | InvalidInput | NotFound | NotAllowed,
    strawberry.union("CreateJobsResult", description="The jobs, or the reason for the failure."),
]
JobsResult = Annotated[
    Jobs | InvalidInput | NotFound | NotAllowed | Conflict,
    strawberry.union(
        "JobsResult", description="The jobs in their present state, or the reason for the failure."
    ),
]
JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]
BatchId = Annotated[strawberry.ID, strawberry.argument(description="Id of the batch.")]


def to_job(job: jobs.Job) -> Job:
    return Job(
        id=strawberry.ID(str(job.id)),
        batch=strawberry.ID(job.batch),
        cq_name=job.cq_name,
        kind=SeriesKind(job.kind.value),
        window=ApiWindow(job.window.value),
        series=[strawberry.ID(name) for name in job.series],
        whole=job.whole,
        priority=JobPriority(job.priority.value),
        state=JobState(job.state.value),
        time_interval_start=TimeNs(job.interval_start_ns),
        time_interval_end=TimeNs(job.interval_end_ns),
        done_from=TimeNs(min(job.done_from_ns, job.interval_end_ns)),
        last_run_start=optional_time(job.last_run_start_ns),
        last_run_end=optional_time(job.last_run_end_ns),
        last_execution_seconds=job.last_execution_s,
        progress=job.progress,
        windows=min(job.windows, MAX_INT),
        windows_done=min(job.windows_done, MAX_INT),
        windows_per_second=job.windows_per_s,
        seconds_left=job.remaining_s,
        attempts=job.attempts,
        last_error=job.last_error,
        created=TimeNs(job.created_ns),
        changed=TimeNs(job.changed_ns),
        ended=optional_time(job.ended_ns),
    )


def window_of(window: ApiWindow) -> core_windows.Window:
    """Return the window of a roll-up. Raises `UserError` for RAW and AUTO."""
    try:
        return core_windows.Window(window.value)
    except ValueError:
        raise UserError(
            f"{window.name} is not a window of a roll-up: use S30, M1, H1 or D1.", path=("input", "windows")
        ) from None


def to_request(input: CreateJobsInput) -> selection.JobRequest:
    return selection.JobRequest(
        queries=input.queries or (),
        kinds=[bucket.SeriesKind(kind.value) for kind in input.kinds or ()],
        sensors=input.sensors or (),
        types=input.types or (),
        nodes=input.nodes or (),
        scope=selection.NodeSelection(input.node_scope.value),
        with_sensors=input.with_sensors,
        windows=[window_of(window) for window in input.windows or ()],
        start_ns=value_or_none(input.from_),
        end_ns=value_or_none(input.to),
        priority=jobs.Priority(input.priority.value),
    )


def to_plan(plan: Planned, dry_run: bool) -> JobPlan:
    return JobPlan(
        dry_run=dry_run,
        jobs=[to_job(job) for job in plan.jobs],
        windows=min(plan.windows, MAX_INT),
        seconds=plan.seconds,
        measured=plan.measured,
        from_=TimeNs(plan.start_ns),
        to=TimeNs(plan.end_ns),
    )
