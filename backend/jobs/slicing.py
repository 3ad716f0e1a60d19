"""Length of the slices that a run of a job computes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.core.jobs import Job
from backend.core.windows import Window

FIRST_SLICE_NS: Final = 12 * Window.H1.ns
MAX_SLICE_NS: Final = 30 * Window.D1.ns
TARGET_S: Final = 5.0
"""Target duration of one run, in seconds."""

MAX_GROWTH: Final = 10.0
"""Maximum ratio of the length of a slice to that of the one before: an interval without readings predicts little."""


def next_slice(jobs: Sequence[Job]) -> tuple[int, int]:
    """Return the next slice (start, end) of jobs that share their slices and have reached the same point, where it ends.

    It starts at an edge of the coarsest of their windows, so that each window is whole.
    """
    job = jobs[0]
    end = job.done_from_ns
    edge = max((j.window for j in jobs), key=lambda window: window.ns)
    length = _length(job)
    if length >= 2 * Window.D1.ns:
        edge = Window.D1  # so that whole days are read once
    start = edge.floor(end - length)
    return max(start, min(j.interval_start_ns for j in jobs)), end


def _length(job: Job) -> int:
    """Return the length of the next slice, from the duration of the last one."""
    if job.last_run_start_ns is None or job.last_run_end_ns is None or job.last_execution_s is None:
        return FIRST_SLICE_NS
    before = job.last_run_end_ns - job.last_run_start_ns
    scale = min(TARGET_S / max(job.last_execution_s, 1e-3), MAX_GROWTH)
    return min(max(round(before * scale), Window.S30.ns), MAX_SLICE_NS)


def narrow_slice(jobs: Sequence[Job]) -> int:
    """Return the start of a smaller slice after a run did not survive: its later half, of whole windows."""
    job = jobs[0]
    assert job.last_run_start_ns is not None
    assert job.last_run_end_ns is not None
    edge = max((j.window for j in jobs), key=lambda window: window.ns)
    half = edge.floor((job.last_run_start_ns + job.last_run_end_ns) // 2)
    return half if job.last_run_start_ns < half < job.last_run_end_ns else job.last_run_start_ns


def count_windows(job: Job, start_ns: int, end_ns: int) -> int:
    """Return the number of windows of all series of the job that begin in its part of a slice."""
    start, end = max(start_ns, job.interval_start_ns), min(end_ns, job.interval_end_ns)
    return len(job.series) * len(job.window.starts(start, end)) if start < end else 0
