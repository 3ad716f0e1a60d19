"""Recomputation jobs: their data, their states, and the port that stores them.

A job recomputes one continuous query over an interval, in slices, backwards from the end of the interval.
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
    """The states of a job."""

    CREATED = "created"
    RUNNING = "running"  # a slice is prepared or being computed
    WAITING = "waiting"  # a slice is done, the next one is not prepared
    FINISHED = "finished"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Priority(StrEnum):
    """The priority of a job."""

    LOW = "low"
    HIGH = "high"


ACTIVE: Final = (JobState.CREATED, JobState.RUNNING, JobState.WAITING)
"""States in which a job continues without a user's action."""

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
"""The steps. Each maps the states in which it is allowed to the state that follows."""


@dataclass(frozen=True, slots=True)
class Job:
    """The recomputation of one continuous query, or of some of its series.

    series               the series to compute, of one kind; `whole` is True if these are all series of the query
    batch                jobs that were created together; they share their slices
    interval_start_ns, interval_end_ns   edges of the query's window
    done_from_ns         windows that begin at or after it are done; the next slice ends there
    last_run_start_ns, last_run_end_ns   the slice that is prepared or ran last; None before the first
    last_execution_s     duration of the last slice, which the jobs of the batch share
    windows, windows_done   number of windows of all series in the interval, and of those that are done
    run_s                seconds of all slices; the time of a slice is divided by the windows of each job
    attempts             number of started runs of the current slice
    version              changes with every update; an update names the version it is based on
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
        """Share of the windows that are done, 0 to 1."""
        return self.windows_done / self.windows if self.windows else 1.0

    @property
    def windows_per_s(self) -> float | None:
        """Average speed; None before the first slice."""
        return self.windows_done / self.run_s if self.run_s and self.windows_done else None

    @property
    def remaining_s(self) -> float | None:
        """Remaining seconds of computation at the average speed; None before the first slice."""
        speed = self.windows_per_s
        return None if speed is None else (self.windows - self.windows_done) / speed


def apply_step(job: Job, step: str) -> Job:
    """Return the job after a step of the state machine. Raises `Conflict`, which names the allowed states."""
    to = TRANSITIONS[step].get(job.state)
    if to is None:
        allowed = " or ".join(state.value for state in TRANSITIONS[step])
        raise Conflict(f"Job {job.id} is {job.state}: only a job that is {allowed} can {step}.")
    if step == "retry":
        return replace(job, state=to, attempts=0, ended_ns=None)
    return replace(job, state=to)


class JobRepository(Protocol):
    """The durable store of jobs."""

    async def add(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Store new jobs, all or none. Their `id` and `version` are ignored. Return them as stored."""
        ...

    async def find(self, ids: Sequence[int]) -> Sequence[Job]:
        """Return the jobs with these ids, in no order. Unknown ids are ignored."""
        ...

    async def in_states(self, states: Sequence[JobState]) -> Sequence[Job]:
        """Return the jobs in these states: high priority first, then oldest first."""
        ...

    async def page(
        self, states: Sequence[JobState] | None, limit: int, before_id: int | None
    ) -> Sequence[Job]:
        """Return at most `limit` jobs in these states (any if None) with ids below `before_id`, newest first."""
        ...

    async def count(self, states: Sequence[JobState] | None) -> int: ...

    async def changed(self, since_ns: int, limit: int) -> Sequence[Job]:
        """Return the jobs that changed at or after a time, latest change first."""
        ...

    async def save(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Store changed jobs and return the stored ones with their new version.

        A job that was changed elsewhere since it was read, or deleted, is neither stored nor returned.
        """
        ...

    async def speeds(self) -> Mapping[tuple[SeriesKind, Window], float]:
        """Return the windows per second of past jobs, by kind and window."""
        ...

    async def delete_ended_before(self, before_ns: int) -> int:
        """Delete the jobs that ended before a time. Return their number."""
        ...
