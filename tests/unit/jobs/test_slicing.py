"""Tests of slices: whole windows, newest first, about five seconds long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.bucket import SeriesKind
from backend.core.errors import Conflict
from backend.core.jobs import TRANSITIONS, Job, JobState, Priority, apply_step
from backend.core.windows import WINDOWS, Window
from backend.jobs.slicing import FIRST_SLICE_NS, MAX_SLICE_NS, count_windows, narrow_slice, next_slice

H, D = Window.H1.ns, Window.D1.ns
END = 20_000 * D


def job(window: Window = Window.H1, start: int = END - 100 * D, end: int = END, **more: Any) -> Job:
    base = Job(
        1, "b", "cq", SeriesKind.SENSOR, window, ("a", "b"), True, Priority.LOW, JobState.WAITING,
        start, end, end, 0, 0, 0,
    )  # fmt: skip
    return replace(base, **more)


def ran(length: int, seconds: float, **more: Any) -> Job:
    done = END - 50 * D
    return job(
        done_from_ns=done,
        last_run_start_ns=done,
        last_run_end_ns=done + length,
        last_execution_s=seconds,
        **more,
    )


def test_the_first_slice_is_half_a_day() -> None:
    assert next_slice([job()]) == (END - FIRST_SLICE_NS, END)
    assert next_slice([job(Window.D1)]) == (END - D, END), "or a whole one where the windows are days"
    assert next_slice([job(start=END - 2 * H)]) == (END - 2 * H, END)


@pytest.mark.parametrize(
    "length, seconds, expected",
    [(12 * H, 2.5, 24 * H), (12 * H, 10.0, 6 * H), (12 * H, 1e-6, 5 * D), (9 * D, 1, 30 * D)],
)
def test_the_next_one_takes_about_five_seconds(length: int, seconds: float, expected: int) -> None:
    start, end = next_slice([ran(length, seconds)])
    assert end - start == expected
    assert end == END - 50 * D


def test_slices_begin_at_edges_of_the_coarsest_window() -> None:
    jobs = [job(Window.S30, end=END + 7 * H), job(Window.D1)]
    top = [replace(one, done_from_ns=END + 7 * H) for one in jobs]
    assert next_slice(top) == (END - D, END + 7 * H)


@given(
    st.sampled_from(WINDOWS),
    st.integers(1, 400_000),
    st.floats(1e-4, 1e4),
    st.integers(1, 40 * 2880),
)
def test_slices_cover_the_interval_without_a_gap(
    window: Window, many: int, seconds: float, last: int
) -> None:
    one = job(window, start=END - many * window.ns)
    last_ns = max(window.ns, last * 30 * 10**9 // window.ns * window.ns)
    one = replace(one, last_run_start_ns=END, last_run_end_ns=END + last_ns, last_execution_s=seconds)
    for _ in range(5):
        start, end = next_slice([one])
        assert one.interval_start_ns <= start < end == one.done_from_ns
        assert (start - one.interval_start_ns) % window.ns == 0
        assert end - start < MAX_SLICE_NS + 2 * D
        one = replace(one, done_from_ns=start, last_run_start_ns=start, last_run_end_ns=end)
        if start == one.interval_start_ns:
            break


def test_a_failed_slice_is_halved_down_to_a_window() -> None:
    one = replace(job(), last_run_start_ns=END - 4 * H, last_run_end_ns=END)
    assert narrow_slice([one]) == END - 2 * H
    assert narrow_slice([replace(one, last_run_start_ns=END - H)]) == END - H


def test_windows_are_counted_of_each_series() -> None:
    assert count_windows(job(), END - 10 * H, END + 10 * H) == 20
    assert count_windows(job(Window.D1), END - D, END) == 2
    assert count_windows(job(Window.D1), END - 7 * H, END) == 2, "the window that the slice begins in"
    assert count_windows(job(), END, END + H) == 0


def test_the_state_machine() -> None:
    way = job(state=JobState.CREATED)
    for step in ("run", "wait", "run", "pause", "resume", "run", "fail", "retry", "run", "wait", "finish"):
        way = apply_step(way, step)
    assert way.state is JobState.FINISHED
    for step in TRANSITIONS:
        with pytest.raises(Conflict, match="Job 1 is finished: only a job that is"):
            apply_step(way, step)
    with pytest.raises(Conflict):
        apply_step(job(state=JobState.CANCELLED), "pause")
    failed = job(state=JobState.FAILED, attempts=5, ended_ns=3)
    assert (apply_step(failed, "retry").attempts, apply_step(failed, "retry").ended_ns) == (0, None)
