"""Recomputation jobs: creation, control and progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated

import strawberry

from backend.core import jobs
from backend.core.errors import NotFound as Absent
from backend.core.rights import Right
from backend.graphql.arguments import After, is_id, parse_cursor
from backend.graphql.context import Info
from backend.graphql.execution.rules import READS_RANGE, page_cost
from backend.graphql.field import NOT_GIVEN, mutation, query, subscription, value_or_none
from backend.graphql.fields.job_types import (
    BatchId,
    CreateJobsInput,
    CreateJobsResult,
    Job,
    JobBatch,
    JobConnection,
    JobEdge,
    JobId,
    Jobs,
    JobsResult,
    JobState,
    to_job,
    to_plan,
    to_request,
)
from backend.graphql.fields.pages import page_info
from backend.jobs.service import JobService

DEFAULT_PAGE = 100


def _job_id(text: str, path: str) -> int:
    """Return a job id as a number. Raises `NotFound` for anything else."""
    if not is_id(text):
        raise Absent(f"Job {text[:60]!r} does not exist.", path=(path,))
    return int(text)


def _states(states: Sequence[JobState] | None) -> list[jobs.JobState] | None:
    return None if states is None else [jobs.JobState(state.value) for state in states]


def _service(info: Info) -> JobService:
    return info.context.queries.background.jobs


@strawberry.type
class JobQuery:
    @query("Recomputation jobs, newest first.", right=Right.ADMIN, cost=page_cost(DEFAULT_PAGE))
    async def jobs(
        self,
        info: Info,
        states: Annotated[
            list[JobState] | None,
            strawberry.argument(description="Only jobs in these states. Null: all states."),
        ] = NOT_GIVEN,
        first: Annotated[
            int | None, strawberry.argument(description="Maximum number of entries, up to 1000.")
        ] = DEFAULT_PAGE,
        after: After = NOT_GIVEN,
    ) -> JobConnection:
        before = parse_cursor("jobs", value_or_none(after))
        size = DEFAULT_PAGE if first is None else first
        total, page, has_more = await _service(info).page(_states(value_or_none(states)), size, before)
        edges = [JobEdge(cursor=str(job.id), node=to_job(job)) for job in page]
        return JobConnection(
            total_count=total,
            edges=edges,
            page_info=page_info(edges, has_next=has_more, has_previous=before is not None),
        )

    @query("One job by its id; null if it does not exist.", right=Right.ADMIN)
    async def job(self, info: Info, id: JobId) -> Job | None:
        job = await _service(info).find(int(id)) if is_id(id) else None
        return None if job is None else to_job(job)


@strawberry.type
class JobMutation:
    @mutation(
        "Create jobs that recompute continuous queries. A dry run estimates the work and creates nothing.",
        right=Right.ADMIN,
        cost=READS_RANGE,
    )
    async def create_jobs(
        self,
        info: Info,
        input: Annotated[CreateJobsInput, strawberry.argument(description="The series to recompute.")],
        dry_run: Annotated[
            bool, strawberry.argument(description="Estimate the work and create nothing.")
        ] = False,
    ) -> CreateJobsResult:
        service, request = _service(info), to_request(input)
        if not dry_run:
            await info.context.audit_correction("createJobs", str(input))
        plan = await (service.plan(request) if dry_run else service.create(request))
        return to_plan(plan, dry_run)

    @mutation("Cancel a job before its end.", right=Right.ADMIN)
    async def cancel_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "cancel")

    @mutation("Pause a job.", right=Right.ADMIN)
    async def pause_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "pause")

    @mutation("Resume a paused job.", right=Right.ADMIN)
    async def resume_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "resume")

    @mutation("Retry a failed or cancelled job from where it stopped.", right=Right.ADMIN)
    async def retry_job(self, info: Info, id: JobId) -> JobsResult:
        return await _step(info, id, "retry")

    @mutation("Cancel all unfinished jobs of a batch.", right=Right.ADMIN)
    async def cancel_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "cancel")

    @mutation("Pause all running jobs of a batch.", right=Right.ADMIN)
    async def pause_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "pause")

    @mutation("Resume all paused jobs of a batch.", right=Right.ADMIN)
    async def resume_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "resume")

    @mutation("Retry all failed and cancelled jobs of a batch from where they stopped.", right=Right.ADMIN)
    async def retry_jobs(self, info: Info, batch: BatchId) -> JobsResult:
        return await _step_batch(info, batch, "retry")


async def _step(info: Info, job_id: str, step: str) -> Jobs:
    await info.context.audit_correction(f"{step}Job", job_id)
    return Jobs(jobs=[to_job(job) for job in await _service(info).step([_job_id(job_id, "id")], step)])


async def _step_batch(info: Info, batch: str, step: str) -> Jobs:
    await info.context.audit_correction(f"{step}Jobs", batch)
    return Jobs(jobs=[to_job(job) for job in await _service(info).step_batch(batch, step)])


@strawberry.type
class JobSubscription:
    @subscription(
        "Jobs: the unfinished and the newest ones at once, then changes, at most once a second.",
        right=Right.ADMIN,
    )
    async def jobs(self, info: Info) -> AsyncGenerator[JobBatch, None]:
        async with aclosing(_service(info).watch()) as batches:
            async for snapshot, batch in batches:
                yield JobBatch(snapshot=snapshot, jobs=[to_job(job) for job in batch])
