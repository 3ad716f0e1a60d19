"""Recomputation jobs: what one is, which states it can be in, and the port that keeps them.

A job computes one continuous query again over an interval, backwards from its end in slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from backend.core.bucket import SeriesKind
from backend.core.errors import Conflict
from backend.core.windows import Window


class JobState(StrEnum):
    CREATED = "created"
    RUNNING = "running"  # a slice is prepared, or being computed
    WAITING = "waiting"  # a slice is done, the next one is not prepared
    FINISHED = "finished"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Priority(StrEnum):
    LOW = "low"
    HIGH = "high"


ACTIVE: Final = (JobState.CREATED, JobState.RUNNING, JobState.WAITING)
"""States in which a job goes on by itself."""

ENDED: Final = (JobState.FINISHED, JobState.CANCELLED, JobState.FAILED)

TRANSITIONS: Final[Mapping[str, Mapping[JobState, JobState]]] = {
    "run": dict.fromkeys((JobState.CREATED, JobState.WAITING), JobState.RUNNING),
    "wait": {JobState.RUNNING: JobState.WAITING},
    "finish": {JobState.WAITING: JobState.FINISHED},
    "fail": {JobState.RUNNING: JobState.FAILED},
    "pause": dict.fromkeys(ACTIVE, JobState.PAUSED),
    "resume": {JobState.PAUSED: JobState.WAITING},
    "cancel": dict.fromkeys((*ACTIVE, JobState.PAUSED, JobState.FAILED), JobState.CANCELLED),
    "retry": dict.fromkeys((JobState.FAILED, JobState.CANCELLED), JobState.WAITING),
}
"""Step -> the states it may be taken from, each with the state it leads to."""


@dataclass(frozen=True, slots=True)
class Job:
    """One continuous query, or some of its series, to be computed again.

    series               the series to compute, of one kind; `whole` where they are all of the query
    batch                jobs of one batch were asked for together and share their slices
    interval_start_ns, interval_end_ns   edges of the query's window
    done_from_ns         what begins at or after it is done; slices go on downwards from there
    last_run_start_ns, last_run_end_ns   the slice that is prepared or was run last; None before the first
    last_execution_s     how long the last slice took; a slice is shared by the jobs of its batch
    windows, windows_done   windows of all series in the interval, and how many of them are done
    run_s                seconds of all slices, a slice's time shared out by the windows of each job
    attempts             runs of the present slice that were begun
    version              another one at every change: who changes a job says which version it saw
    """

    id: int
    batch: str
    cq_name: str
    kind: SeriesKind
    window: Window
    series: tuple[str, ...]
    whole: bool
    priority: Priority
    state: JobState
    interval_start_ns: int
    interval_end_ns: int
    done_from_ns: int
    windows: int
    created_ns: int
    changed_ns: int
    windows_done: int = 0
    last_run_start_ns: int | None = None
    last_run_end_ns: int | None = None
    last_execution_s: float | None = None
    run_s: float = 0.0
    attempts: int = 0
    last_error: str = ""
    ended_ns: int | None = None
    version: int = 0

    @property
    def progress(self) -> float:
        """Share that is done, 0 to 1."""
        return self.windows_done / self.windows if self.windows else 1.0

    @property
    def windows_per_s(self) -> float | None:
        return self.windows_done / self.run_s if self.run_s and self.windows_done else None

    @property
    def remaining_s(self) -> float | None:
        """Seconds of computing that are left at the speed so far; None before the first slice."""
        speed = self.windows_per_s
        return None if speed is None else (self.windows - self.windows_done) / speed


def apply_step(job: Job, step: str) -> Job:
    """The job after a step of the state machine. Raises `Conflict`, which says what the step wants."""
    to = TRANSITIONS[step].get(job.state)
    if to is None:
        wanted = " or ".join(state.value for state in TRANSITIONS[step])
        raise Conflict(f"Job {job.id} is {job.state}: only a job that is {wanted} can {step}.")
    if step == "retry":
        return replace(job, state=to, attempts=0, ended_ns=None)
    return replace(job, state=to)


class JobRepository(Protocol):
    """Jobs, kept over the death of everything."""

    async def add(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Keep new jobs, all or none; `id` and `version` of those handed in are ignored. Answers them as kept."""
        ...

    async def find(self, ids: Sequence[int]) -> Sequence[Job]:
        """By id, in no order; those that are not there are left out."""
        ...

    async def in_states(self, states: Sequence[JobState]) -> Sequence[Job]:
        """High priority first, then those created first."""
        ...

    async def page(
        self, states: Sequence[JobState] | None, limit: int, before_id: int | None
    ) -> Sequence[Job]:
        """Newest first: at most `limit` jobs in these states (any if None), with ids under `before_id`."""
        ...

    async def count(self, states: Sequence[JobState] | None) -> int: ...

    async def changed(self, since_ns: int, limit: int) -> Sequence[Job]:
        """Jobs that changed at or after a time, those that changed last first."""
        ...

    async def save(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Keep changed jobs. Answers those that were kept, with their new version: one that somebody else changed since it
        was read, or that is gone, is left as it is and left out."""
        ...

    async def speeds(self) -> Mapping[tuple[SeriesKind, Window], float]:
        """Windows a second of the jobs that ran, by kind and window."""
        ...

    async def delete_ended_before(self, before_ns: int) -> int:
        """Drop jobs that ended before a time; answers how many."""
        ...
