"""Jobs as people see them: planned, asked for, paused, cancelled, watched. Computes nothing itself."""

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
from backend.jobs.selection import Chosen, JobRequest, choose
from backend.jobs.slicing import windows_in
from backend.rollups.definitions import Definitions

SERIES_DAYS_PER_S: Final[Mapping[SeriesKind, float]] = {
    SeriesKind.SENSOR: 400.0,
    SeriesKind.TYPE: 20.0,
    SeriesKind.NODE: 2_000.0,
}
"""Days of series computed a second where no job of such windows ever ran: what an embedded store does."""

MAX_JOBS: Final = 5_000
"""In one request."""
MAX_PAGE: Final = 1_000
SHOWN: Final = 200
"""Jobs that a subscription begins with, beside all that are active."""
LEAST_SECONDS: Final = 1.0
_SKEW_NS: Final = 60 * NS_PER_SECOND
"""How far the clocks of two machines may be apart."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """Jobs as they would be created. `measured` says whether `seconds` rests on jobs that ran before."""

    jobs: Sequence[Job]
    windows: int
    seconds: float
    measured: bool
    start_ns: int
    end_ns: int


class JobService:
    """Raises `TransientError` where database or store cannot be reached."""

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
        """What creating the jobs would create. Raises `NotFound` for a name that is not there, `UserError` for an interval in
        which nothing is rolled up or a request without end."""
        if request.start_ns is not None and request.end_ns is not None and request.start_ns >= request.end_ns:
            raise UserError("The interval ends before it begins.", path=("input", "from"))
        chosen = choose(request, self._defs, self._trees)
        if len(chosen) > MAX_JOBS:
            raise UserError(
                f"That is {len(chosen)} jobs; {MAX_JOBS} are the most of one request: name fewer windows or nodes.",
                path=("input",),
            )
        spans = await self._spans(request)
        now, batch = self._clock.now_ns(), secrets.token_hex(8)
        drafts = [self._draft(one, request, spans[one.query.window], batch, now) for one in chosen]
        jobs = [job for job in drafts if job.windows]
        if not jobs:
            raise UserError(
                "Nothing is rolled up in that interval, or what it was computed from has been deleted.",
                path=("input", "from"),
            )
        top = max(job.interval_end_ns for job in jobs)
        jobs = [replace(job, done_from_ns=top) for job in jobs]
        seconds, measured = await self._estimate(jobs)
        return JobPlan(
            jobs, sum(j.windows for j in jobs), seconds, measured, min(j.interval_start_ns for j in jobs), top
        )

    async def create(self, request: JobRequest) -> JobPlan:
        """As `plan`, and the jobs are kept: they begin within seconds."""
        plan = await self.plan(request)
        kept = await self._jobs.add(plan.jobs)
        await self._soon()
        return replace(plan, jobs=kept)

    async def step(self, ids: Sequence[int], step: str) -> Sequence[Job]:
        """Pause, resume, cancel or retry jobs, all or none. Raises `NotFound`, or `Conflict` for a job in another state."""
        for _ in range(5):
            found = {job.id: job for job in await self._jobs.find(ids)}
            missing = [one for one in ids if one not in found]
            if missing:
                raise NotFound(f"There is no job {missing[0]}.", path=("id",))
            now = self._clock.now_ns()
            after = [apply_step(found[one], step) for one in ids]
            after = [replace(job, ended_ns=now) if job.state in ENDED else job for job in after]
            kept = await self._jobs.save(after)
            if len(kept) == len(after):
                if step in ("resume", "retry"):
                    await self._soon()
                return kept
            ids = [one for one in ids if one not in {job.id for job in kept}]
        raise Conflict("The job is changing; try again.", path=("id",))

    async def step_batch(self, batch: str, step: str) -> Sequence[Job]:
        """The same for those jobs of a batch that are in states from which it can be taken."""
        able = await self._jobs.in_states(tuple(TRANSITIONS[step]))
        found = [job for job in able if job.batch == batch]
        if not found:
            raise NotFound(f"No job of batch {batch!r} is in a state to {step}.", path=("batch",))
        return await self.step([job.id for job in found], step)

    async def find(self, job_id: int) -> Job | None:
        return next(iter(await self._jobs.find([job_id])), None)

    async def count(self, state: JobState) -> int:
        return await self._jobs.count((state,))

    async def page(
        self, states: Sequence[JobState] | None, first: int, before_id: int | None
    ) -> tuple[int, Sequence[Job], bool]:
        """How many match in all, a page of them, newest first, and whether more follow. Raises `UserError`."""
        if not 1 <= first <= MAX_PAGE:
            raise UserError(f"jobs(first: {first}): expected 1 to {MAX_PAGE}.")
        found = await self._jobs.page(states, first + 1, before_id)
        return await self._jobs.count(states), found[:first], len(found) > first

    async def watch(self) -> AsyncGenerator[tuple[bool, Sequence[Job]], None]:
        """(True, all active jobs and those that changed last), then (False, those that changed), at most once a second."""
        since = self._clock.now_ns() - _SKEW_NS
        active = {job.id: job for job in await self._jobs.in_states((*ACTIVE, JobState.PAUSED))}
        known = {job.id: job for job in await self._jobs.changed(0, SHOWN)} | active
        yield True, sorted(known.values(), key=lambda job: -job.id)
        versions = {job.id: job.version for job in known.values()}
        while True:
            await asyncio.sleep(LEAST_SECONDS)
            now = self._clock.now_ns()
            try:
                fresh = await self._jobs.changed(since, MAX_JOBS)
            except TransientError:
                continue
            since = now - _SKEW_NS
            news = [job for job in fresh if versions.get(job.id) != job.version]
            versions |= {job.id: job.version for job in news}
            if news:
                yield False, sorted(news, key=lambda job: -job.id)

    async def _soon(self) -> None:
        try:
            await self._queue.request_run("run_job")
        except TransientError:
            return  # the next start by the schedule finds them

    async def _spans(self, request: JobRequest) -> Mapping[Window, tuple[int, int]]:
        """Which part of the interval can be computed again, by window; an empty one is (0, 0)."""
        first = await self._store.first_time() if request.start_ns is None else request.start_ns
        kept = {length: await self._state.retained_from(length) or 0 for length in (None, *WINDOWS)}
        found = {}
        for window in WINDOWS:
            top = await self._state.watermark(window) or 0
            end = top if request.end_ns is None else min(window.ceil(request.end_ns), top)
            oldest = max(kept[window], kept[Window.S30])
            start = end if first is None else max(window.floor(first), window.ceil(oldest))
            found[window] = (start, end) if start < end else (0, 0)
        return found

    def _draft(self, chosen: Chosen, request: JobRequest, span: tuple[int, int], batch: str, now: int) -> Job:
        query = chosen.query
        job = Job(
            id=0,
            batch=batch,
            cq_name=query.name,
            kind=query.kind,
            window=query.window,
            series=chosen.series,
            whole=chosen.whole,
            priority=request.priority,
            state=JobState.CREATED,
            interval_start_ns=span[0],
            interval_end_ns=span[1],
            done_from_ns=span[1],
            windows=0,
            created_ns=now,
            changed_ns=now,
        )
        return replace(job, windows=windows_in(job, *span))

    async def _estimate(self, jobs: Sequence[Job]) -> tuple[float, bool]:
        speeds = await self._jobs.speeds()
        seconds = 0.0
        for job in jobs:
            speed = speeds.get((job.kind, job.window))
            days = job.windows * job.window.ns / Window.D1.ns
            seconds += job.windows / speed if speed else days / SERIES_DAYS_PER_S[job.kind]
        return seconds, all((job.kind, job.window) in speeds for job in jobs)
