"""How far one run of a job goes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.core.jobs import Job
from backend.core.windows import Window

FIRST_NS: Final = 12 * Window.H1.ns
LONGEST_NS: Final = 30 * Window.D1.ns
TARGET_S: Final = 5.0
"""How long one run should take."""

GROWTH: Final = 10.0
"""A slice is at most so many times as long as the one before: a stretch without readings tells little of what follows."""


def next_slice(jobs: Sequence[Job]) -> tuple[int, int]:
    """The next slice (start, end) of jobs that share their slices and have come equally far: it ends where they are.

    It begins at an edge of the coarsest of their windows, so that each window is whole.
    """
    job = jobs[0]
    end = job.done_from_ns
    edge = max((j.window for j in jobs), key=lambda window: window.ns)
    length = _length(job)
    if length >= 2 * Window.D1.ns:
        edge = Window.D1  # whole days are read once
    start = edge.floor(end - length)
    return max(start, min(j.interval_start_ns for j in jobs)), end


def _length(job: Job) -> int:
    """By how long the last slice took."""
    if job.last_run_start_ns is None or job.last_run_end_ns is None or job.last_execution_s is None:
        return FIRST_NS
    before = job.last_run_end_ns - job.last_run_start_ns
    scale = min(TARGET_S / max(job.last_execution_s, 1e-3), GROWTH)
    return min(max(round(before * scale), Window.S30.ns), LONGEST_NS)


def narrower(jobs: Sequence[Job]) -> int:
    """Where a slice begins that a run of it did not survive: its later half, of whole windows."""
    job = jobs[0]
    assert job.last_run_start_ns is not None
    assert job.last_run_end_ns is not None
    edge = max((j.window for j in jobs), key=lambda window: window.ns)
    half = edge.floor((job.last_run_start_ns + job.last_run_end_ns) // 2)
    return half if job.last_run_start_ns < half < job.last_run_end_ns else job.last_run_start_ns


def windows_in(job: Job, start_ns: int, end_ns: int) -> int:
    """How many windows of all the job's series begin in its part of a slice."""
    start, end = max(start_ns, job.interval_start_ns), min(end_ns, job.interval_end_ns)
    return len(job.series) * len(job.window.starts(start, end)) if start < end else 0
