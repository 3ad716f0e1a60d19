"""Execution of jobs: prepare slices, compute them, finish jobs. Run one of each function at a time.

Progress is stored after every slice, together with the version of the job that was read. If a process dies in a
slice, the slice is recomputed, with the same result. A process that is too late changes no job.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Final

from backend.core.bucket import SeriesKind
from backend.core.clock import Clock
from backend.core.errors import TransientError
from backend.core.jobs import Job, JobRepository, JobState, apply_step
from backend.core.windows import Window
from backend.jobs.slicing import count_windows, narrow_slice, next_slice
from backend.rollups.engine import RollupEngine
from backend.rollups.recompute import Portion

log = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 5
"""Runs of one slice that may end without a result, by an error or the death of the process, before the job fails."""

BUDGET_S: Final = 40.0
"""Seconds after which a run begins no further slice, so that other tasks get their turn."""

NO_RESULT: Final = f"{MAX_ATTEMPTS} runs of this slice ended without a result"


class JobRunner:
    """Raises `TransientError` if database or store cannot be reached; everything done by then stays done."""

    def __init__(self, jobs: JobRepository, engine: RollupEngine, clock: Clock) -> None:
        self._jobs = jobs
        self._engine = engine
        self._clock = clock

    async def prepare(self) -> int:
        """Prepare the next slice of every job that is created or waiting. Return the number of jobs."""
        due = await self._jobs.in_states((JobState.CREATED, JobState.WAITING))
        return len(await self._jobs.save([job for group in _in_step(due) for job in _with_next_slice(group)]))

    async def run(self, budget_s: float = BUDGET_S, now_s: Callable[[], float] = time.monotonic) -> int:
        """Compute the slices of running jobs, high priority first. Return the number of slices."""
        began, slices = now_s(), 0
        while slices == 0 or now_s() - began < budget_s:
            running = await self._jobs.in_states((JobState.RUNNING,))
            if not running:
                break
            group = await self._begin_attempt([job for job in running if _slice(job) == _slice(running[0])])
            if not group:
                continue
            after = await self._compute(group)
            slices += 1
            await self._jobs.save([job for part in _in_step(after) for job in _with_next_slice(part)])
        return slices

    async def finish(self) -> int:
        """Finish the jobs that have reached the start of their interval. Return their number."""
        waiting = await self._jobs.in_states((JobState.WAITING,))
        now = self._clock.now_ns()
        finished = [replace(apply_step(job, "finish"), ended_ns=now) for job in waiting if _is_done(job)]
        saved = await self._jobs.save(finished)
        for job in saved:
            log.info("job finished id=%d query=%s", job.id, job.cq_name)
        return len(saved)

    async def _begin_attempt(self, group: Sequence[Job]) -> Sequence[Job]:
        """Return the jobs of one slice with one more attempt recorded; jobs with too many attempts fail."""
        exhausted = [job for job in group if job.attempts >= MAX_ATTEMPTS]
        if exhausted:
            now = self._clock.now_ns()
            failed = [apply_step(job, "fail") for job in exhausted]
            await self._jobs.save(
                [replace(job, ended_ns=now, last_error=job.last_error or NO_RESULT) for job in failed]
            )
            log.error("jobs failed ids=%s error=%s", _ids(exhausted), exhausted[0].last_error or NO_RESULT)
        remaining = [job for job in group if job.attempts < MAX_ATTEMPTS]
        if not remaining:
            return []
        start = narrow_slice(remaining) if remaining[0].attempts else remaining[0].last_run_start_ns
        return await self._jobs.save(
            [replace(job, attempts=job.attempts + 1, last_run_start_ns=start) for job in remaining]
        )

    async def _compute(self, group: Sequence[Job]) -> Sequence[Job]:
        start, end = _edges(group[0])
        began = time.perf_counter()
        try:
            portions = list(_portions(group, start, end))
            if portions:
                await self._engine.recompute_series(portions)
        except Exception as error:
            is_transient = isinstance(error, TransientError)
            failed = [
                replace(
                    job, attempts=job.attempts - is_transient, last_error=str(error) or type(error).__name__
                )
                for job in group
            ]
            with suppress(TransientError):
                await self._jobs.save(failed)
            raise
        seconds = time.perf_counter() - began
        window_counts = {job.id: count_windows(job, start, end) for job in group}
        total_windows = max(1, sum(window_counts.values()))
        return await self._jobs.save(
            [
                replace(
                    apply_step(job, "wait"),
                    done_from_ns=start,
                    windows_done=min(job.windows, job.windows_done + window_counts[job.id]),
                    last_execution_s=seconds,
                    run_s=job.run_s + seconds * window_counts[job.id] / total_windows,
                    attempts=0,
                    last_error="",
                )
                for job in group
            ]
        )


def _is_done(job: Job) -> bool:
    return job.done_from_ns <= job.interval_start_ns


def _slice(job: Job) -> tuple[str, int | None, int | None]:
    return job.batch, job.last_run_start_ns, job.last_run_end_ns


def _edges(job: Job) -> tuple[int, int]:
    assert job.last_run_start_ns is not None, "a running job has a slice"
    assert job.last_run_end_ns is not None
    return job.last_run_start_ns, job.last_run_end_ns


def _in_step(jobs: Iterable[Job]) -> Iterable[Sequence[Job]]:
    """Yield the unfinished jobs of one batch that have reached the same point; they continue together."""

    def position(job: Job) -> tuple[str, int]:
        return job.batch, job.done_from_ns

    for _, group in groupby(sorted((job for job in jobs if not _is_done(job)), key=position), key=position):
        yield list(group)


def _with_next_slice(group: Sequence[Job]) -> Iterable[Job]:
    start, end = next_slice(group)
    for job in group:
        yield replace(apply_step(job, "run"), last_run_start_ns=start, last_run_end_ns=end)


def _portions(group: Sequence[Job], start: int, end: int) -> Iterable[Portion]:
    """Yield the portions of a slice that the jobs need, one per window and interval."""
    series_by_span: dict[tuple[Window, int, int], dict[SeriesKind, set[str]]] = {}
    for job in group:
        span = (max(start, job.interval_start_ns), min(end, job.interval_end_ns))
        if span[0] < span[1]:
            kinds = series_by_span.setdefault((job.window, *span), {kind: set() for kind in SeriesKind})
            kinds[job.kind].update(job.series)
    # Types have no 30 s windows. With the types named there, all windows share one read.
    all_types = frozenset(name for kinds in series_by_span.values() for name in kinds[SeriesKind.TYPE])
    for (window, span_start, span_end), kinds in series_by_span.items():
        yield Portion(
            window,
            span_start,
            span_end,
            frozenset(kinds[SeriesKind.SENSOR]),
            all_types if window is Window.S30 else frozenset(kinds[SeriesKind.TYPE]),
            frozenset(kinds[SeriesKind.NODE]),
        )


def _ids(jobs: Sequence[Job]) -> str:
    return ", ".join(str(job.id) for job in jobs)
