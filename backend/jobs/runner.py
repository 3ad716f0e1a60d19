"""Carries jobs forward: prepares slices, computes them, ends what is done. Run one of each function at a time.

What was done is kept after every slice, with the version of the job that was seen: whoever dies in a slice leaves it to be
computed again, which changes nothing, and whoever comes too late changes no job.
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
from backend.jobs.slicing import narrower, next_slice, windows_in
from backend.rollups.engine import RollupEngine
from backend.rollups.recompute import Portion

log = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 5
"""Runs of one slice that may end without a result, by a fault or the death of the process, before the job has failed."""

BUDGET_S: Final = 40.0
"""After which a run begins no further slice, so that others get their turn."""

UNSURVIVED: Final = f"{MAX_ATTEMPTS} runs of this slice ended without a result"


class JobRunner:
    """Raises `TransientError` where database or store cannot be reached; all that was done by then stays done."""

    def __init__(self, jobs: JobRepository, engine: RollupEngine, clock: Clock) -> None:
        self._jobs = jobs
        self._engine = engine
        self._clock = clock

    async def prepare(self) -> int:
        """Prepare the next slice of every job that is created or waiting. Returns how many."""
        due = await self._jobs.in_states((JobState.CREATED, JobState.WAITING))
        return len(await self._jobs.save([job for group in _alike(due) for job in _sliced(group)]))

    async def run(self, budget_s: float = BUDGET_S, now_s: Callable[[], float] = time.monotonic) -> int:
        """Compute what is running, high priority first, slice after slice. Returns how many slices."""
        began, slices = now_s(), 0
        while slices == 0 or now_s() - began < budget_s:
            running = await self._jobs.in_states((JobState.RUNNING,))
            if not running:
                break
            group = await self._begun([job for job in running if _slice(job) == _slice(running[0])])
            if not group:
                continue
            after = await self._compute(group)
            slices += 1
            await self._jobs.save([job for part in _alike(after) for job in _sliced(part)])
        return slices

    async def finish(self) -> int:
        """End the jobs that have come to the beginning of their interval. Returns how many."""
        waiting = await self._jobs.in_states((JobState.WAITING,))
        now = self._clock.now_ns()
        done = [replace(apply_step(job, "finish"), ended_ns=now) for job in waiting if _is_done(job)]
        kept = await self._jobs.save(done)
        for job in kept:
            log.info("job %d: %s is computed again", job.id, job.cq_name)
        return len(kept)

    async def _begun(self, group: Sequence[Job]) -> Sequence[Job]:
        """Jobs of one slice with one more attempt noted; those that had too many fail."""
        hopeless = [job for job in group if job.attempts >= MAX_ATTEMPTS]
        if hopeless:
            now = self._clock.now_ns()
            failed = [apply_step(job, "fail") for job in hopeless]
            await self._jobs.save(
                [replace(job, ended_ns=now, last_error=job.last_error or UNSURVIVED) for job in failed]
            )
            log.error("jobs %s failed: %s", _ids(hopeless), hopeless[0].last_error or UNSURVIVED)
        rest = [job for job in group if job.attempts < MAX_ATTEMPTS]
        if not rest:
            return []
        start = narrower(rest) if rest[0].attempts else rest[0].last_run_start_ns
        return await self._jobs.save(
            [replace(job, attempts=job.attempts + 1, last_run_start_ns=start) for job in rest]
        )

    async def _compute(self, group: Sequence[Job]) -> Sequence[Job]:
        start, end = _edges(group[0])
        began = time.perf_counter()
        try:
            portions = list(_portions(group, start, end))
            if portions:
                await self._engine.recompute_series(portions)
        except Exception as error:
            passing = isinstance(error, TransientError)
            said = [
                replace(job, attempts=job.attempts - passing, last_error=str(error) or type(error).__name__)
                for job in group
            ]
            with suppress(TransientError):
                await self._jobs.save(said)
            raise
        took = time.perf_counter() - began
        many = {job.id: windows_in(job, start, end) for job in group}
        whole = max(1, sum(many.values()))
        return await self._jobs.save(
            [
                replace(
                    apply_step(job, "wait"),
                    done_from_ns=start,
                    windows_done=min(job.windows, job.windows_done + many[job.id]),
                    last_execution_s=took,
                    run_s=job.run_s + took * many[job.id] / whole,
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


def _alike(jobs: Iterable[Job]) -> Iterable[Sequence[Job]]:
    """Jobs of one batch that have come equally far and are not done; they go on together."""

    def where(job: Job) -> tuple[str, int]:
        return job.batch, job.done_from_ns

    for _, group in groupby(sorted((job for job in jobs if not _is_done(job)), key=where), key=where):
        yield list(group)


def _sliced(group: Sequence[Job]) -> Iterable[Job]:
    start, end = next_slice(group)
    for job in group:
        yield replace(apply_step(job, "run"), last_run_start_ns=start, last_run_end_ns=end)


def _portions(group: Sequence[Job], start: int, end: int) -> Iterable[Portion]:
    """What the jobs want of a slice, one portion a window and stretch of it."""
    wanted: dict[tuple[Window, int, int], dict[SeriesKind, set[str]]] = {}
    for job in group:
        span = (max(start, job.interval_start_ns), min(end, job.interval_end_ns))
        if span[0] < span[1]:
            kinds = wanted.setdefault((job.window, *span), {kind: set() for kind in SeriesKind})
            kinds[job.kind].update(job.series)
    # Types have no 30 s windows; naming them there lets all windows share one reading.
    every = frozenset(name for kinds in wanted.values() for name in kinds[SeriesKind.TYPE])
    for (window, a, b), kinds in wanted.items():
        yield Portion(
            window,
            a,
            b,
            frozenset(kinds[SeriesKind.SENSOR]),
            every if window is Window.S30 else frozenset(kinds[SeriesKind.TYPE]),
            frozenset(kinds[SeriesKind.NODE]),
        )


def _ids(jobs: Sequence[Job]) -> str:
    return ", ".join(str(job.id) for job in jobs)
