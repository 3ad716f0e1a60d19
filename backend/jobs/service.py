"""The jobs API: plan, create, pause, cancel and watch jobs. It computes nothing itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import Conflict, NotFound, TransientError, UserError
from backend.core.jobs import ACTIVE, ENDED, TRANSITIONS, Job, JobRepository, JobState, apply_step
from backend.core.ports import RollupState, TimeSeriesStore
from backend.core.tasks import TaskQueue
from backend.core.tree import Tree
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.jobs.selection import JobRequest, SelectedQuery, select_queries
from backend.jobs.slicing import count_windows
from backend.rollups.definitions import Definitions

SERIES_DAYS_PER_S: Final[Mapping[SeriesKind, float]] = {
    SeriesKind.SENSOR: 400.0,
    SeriesKind.TYPE: 20.0,
    SeriesKind.NODE: 2_000.0,
}
"""Days of series computed per second, measured on an embedded store; used until a job with such windows has run."""

MAX_JOBS: Final = 5_000
"""Maximum jobs of one request."""
MAX_PAGE: Final = 1_000
RECENT_JOBS: Final = 200
"""Recent jobs that a subscription starts with, in addition to all active ones."""
POLL_S: Final = 1.0
_SKEW_NS: Final = 60 * NS_PER_SECOND
"""Maximum difference between the clocks of two machines."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """Jobs as they would be created. `measured` states whether `seconds` is based on earlier jobs."""

    jobs: Sequence[Job]
    windows: int
    seconds: float
    measured: bool
    start_ns: int
    end_ns: int


class JobService:
    """Raises `TransientError` if database or store cannot be reached."""

    def __init__(
        self,
        jobs: JobRepository,
        store: TimeSeriesStore,
        state: RollupState,
        definitions: Definitions,
        trees: Iterable[Tree],
        clock: Clock,
        queue: TaskQueue,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._state = state
        self._defs = definitions
        self._trees = tuple(trees)
        self._clock = clock
        self._queue = queue

    async def plan(self, request: JobRequest) -> JobPlan:
        """Return the jobs that `create` would create.

        Raise `NotFound` for an unknown name, `UserError` for an interval without roll-ups or for too many jobs.
        """
        if request.start_ns is not None and request.end_ns is not None and request.start_ns >= request.end_ns:
            raise UserError("The interval ends before it begins.", path=("input", "from"))
        selected = select_queries(request, self._defs, self._trees)
        if len(selected) > MAX_JOBS:
            raise UserError(
                f"The request needs {len(selected)} jobs, more than the limit of {MAX_JOBS}: name fewer windows or nodes.",
                path=("input",),
            )
        spans = await self._spans(request)
        now, batch = self._clock.now_ns(), secrets.token_hex(8)
        drafts = [self._draft(query, request, spans[query.query.window], batch, now) for query in selected]
        jobs = [job for job in drafts if job.windows]
        if not jobs:
            raise UserError(
                "No roll-ups to recompute in this interval: none exist, or their source data was deleted.",
                path=("input", "from"),
            )
        top = max(job.interval_end_ns for job in jobs)
        jobs = [replace(job, done_from_ns=top) for job in jobs]
        seconds, measured = await self._estimate(jobs)
        return JobPlan(
            jobs, sum(j.windows for j in jobs), seconds, measured, min(j.interval_start_ns for j in jobs), top
        )

    async def create(self, request: JobRequest) -> JobPlan:
        """Create the jobs of a plan; they start within seconds."""
        plan = await self.plan(request)
        saved = await self._jobs.add(plan.jobs)
        await self._request_run()
        return replace(plan, jobs=saved)

    async def step(self, ids: Sequence[int], step: str) -> Sequence[Job]:
        """Pause, resume, cancel or retry jobs, all or none.

        Raises `NotFound`, or `Conflict` for a job in another state.
        """
        for _ in range(5):
            jobs = {job.id: job for job in await self._jobs.find(ids)}
            missing = [job_id for job_id in ids if job_id not in jobs]
            if missing:
                raise NotFound(f"There is no job {missing[0]}.", path=("id",))
            now = self._clock.now_ns()
            stepped = [apply_step(jobs[job_id], step) for job_id in ids]
            stepped = [replace(job, ended_ns=now) if job.state in ENDED else job for job in stepped]
            saved = await self._jobs.save(stepped)
            if len(saved) == len(stepped):
                if step in ("resume", "retry"):
                    await self._request_run()
                return saved
            ids = [job_id for job_id in ids if job_id not in {job.id for job in saved}]
        raise Conflict("The job is changing; try again.", path=("id",))

    async def step_batch(self, batch: str, step: str) -> Sequence[Job]:
        """Do the same for those jobs of a batch whose state allows it."""
        candidates = await self._jobs.in_states(tuple(TRANSITIONS[step]))
        jobs = [job for job in candidates if job.batch == batch]
        if not jobs:
            raise NotFound(f"No job of batch {batch!r} is in a state to {step}.", path=("batch",))
        return await self.step([job.id for job in jobs], step)

    async def find(self, job_id: int) -> Job | None:
        return next(iter(await self._jobs.find([job_id])), None)

    async def count(self, state: JobState) -> int:
        return await self._jobs.count((state,))

    async def page(
        self, states: Sequence[JobState] | None, first: int, before_id: int | None
    ) -> tuple[int, Sequence[Job], bool]:
        """Return the number of matches, one page of them, newest first, and whether more follow. Raise `UserError`."""
        if not 1 <= first <= MAX_PAGE:
            raise UserError(f"jobs(first: {first}): expected 1 to {MAX_PAGE}.")
        jobs = await self._jobs.page(states, first + 1, before_id)
        return await self._jobs.count(states), jobs[:first], len(jobs) > first

    async def watch(self) -> AsyncGenerator[tuple[bool, Sequence[Job]], None]:
        """Yield (True, all active jobs and recent ones), then (False, changed jobs), at most once per second."""
        since = self._clock.now_ns() - _SKEW_NS
        active = {job.id: job for job in await self._jobs.in_states((*ACTIVE, JobState.PAUSED))}
        jobs_by_id = {job.id: job for job in await self._jobs.changed(0, RECENT_JOBS)} | active
        yield True, sorted(jobs_by_id.values(), key=lambda job: -job.id)
        versions = {job.id: job.version for job in jobs_by_id.values()}
        while True:
            await asyncio.sleep(POLL_S)
            now = self._clock.now_ns()
            try:
                changed = await self._jobs.changed(since, MAX_JOBS)
            except TransientError:
                continue
            since = now - _SKEW_NS
            new = [job for job in changed if versions.get(job.id) != job.version]
            versions |= {job.id: job.version for job in new}
            if new:
                yield False, sorted(new, key=lambda job: -job.id)

    async def _request_run(self) -> None:
        try:
            await self._queue.request_run("run_job")
        except TransientError:
            return  # the next scheduled run finds them

    async def _spans(self, request: JobRequest) -> Mapping[Window, tuple[int, int]]:
        """Return the part of the interval that can be recomputed, by window; an empty one is (0, 0)."""
        first = await self._store.first_time() if request.start_ns is None else request.start_ns
        retained = {length: await self._state.retained_from(length) or 0 for length in (None, *WINDOWS)}
        spans = {}
        for window in WINDOWS:
            watermark = await self._state.watermark(window) or 0
            end = watermark if request.end_ns is None else min(window.ceil(request.end_ns), watermark)
            oldest = max(retained[window], retained[Window.S30])
            start = end if first is None else max(window.floor(first), window.ceil(oldest))
            spans[window] = (start, end) if start < end else (0, 0)
        return spans

    def _draft(
        self, selected: SelectedQuery, request: JobRequest, span: tuple[int, int], batch: str, now: int
    ) -> Job:
        query = selected.query
        job = Job(
            id=0,
            batch=batch,
            cq_name=query.name,
            kind=query.kind,
            window=query.window,
            series=selected.series,
            whole=selected.whole,
            priority=request.priority,
            state=JobState.CREATED,
            interval_start_ns=span[0],
            interval_end_ns=span[1],
            done_from_ns=span[1],
            windows=0,
            created_ns=now,
            changed_ns=now,
        )
        return replace(job, windows=count_windows(job, *span))

    async def _estimate(self, jobs: Sequence[Job]) -> tuple[float, bool]:
        speeds = await self._jobs.speeds()
        seconds = 0.0
        for job in jobs:
            speed = speeds.get((job.kind, job.window))
            days = job.windows * job.window.ns / Window.D1.ns
            seconds += job.windows / speed if speed else days / SERIES_DAYS_PER_S[job.kind]
        return seconds, all((job.kind, job.window) in speeds for job in jobs)
