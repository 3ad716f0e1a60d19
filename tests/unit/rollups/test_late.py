"""Tests of the dirty spans of late readings, and of their order in healing."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.core.ports import DirtyWindow
from backend.core.reading import Readings
from backend.core.windows import NS_PER_SECOND, WINDOWS, Window
from backend.rollups.late import MAX_RUNS, days, dirty_spans, merge_spans

HORIZON = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp()) * NS_PER_SECOND
DAY = Window.D1.ns


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NS_PER_SECOND


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-400 * DAY, DAY)), min_size=1, max_size=30))
def test_every_late_reading_lies_in_a_span_of_its_sensor(rows: list[tuple[str, int]]) -> None:
    rows = [(sensor, HORIZON + offset) for sensor, offset in rows]
    readings = Readings.from_rows([s for s, _ in rows], [t for _, t in rows], [1.0] * len(rows))
    spans = dirty_spans(readings, HORIZON)
    assert len(set(spans)) == len(spans)
    for sensor, time in rows:
        inside = [s for s in spans if s.sensor == sensor and s.start_ns <= time < s.end_ns]
        assert bool(inside) or time >= HORIZON
    for span in spans:
        assert any(s == span.sensor and span.start_ns <= t < span.end_ns for s, t in rows)
        length = span.end_ns - span.start_ns
        assert length in {w.ns for w in WINDOWS}
        assert span.start_ns % length == 0


def test_spans_grow_with_age() -> None:
    def span(text: str) -> tuple[int, int]:
        (found,) = dirty_spans(Readings.from_rows(["a"], [at(text)], [1.0]), HORIZON)
        return found.start_ns, found.end_ns

    assert span("2024-02-29T23:59:59+00:00") == (at("2024-02-29T23:59:30+00:00"), HORIZON)
    assert span("2024-02-29T22:59:59+00:00") == (
        at("2024-02-29T22:00:00+00:00"),
        at("2024-02-29T23:00:00+00:00"),
    )
    assert span("2023-02-28T22:59:59+00:00") == (
        at("2023-02-28T00:00:00+00:00"),
        at("2023-03-01T00:00:00+00:00"),
    )


def test_a_year_of_late_readings_marks_some_hundred_spans() -> None:
    times = np.arange(HORIZON - 365 * DAY, HORIZON, 600 * NS_PER_SECOND, dtype=np.int64)
    readings = Readings(("a",), np.zeros(len(times), np.int32), times, np.ones(len(times)))
    assert len(dirty_spans(readings, HORIZON)) < 365 + 7 * 24 + 120


def test_days_are_newest_first_and_a_span_ends_with_its_oldest_day() -> None:
    long, short = DirtyWindow("a", 5 * DAY, 7 * DAY), DirtyWindow("b", 6 * DAY, 6 * DAY + Window.S30.ns)
    assert list(days([long, short])) == [
        (6 * DAY, [long, short], [short]),
        (5 * DAY, [long], [long]),
    ]


SPANS = st.lists(
    st.tuples(st.integers(0, 3_000), st.integers(1, 200)).map(
        lambda s: (s[0] * Window.S30.ns, (s[0] + s[1]) * Window.S30.ns)
    ),
    max_size=20,
)


@given(SPANS, st.sampled_from(WINDOWS), st.integers(0, 3))
def test_runs_are_whole_windows_that_hold_the_spans(
    spans: list[tuple[int, int]], window: Window, whole: int
) -> None:
    top = whole * DAY // 3 // window.ns * window.ns
    found = merge_spans(spans, window, 0, top)
    touched = {w for a, b in spans for w in window.starts(a, b) if w < top}
    covered = {w for a, b in found for w in range(a, b, window.ns)}
    assert touched <= covered
    assert len(found) <= MAX_RUNS
    assert all(a % window.ns == 0 and b % window.ns == 0 and a < b for a, b in found)
    assert all(b < c for (_, b), (c, _) in pairwise(found))
    if len(found) > 1:
        assert touched == covered
